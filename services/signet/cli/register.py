"""`signet register NAME`."""

import asyncio
import json
from typing import Annotated

import typer

from signet.cli import look, stores
from signet.cli.failures import Exit, Problem, explained
from signet.cli.options import DEFAULT_SERVER, Json, Store
from signet.cli.stores import Place
from signet.client import Client
from signet.client import Transport as TransportName
from signet.core.ids import show


def register(
    name: Annotated[str, typer.Argument(help="Your user name.")],
    server: Annotated[str, typer.Option(help="Where the server's REST is.")] = DEFAULT_SERVER,
    store: Store = None,
    invitation: Annotated[str, typer.Option(help="From the server's operator.")] = "",
    hidden: Annotated[bool, typer.Option("--hidden", help="Nobody finds you by name.")] = False,
    grpc: Annotated[bool, typer.Option("--grpc", help="Speak gRPC, not WebSocket.")] = False,
    as_json: Json = False,
) -> None:
    """Make an account, with its keys on this machine."""
    with explained(as_json):
        place = stores.new_place(name, store)
        if place.exists:
            advice = f"signet chat PEER --as {name}; or another name"
            raise Problem("STORE_EXISTS", f"{place.folder} is taken", advice, Exit.STORE)
        transport: TransportName = "grpc" if grpc else "websocket"
        told = asyncio.run(_register(place, name, server, invitation, not hidden, transport))
    if as_json:
        print(json.dumps(told))
    else:
        welcome(name, "registered", told, place)


async def _register(
    place: Place,
    name: str,
    server: str,
    invitation: str,
    findable: bool,
    transport: TransportName,
) -> dict[str, str | int]:
    place.make()
    try:
        client = await Client.register(
            server=server,
            store=place.file,
            user_name=name,
            findable=findable,
            invitation=invitation,
            transport=transport,
        )
    except BaseException:
        place.forget()
        raise
    return await entered(client, name)


async def entered(client: Client, name: str) -> dict[str, str | int]:
    """Close a client that has just come to its account; what its owner is to know."""
    told: dict[str, str | int] = {
        "user_name": name,
        "user_id": show(client.user_id),
        "device_id": client.device_id,
        "recovery_key": client.recovery_key or "",
    }
    await client.close()
    return told


def welcome(name: str, what: str, told: dict[str, str | int], place: Place) -> None:
    """For people: what happened, the recovery key, what to do next."""
    out = look.console()
    out.print(f"[good]●[/] [me]{name}[/] is {what}. [quiet]Keys: {place.folder}[/]")
    if key := told["recovery_key"]:
        out.print(f"  recovery key: [copy]{key}[/]")
        out.print(
            "  [quiet]shown once: when this machine is lost, it takes the account over:[/]"
            f" [copy]signet recover {name}[/]"
        )
    out.print(f"  talk: [copy]signet chat PEER --as {name}[/]")
