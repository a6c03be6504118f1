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
    group: Annotated[bool, typer.Option("--group", help="With a group of that name.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a screen.")] = False,
) -> None:
    """Talk with somebody, or a group: fills the terminal; in pipes, and with --plain, lines."""
    with explained():
        where = stores.place(name, store)
        asyncio.run(_chat(where, peer, group, plain or not look.is_terminal()))


async def _chat(place: Place, peer: str, group: bool, plain: bool) -> None:
    client = await opened(place)
    async with Host(client, place) as host:
        talk = Talk(host, await host.find_conversation(peer, group=group), peer)
        if plain:
            await PlainChat(talk).run()
        else:
            await ChatScreen(talk).run_async()
