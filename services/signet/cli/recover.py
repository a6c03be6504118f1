"""`signet recover NAME`."""

import asyncio
import json
import sys
from typing import Annotated

import typer

from signet.cli import stores
from signet.cli.failures import Exit, Problem, explained
from signet.cli.options import DEFAULT_SERVER, Json, Store
from signet.cli.register import entered, welcome
from signet.cli.stores import Place
from signet.client import Client, StoreHasAccount
from signet.client import Transport as TransportName
from signet.client.errors import Locked
from signet.core.errors import RULES, Code, Retry, SignetError


def recover(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Your user name.")],
    server: Annotated[str, typer.Option(help="Where the server's REST is.")] = DEFAULT_SERVER,
    store: Store = None,
    pin: Annotated[str, typer.Option(help="Of the registration lock, if there is one.")] = "",
    grpc: Annotated[bool, typer.Option("--grpc", help="Speak gRPC, not WebSocket.")] = False,
    as_json: Json = False,
) -> None:
    """Take your account over with its recovery key, which is asked for or read from a pipe.

    Your other devices are removed. Those you wrote with are told that your keys are new.
    """
    with explained(as_json):
        place = stores.new_place(name, store)
        transport: TransportName = "grpc" if grpc else "websocket"
        told = _asking(place, name, server, _secret("recovery key"), pin, transport)
    if as_json:
        print(json.dumps(told))
    else:
        welcome(name, "yours again", told, place)


def _asking(
    place: Place, name: str, server: str, key: str, pin: str, transport: TransportName
) -> dict[str, str | int]:
    """Recover; where a PIN turns out to be needed, ask for it, if somebody is there."""
    try:
        return asyncio.run(_recover(place, name, server, key, pin, transport))
    except Locked:
        if pin or not sys.stdin.isatty():
            raise
        pin = _secret("PIN of the registration lock")
        return asyncio.run(_recover(place, name, server, key, pin, transport))


async def _recover(
    place: Place, name: str, server: str, key: str, pin: str, transport: TransportName
) -> dict[str, str | int]:
    known = place.exists
    place.make()
    try:
        client = await Client.recover(
            server=server,
            store=place.file,
            user_name=name,
            recovery_key=key,
            registration_lock=pin,
            transport=transport,
        )
    except StoreHasAccount:
        advice = f"move it away, or use --store FOLDER; to go on with it: --as {name}"
        text = f"{place.folder} is taken"
        raise Problem("STORE_EXISTS", text, advice, Exit.STORE) from None
    except SignetError as error:
        # Of no other end is it known that nothing happened: the keys in the store ask again.
        if not known and RULES[error.code].retry in (Retry.NEVER, Retry.CHANGED):
            place.forget()
        if error.code is not Code.NOT_FOUND:
            raise
        text = f"nobody of the name {name} has this recovery key"
        advice = "the key is good once, and only the latest one is; check both"
        raise Problem("NOT_FOUND", text, advice, Exit.REFUSED) from None
    return await entered(client, name)


def _secret(what: str) -> str:
    """Not as an argument: those are seen by everybody on this machine, and kept by shells."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, err=True))
    return sys.stdin.readline().strip()
