"""`signet demo`: two people talk, the server is killed, and nothing is lost. Counted, not claimed.

The last line is `demo: N sent, N shown, 0 lost, 0 doubled, 0 out of order`; the exit code is 1
if one of the zeros is not zero, or something shown was never answered SENT.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import typer
from rich.markup import escape

from signet.cli import look
from signet.cli.failures import Exit, explained
from signet.cli.ledger import Count, Ledger
from signet.cli.server_process import ServerProcess
from signet.client import Client, Event, MessageReceived, Status

PATIENCE = 20.0  # seconds in which what must happen has to happen

OPENING = (
    ("alice", "Hello Bob! Can you hear me?"),
    ("bob", "Loud and clear, Alice."),
    ("alice", "The server carries this, and cannot read it."),
    ("bob", "Not a word?"),
    ("alice", "Not a word. It knows who, to whom and when; never what."),
    ("bob", "Good. I have a train to catch, talk later!"),
)
AWAY = (
    "Are you on the train?",
    "One tick: it is on the server's disk,",
    "although you are not there to take it.",
    "Now somebody pulls the plug of the server …",
)
AFTER = (("alice", "… and here we are again."), ("bob", "I have everything, in order!"))


class Person:
    """Somebody who writes and reads; what they see goes into the ledger."""

    def __init__(self, name: str, folder: Path, ledger: Ledger) -> None:
        self.name, self.ledger = name, ledger
        self.store = folder / name / "device.db"
        self.client: Client
        self.peer: Person
        self._shown: set[str] = set()
        self._news = asyncio.Event()
        self._out = look.console()

    async def register(self, server: str) -> None:
        self.client = await Client.register(server=server, store=self.store, user_name=self.name)
        await self._begin()

    async def come_back(self) -> None:
        self.client = await Client.open(store=self.store)
        await self._begin()

    async def _begin(self) -> None:
        self._reading = asyncio.create_task(self._read())
        await self.client.start()
        await asyncio.wait_for(self.client.wait_online(), PATIENCE)

    async def go(self) -> None:
        await self.client.stop()
        await self._reading

    async def _read(self) -> None:
        async for event in self.client.events():
            self._see(event)
            await event.done()

    def _see(self, event: Event) -> None:
        if isinstance(event, MessageReceived):
            text = event.message.text
            self.ledger.showed(self.peer.name, self.name, text)
            self._shown.add(text)
            self._news.set()
            colour = "me" if self.peer.name == "alice" else "peer"
            who = f"[{colour}]{self.peer.name:>5}[/]"
            self._out.print(f"  {who} → {self.name}: {escape(text)}")

    async def write(self, text: str, until: Status) -> None:
        """Write, and wait for the ticks."""
        to = await self.client.find(self.peer.name)
        self.ledger.wrote(self.name, self.peer.name, text)
        message = await self.client.send(to, text)
        async with asyncio.timeout(PATIENCE):
            await self.client.wait_sent(message.id)
            self.ledger.sent(self.name, self.peer.name, text)
            await self.client.wait_status(message.id, until)
        if until is Status.SENT:
            self._out.print(f"  [me]{self.name:>5}[/] wrote: {escape(text)} {look.tick(until)}")

    async def sees(self, *texts: str) -> None:
        """Wait until all of them were shown."""
        async with asyncio.timeout(PATIENCE):
            while not self._shown.issuperset(texts):
                self._news.clear()
                await self._news.wait()

    async def read_all(self) -> None:
        await self.client.mark_read(await self.client.find(self.peer.name))

    async def read_ticks(self) -> int:
        """How many of one's own messages are read, as the other side has told."""
        peer = await self.client.find(self.peer.name)
        async with asyncio.timeout(PATIENCE):
            own = [m for m in await self.client.history(peer) if m.outgoing]
            for message in own:
                await self.client.wait_status(message.id, Status.READ)
        return len(own)


class Demo:
    """The story, in its order."""

    def __init__(self, folder: Path) -> None:
        self._out = look.console()
        self._server = ServerProcess(folder / "server")
        self.ledger = Ledger()
        self._alice = Person("alice", folder, self.ledger)
        self._bob = Person("bob", folder, self.ledger)
        self._alice.peer, self._bob.peer = self._bob, self._alice

    def _say(self, text: str) -> None:
        self._out.print(f"[bold]▌[/] {text}")

    async def play(self) -> Count:
        try:
            await self._open()
            await self._away()
            await self._kill()
            await self._back()
        finally:
            for person in (self._alice, self._bob):
                if hasattr(person, "client"):
                    await person.go()
            await self._server.stop()
        return self.ledger.count()

    async def _open(self) -> None:
        addresses = await self._server.start()
        self._say(f"A server starts: one process, pid {addresses.pid}, {addresses.websocket}")
        await self._alice.register(addresses.rest)
        await self._bob.register(addresses.rest)
        self._say("[me]Alice[/] and [peer]Bob[/] register; their keys never leave them.")
        for writer, text in OPENING:
            await self._talk(writer, text)
        await self._bob.read_all()

    async def _talk(self, writer: str, text: str) -> None:
        person = self._alice if writer == "alice" else self._bob
        await person.write(text, Status.DELIVERED)
        await person.peer.sees(text)

    async def _away(self) -> None:
        await self._bob.go()
        self._say("[peer]Bob[/] goes away. [me]Alice[/] writes on; each gets its first tick.")
        for text in AWAY:
            await self._alice.write(text, Status.SENT)

    async def _kill(self) -> None:
        pid = self._server.addresses.pid
        await self._server.kill()
        self._say(f"[bad]kill -9 {pid}[/] [quiet]no warning, no time to write anything down[/]")
        addresses = await self._server.start()
        self._say(f"The server starts again, pid {addresses.pid}, on the same disk.")

    async def _back(self) -> None:
        await self._alice.client.reconnect()
        await self._bob.come_back()
        self._say("[peer]Bob[/] comes back:")
        await self._bob.sees(*AWAY)
        for writer, text in AFTER:
            await self._talk(writer, text)
        await self._bob.read_all()
        count = await self._alice.read_ticks()
        self._say(
            f"{look.tick(Status.READ)} all {count} of Alice's messages are delivered and read."
        )


def demo() -> None:
    """Two people talk, the server is killed with -9, and nothing is lost: counted at the end."""
    began = time.monotonic()
    with explained(), tempfile.TemporaryDirectory(prefix="signet-demo-") as folder:
        count = asyncio.run(Demo(Path(folder)).play())
    out = look.console()
    out.print(f"[quiet]▌ {time.monotonic() - began:.1f} s[/]")
    print(f"demo: {count}", flush=True)
    if not count.good or count.sent != count.shown:
        raise typer.Exit(Exit.FAILED)
