"""`signet link NAME`: on a new device; an old one lets it in with `signet devices link`."""

import asyncio
import json
import platform
from typing import Annotated

import typer
from rich.markup import escape

from signet.cli import look, stores
from signet.cli.failures import Exit, Problem, explained
from signet.cli.options import DEFAULT_SERVER, Json, Store
from signet.cli.stores import Place
from signet.client import Client
from signet.client import Transport as TransportName
from signet.core.ids import show
from signet.core.limits import LINK_TTL, MAX_DEVICE_NAME


def link(
    name: Annotated[str, typer.Argument(help="Your user name.")],
    server: Annotated[str, typer.Option(help="Where the server's REST is.")] = DEFAULT_SERVER,
    store: Store = None,
    device: Annotated[str, typer.Option(help="What you call this device.")] = "",
    grpc: Annotated[bool, typer.Option("--grpc", help="Speak gRPC, not WebSocket.")] = False,
    as_json: Json = False,
) -> None:
    """Make this machine another device of your account: another of yours lets it in."""
    with explained(as_json):
        place = stores.new_place(name, store)
        if place.exists:
            advice = f"to go on with it: --as {name}; else another --store"
            raise Problem("STORE_EXISTS", f"{place.folder} is taken", advice, Exit.STORE)
        transport: TransportName = "grpc" if grpc else "websocket"
        called = (device or platform.node())[:MAX_DEVICE_NAME]
        told = asyncio.run(_link(place, server, called, transport, as_json))
    if as_json:
        print(json.dumps(told))
    else:
        out = look.console()
        who = f"[me]{told['user_name']}[/]"
        out.print(f"[good]●[/] this is device {told['device_id']} of {who} now")
        out.print(f"  talk: [copy]signet chat PEER --as {name}[/]")


async def _link(
    place: Place, server: str, device: str, transport: TransportName, as_json: bool
) -> dict[str, str | int]:
    place.make()
    try:
        async with await Client.link(
            server=server, store=place.file, device_name=device, transport=transport
        ) as linking:
            _tell(as_json, link=linking.link)
            _tell(as_json, code=await linking.code())
            client = await linking.client()
    except BaseException:
        place.forget()
        raise
    told: dict[str, str | int] = {
        "user_name": client.user_name,
        "user_id": show(client.user_id),
        "device_id": client.device_id,
    }
    await client.close()
    return told


def _tell(as_json: bool, *, link: str = "", code: str = "") -> None:
    """What is to be carried to the other device, as soon as it is there."""
    if as_json:
        print(json.dumps({"link": link} if link else {"code": code}), flush=True)
        return
    out = look.console()
    if link:
        minutes = LINK_TTL // 60
        out.print("On a device that you have, let this one in:")
        out.print(f"  [copy]signet devices link {escape(link)}[/]")
        out.print(f"  [quiet]good once, for {minutes} minutes; whoever scans it can ask too[/]")
    else:
        out.print(f"Type this code there: [copy]{code[:3]} {code[3:]}[/]")
