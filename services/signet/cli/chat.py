"""`signet chat PEER --as NAME`."""

import asyncio
from typing import Annotated

import typer

from signet.cli import look, stores
from signet.cli.chat_plain import PlainChat
from signet.cli.chat_screen import ChatScreen
from signet.cli.failures import explained
from signet.cli.host import Host, opened
from signet.cli.options import As, Peer, Store
from signet.cli.stores import Place
from signet.cli.talk import Talk


def chat(
    peer: Peer,
    name: As = None,
    store: Store = None,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a screen.")] = False,
) -> None:
    """Talk with somebody: fills the terminal; in pipes, and with --plain, lines."""
    with explained():
        asyncio.run(_chat(stores.place(name, store), peer, plain or not look.is_terminal()))


async def _chat(place: Place, peer: str, plain: bool) -> None:
    client = await opened(place)
    async with Host(client, place) as host:
        talk = Talk(host, await host.find(peer), peer)
        if plain:
            await PlainChat(talk).run()
        else:
            await ChatScreen(talk).run_async()
