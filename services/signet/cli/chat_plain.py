"""A chat in plain lines: for pipes, small terminals and programs. Enter sends; /help helps."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator

from rich.markup import escape

from signet.cli import lines, look
from signet.cli.talk import News, Quit, Talk, Told
from signet.client import Message, SendRefused, Status
from signet.core.ids import MessageId

LEAVES_AFTER = 10.0  # seconds that the end of the input waits for what is not sent


class PlainChat:
    """Prints what happens; own messages as they get their ticks."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._out = look.console()
        self._ticks: dict[MessageId, Status] = {}
        self._status = ""
        talk.on_news = self._news
        talk.on_status = self._status_changed

    async def run(self) -> None:
        """Until /quit or the end of the input."""
        for message in await self._talk.begin():
            self._print(message)
            self._ticks[message.id] = message.status
        who = self._talk.peer_name
        self._out.print(f"[quiet]— chat with [/][peer]{who}[/][quiet]; Enter sends, /help —[/]")
        following = asyncio.create_task(self._talk.follow())
        try:
            async for line in typed():
                await self._talk.type(line)
            await self._sent()
        except Quit:
            pass
        finally:
            following.cancel()

    async def _sent(self) -> None:
        """The input ended: wait for files, and a little for the first tick of what was written."""
        await self._talk.transfers.end()
        own = [m for m in self._talk.messages.values() if m.outgoing and m.status is Status.PENDING]
        try:
            async with asyncio.timeout(LEAVES_AFTER):
                for message in own:
                    await self._talk.client.wait_sent(message.id)
        except (TimeoutError, SendRefused):
            self._out.print("[warn]not everything is sent; it goes out when you come back[/]")
        for message in own:
            self._print(await self._talk.client.message(message.id))

    def _news(self, news: News) -> None:
        if isinstance(news, Told):
            self._out.print(f"[{news.style}]{escape(news.text)}[/]")
        else:
            self._print(news)

    def _print(self, message: Message) -> None:
        if message.outgoing:
            before = self._ticks.get(message.id)
            if message.status is Status.PENDING or before == message.status:
                return
            self._ticks[message.id] = message.status
            word = look.WORDS[message.status]
            mark = f"{look.tick(message.status)} [quiet]{word}:[/]"
            self._out.print(f"  {mark} {lines.body(message)}")
        else:
            own, own_name = self._talk.client.user_id, self._talk.client.user_name
            self._out.print(lines.line(message, own, own_name, self._talk.who(message)))

    def _status_changed(self) -> None:
        talk = self._talk
        status = talk.connection or (
            f"{talk.peer_name} is {talk.presence}" if talk.presence else ""
        )
        if talk.typing and not talk.connection:
            status = f"{talk.peer_name} is typing …"
        if status and status != self._status:
            self._out.print(f"[quiet]— {status} —[/]")
        self._status = status


async def typed() -> AsyncIterator[str]:
    """Lines of the standard input, whatever it is, until it ends.

    A thread reads the descriptor itself: it holds no lock that could keep the program from
    ending, and leaves the terminal's blocking mode, which the output shares, as it is.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    def put(line: str | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, line)

    def read() -> None:
        rest = b""
        while data := os.read(0, 65_536):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                put(line.decode(errors="replace"))
        if rest:
            put(rest.decode(errors="replace"))
        put(None)

    threading.Thread(target=read, name="input", daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line
