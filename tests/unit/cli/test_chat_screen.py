"""The chat that fills the terminal, driven by keys, on a small server in this process."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, Static

from signet.cli.chat_screen import ChatScreen, Line
from signet.cli.host import Host
from signet.cli.stores import Place
from signet.cli.talk import Talk
from signet.client import Client, Environment, MessageReceived
from tests.support.small_server import SmallServer


async def until(pilot: Pilot[None], is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await pilot.pause(0.01)


def shown(screen: ChatScreen) -> str:
    return "\n".join(str(line.render()) for line in screen.query(Line))


async def test_keys_become_a_message_and_its_ticks_and_answers_appear(tmp_path: Path) -> None:
    server = SmallServer()
    environment = Environment(dial=server.dial, http=server.http, chance=lambda: 0.0)

    async def registered(name: str) -> Client:
        file = Place(tmp_path / name).file
        return await Client.register(
            server="http://small.test", store=file, user_name=name, environment=environment
        )

    host = Host(await registered("alice"), Place(tmp_path / "alice"))
    bob = await registered("bob")
    async with host, bob:
        screen = ChatScreen(Talk(host, await host.find("bob"), "bob"))
        async with screen.run_test() as pilot:
            await until(pilot, lambda: "Say hello" in shown(screen))
            await pilot.press(*"hello", "enter")
            assert screen.query_one(Input).value == ""
            async for event in bob.events():
                if isinstance(event, MessageReceived):
                    await bob.mark_read(event.message.peer)
                    await bob.send(event.message.peer, "[bold]hello[/] alice")
                    break
            await until(pilot, lambda: "alice  hello  ✓✓" in shown(screen))
            await until(pilot, lambda: "bob  [bold]hello[/] alice" in shown(screen))
            assert "bob" in str(screen.query_one("#who", Static).render())
            await pilot.press(*"/help", "enter")
            await until(pilot, lambda: "/quit" in shown(screen))
            await pilot.press("ctrl+c")
        assert screen.return_code == 0
