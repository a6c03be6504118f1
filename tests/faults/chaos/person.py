"""One person with the SDK: real encryption, a store on disk, a stream that comes and goes.

They write whatever happens, and tell the ledger what was written, answered SENT and shown. The
text of a message is its name in the ledger. Times are of `time.monotonic`, which all processes of
a machine share.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from signet.client import (
    Client,
    ConnectionChanged,
    ConnectionState,
    DecryptionFailed,
    Event,
    IdentityChanged,
    MessageReceived,
    MessagesExpired,
    ReceiptChanged,
    SendFailed,
    Status,
    Transport,
)
from signet.core.ids import MessageId, UserId
from tests.faults.chaos.ledger import Message

log = structlog.get_logger()
Tell = Callable[..., None]
HISTORY = 100_000  # messages of a conversation that are looked through after a restart
AGAIN = 0.5  # seconds between two tries of what the server must answer
UNEXPECTED = (DecryptionFailed, IdentityChanged, MessagesExpired, SendFailed)


class Person:
    """`enter` first; then `write`, `leave` and `come_back`, one after the other."""

    def __init__(
        self, index: int, store: Path, transport: Transport, tell: Tell, called: str
    ) -> None:
        self.index, self.store, self._transport, self._tell = index, store, transport, tell
        self._name = f"{called}_{index}"
        self._client: Client | None = None
        self._friends: dict[int, UserId] = {}
        self._numbers: dict[int, int] = {}
        self._unanswered: dict[MessageId, Message] = {}
        self._one_at_a_time = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    # --- coming and going ---------------------------------------------------------------------

    async def enter(self, server: str) -> UserId:
        """Register, or open what the disk has, and connect: until it succeeds."""
        if self.store.exists():
            client = await Client.open(store=self.store)
        else:
            client = await self._until_it_works(lambda: self._register(server))
        await self._begin(client)
        return client.user_id

    async def _register(self, server: str) -> Client:
        return await Client.register(
            server=server, store=self.store, user_name=self._name, transport=self._transport
        )

    async def _until_it_works(self, work: Callable[[], Awaitable[Client]]) -> Client:
        while True:
            try:
                return await work()
            except Exception as error:  # the server is being broken: that is what this is for
                self._tell("trouble", self.index, f"{type(error).__name__}: {error}")
                await asyncio.sleep(AGAIN)

    async def _begin(self, client: Client) -> None:
        structlog.contextvars.bind_contextvars(person=self.index)
        self._client = client
        self._reading = asyncio.create_task(self._read(client))
        await client.start()

    async def leave(self) -> None:
        """The app is closed: the stream ends, the store is given back."""
        async with self._one_at_a_time:
            client, self._client = self._client, None
            if client is not None:
                await client.stop()
            if self._reading is not None:
                await self._reading

    async def come_back(self) -> None:
        """The app is opened again, on what the disk has."""
        async with self._one_at_a_time:
            if self._client is None:
                await self._begin(await Client.open(store=self.store))
                await self._look()
                self._tell("back", self.index, time.monotonic())

    async def hurry(self) -> None:
        """Connect now, as an app does that comes to the front."""
        if self._client is not None:
            await self._client.reconnect()

    # --- talking ------------------------------------------------------------------------------

    async def meet(self, friends: dict[int, UserId]) -> None:
        """With whom they talk; after a restart of the process, what they wrote is on the disk."""
        self._friends = friends
        async with self._one_at_a_time:
            for friend, user in friends.items():
                assert self._client is not None
                for line in await self._client.history(user, HISTORY):
                    if line.outgoing:
                        message = Message.read(line.text)
                        self._numbers[friend] = max(self._numbers.get(friend, 0), message.number)
                        self._unanswered[line.id] = message
                        self._tell("wrote", *message, time.monotonic())
            await self._look()

    async def write(self, to: int) -> None:
        """One more message to a friend, unless they are away."""
        async with self._one_at_a_time:
            if self._client is None:
                return
            number = self._numbers.get(to, 0) + 1
            message, at = Message(self.index, to, number), time.monotonic()
            try:
                kept = await self._client.send(self._friends[to], str(message))
            except Exception as error:  # never stop on errors; the number is free again
                self._tell("trouble", self.index, f"{type(error).__name__}: {error}")
                return
            self._numbers[to] = number
            self._unanswered[kept.id] = message
            self._tell("wrote", *message, at)
            if kept.status >= Status.SENT:
                self._answered(kept.id)

    async def _look(self) -> None:
        """What became of those whose answer came while nobody listened: the store has it."""
        assert self._client is not None
        for message_id in list(self._unanswered):
            if (await self._client.message(message_id)).status >= Status.SENT:
                self._answered(message_id)

    def _answered(self, message_id: MessageId) -> None:
        message = self._unanswered.pop(message_id, None)
        if message is not None:
            self._tell("sent", *message, time.monotonic())

    # --- what the device is told --------------------------------------------------------------

    async def _read(self, client: Client) -> None:
        life = time.monotonic()
        async for event in client.events():
            try:
                await self._event(event, life)
            except Exception as error:  # the store was closed under it: the event comes again
                self._tell("trouble", self.index, f"{type(error).__name__}: {error}")

    async def _event(self, event: Event, life: float) -> None:
        match event:
            case MessageReceived(message=shown):
                message = Message.read(shown.text)
                self._tell("shown", *message, time.monotonic(), life)
                await event.done()
                self._tell("confirmed", *message, time.monotonic())
                return
            case ReceiptChanged(message_ids=ids, status=status) if status >= Status.SENT:
                for message_id in ids:
                    self._answered(message_id)
            case ConnectionChanged(state=ConnectionState.DISPLACED | ConnectionState.REMOVED):
                self._tell("unexpected", self.index, str(event), time.monotonic())
            case ConnectionChanged():
                log.info("connection", to=event.state.value, code=event.code, wait=event.retry_in_s)
            case _ if isinstance(event, UNEXPECTED):
                self._tell("unexpected", self.index, str(event), time.monotonic())
        await event.done()
