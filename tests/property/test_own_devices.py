"""Two devices of one person and one of another, on a server that loses, cuts and restarts (O5).

Whatever happened between: when all is calm, every message is in the history of every device, and
each device was told of it once.
"""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from signet.client import Client, Environment, MessageReceived, MessageSynced
from signet.core.ids import UserId
from tests.support.own_devices import second_device
from tests.support.people import Person, running
from tests.support.small_server import SmallServer

PHONE, TABLET, BOB = range(3)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("writes", "writes", "writes", "is cut", "loses", "restarts", "reads")),
        st.integers(PHONE, BOB),
    ),
    min_size=4,
    max_size=14,
)


class Story:
    """The three devices, and what was written."""

    def __init__(self, server: SmallServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.environment = Environment(dial=server.dial, http=server.http, chance=lambda: 0.0)
        self.devices: dict[int, Person] = {}
        self.stacks: dict[int, AsyncExitStack] = {}
        self.told: dict[int, list[str]] = {PHONE: [], TABLET: [], BOB: []}
        self.written: list[tuple[int, str]] = []

    async def begin(self) -> None:
        phone = await self._register("alice")
        bob = await self._register("bob")
        tablet = await second_device(self.server, phone, self.folder / "tablet")
        for which, client in ((PHONE, phone), (TABLET, tablet), (BOB, bob)):
            await self._open(which, client)

    async def _register(self, name: str) -> Client:
        return await Client.register(
            server="http://small.test",
            store=self.folder / name,
            user_name=name,
            environment=self.environment,
        )

    async def _open(self, which: int, client: Client) -> None:
        stack = self.stacks[which] = AsyncExitStack()
        self.devices[which] = await stack.enter_async_context(running(client))

    async def close(self, which: int) -> None:
        await self.stacks.pop(which).aclose()
        events = self.devices.pop(which).told
        self.told[which] += [
            event.message.text
            for event in events
            if isinstance(event, MessageReceived | MessageSynced)
        ]

    async def do(self, what: str, which: int) -> None:
        client = self.devices[which].client
        peer = self.peer(which)
        match what:
            case "writes":
                text = f"{len(self.written)}"
                self.written.append((which, text))
                await client.send(peer, text)
            case "reads":
                await client.mark_read(peer)
            case "is cut":
                self.server.cut(client.user_id)
            case "loses":
                self.server.lose_items += 1
            case "restarts":
                await self.close(which)
                name = ("alice", "tablet", "bob")[which]
                again = Client.open(store=self.folder / name, environment=self.environment)
                await self._open(which, await again)
        await asyncio.sleep(0)

    def peer(self, which: int) -> UserId:
        other = self.devices[PHONE if which == BOB else BOB]
        return other.client.user_id

    async def calm(self) -> None:
        """Until every device has all of it, and what was read on one is read on the other."""
        self.server.lose_items = 0
        for person in list(self.devices.values()):
            self.server.cut(person.client.user_id)  # what was lost is read again
        wanted = Counter(text for _, text in self.written)
        async with asyncio.timeout(30):
            for which, person in self.devices.items():
                while Counter(await self.history(which)) != wanted:
                    await asyncio.sleep(0.01)
                await person.client.mark_read(self.peer(which))

    async def history(self, which: int) -> list[str]:
        messages = await self.devices[which].client.history(self.peer(which), limit=100)
        return [message.text for message in messages]


async def tell(steps: list[tuple[str, int]], folder: Path) -> None:
    story = Story(SmallServer(), folder)
    await story.begin()
    try:
        for what, which in steps:
            await story.do(what, which)
        await story.calm()
    finally:
        for which in list(story.stacks):
            await story.close(which)
    for which, texts in story.told.items():
        assert Counter(texts) == Counter(text for by, text in story.written if by != which)


@settings(max_examples=12, deadline=None)
@given(steps=STEPS)
def test_what_one_device_writes_is_shown_once_by_the_other(steps: list[tuple[str, int]]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(tell(steps, Path(folder)))
