"""The program that has a store open: it follows the events, and answers other commands.

Every command asks in the same words (`perform`), whether it opens the store itself or another
program has it open and answers by its socket.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from signet.cli import control, files, groups, life, profile_requests, push_requests
from signet.cli.control import Json
from signet.cli.device_requests import DeviceRequests
from signet.cli.failures import Exit, Problem
from signet.cli.settling import settled
from signet.cli.shown import event_json
from signet.cli.stores import Place
from signet.client import (
    Client,
    Event,
    Kept,
    Message,
    MessageReceived,
    Progress,
    Status,
    StoreInUse,
)
from signet.core.errors import SignetError
from signet.core.ids import MessageId, UserId, show

HAS_TIME = 10.0  # seconds that a command waits for the server before it says "kept for later"


class Host:
    """`async with Host(client, place)`: connected, following events, answering."""

    def __init__(self, client: Client, place: Place) -> None:
        self.client = client
        self.place = place
        self.devices = DeviceRequests(client)
        self._followers: set[asyncio.Queue[Event | None]] = set()
        self._before: list[Event] = []  # what came before anybody followed
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Host":
        self._reading = asyncio.create_task(self._read(), name="events")
        await self._stack.enter_async_context(self.client)
        await self._stack.enter_async_context(
            control.listening(self.place.socket, lambda request: perform(self, request))
        )
        return self

    async def __aexit__(self, *failed: object) -> None:
        await self._stack.aclose()
        await self._reading

    async def _read(self) -> None:
        """Hand events to all who follow. One that nobody follows is not done: it comes again."""
        async for event in self.client.events():
            if not self._followers:
                self._before.append(event)
            for follower in self._followers:
                follower.put_nowait(event)
        for follower in self._followers:
            follower.put_nowait(None)

    async def follow(self) -> AsyncIterator[Event]:
        """Events; those that are kept are done when the follower asks for the next.

        The first who follows gets what came before, too.
        """
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._followers.add(queue)
        for early in self._before:
            queue.put_nowait(early)
        self._before.clear()
        try:
            while (event := await queue.get()) is not None:
                yield event
                if isinstance(event, Kept):
                    await event.done()
        finally:
            self._followers.discard(queue)

    async def find(self, name: str) -> UserId:
        """Raises NotFound, ServerUnreachable."""
        return await self.client.find(name)

    async def find_conversation(self, name: str, *, group: bool) -> UserId:
        """A person; or a group, where one is asked for, or nobody has that name.

        Raises NotFound, ServerUnreachable, Problem.
        """
        if group:
            return UserId(await groups.find(self.client, name))
        try:
            return await self.find(name)
        except SignetError:
            if any(one.name == name for one in await self.client.groups()):
                return UserId(await groups.find(self.client, name))
            raise


async def opened(place: Place) -> Client:
    """Open the store of a place. Raises StoreInUse, WrongPassphrase, NoAccount."""
    return await Client.open(store=place.file)


Requests = Callable[[Json], AsyncIterator[Json]]


@asynccontextmanager
async def requests(place: Place) -> AsyncIterator[Requests]:
    """Open the store for some requests, or have them answered by the program that has it open."""
    try:
        client = await opened(place)
    except StoreInUse:
        yield lambda what: control.ask(place.socket, what)
        return
    async with Host(client, place) as host:
        yield lambda what: perform(host, what)
        await settled(client, client.user_id)  # copies for one's other devices


async def request(place: Place, what: Json) -> AsyncIterator[Json]:
    """The same for one."""
    async with requests(place) as ask:
        async for answer in ask(what):
            yield answer


@asynccontextmanager
async def asking(place: Place) -> AsyncIterator[Callable[[Json], Awaitable[Json]]]:
    """The same for requests that have one answer each."""
    async with requests(place) as ask:

        async def one(what: Json) -> Json:
            return [answer async for answer in ask(what)][-1]

        yield one


async def perform(host: Host, what: Json) -> AsyncIterator[Json]:
    """Do what a command asks; every answer is one JSON object.

    Raises:
        Problem, SignetError, ClientError: it cannot be done.
    """
    match what.get("do"):
        case "send" if what.get("file"):
            async for step in _send_file(host, what):
                yield step
        case "listen":
            async for event in host.follow():
                told = await event_json(host.client, event)
                if told is not None:
                    if isinstance(event, MessageReceived) and what.get("save"):
                        folder = Path(what["save"])
                        told |= await files.save(host.client, event.message, folder)
                    yield told
        case _:
            yield await _answer(host, what)


async def _answer(host: Host, what: Json) -> Json:
    """To requests that have one. Raises Problem, SignetError, ClientError."""
    match what.get("do"):
        case "send":
            answer = await _send(host, what)
        case "keys":
            answer = await _keys(host, what.get("peer"))
        case done if done in life.DOES:
            answer = await life.perform(host.client, host.find, what)
        case "profile":
            answer = await profile_requests.answer(host.client, what)
        case "devices":
            answer = await host.devices.answer(what)
        case "group":
            answer = await groups.perform(host.client, host.find, what)
        case "notify":
            answer = await push_requests.answer(host.client, what)
        case other:
            text = f"the program that has the store open does not know {other!r}"
            raise Problem("UNSUPPORTED", text, "close it, and try again", Exit.USAGE)
    return answer


async def _send(host: Host, what: Json) -> Json:
    to = await host.find_conversation(what["to"], group=bool(what.get("to_group")))
    message = await host.client.send(to, what["text"])
    until = Status.DELIVERED if what.get("delivered") else Status.SENT
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(what.get("wait", HAS_TIME)):
            await host.client.wait_status(message.id, until)
    return sent_json(await host.client.message(message.id), what["to"])


async def _send_file(host: Host, what: Json) -> AsyncIterator[Json]:
    """`{"done", "total"}` as it goes, and in the end what became of the message."""
    client = host.client
    to = await host.find_conversation(what["to"], group=bool(what.get("to_group")))
    until = Status.DELIVERED if what.get("delivered") else Status.SENT
    patience = what.get("wait", HAS_TIME)
    steps = files.send(client, to, Path(what["file"]), what["text"], until=until, patience=patience)
    message_id = b""
    async for step in steps:
        if isinstance(step, Progress):
            yield {"done": step.done, "total": step.total}
        else:
            message_id = step
    yield sent_json(await client.message(MessageId(message_id)), what["to"])


def sent_json(message: Message, to: str) -> Json:
    return {"message_id": show(message.id), "to": to, "status": message.status.name.lower()}


async def _keys(host: Host, peer: str | None) -> Json:
    client = host.client
    told: Json = {"user_name": client.user_name, "user_id": show(client.user_id)}
    told["device_id"] = client.device_id
    if peer is None:
        stock = await client.refresh_keys()
        told["one_time_keys"] = {"classic": stock.pre_keys, "kyber": stock.kyber_pre_keys}
        told["devices"] = [
            {"device_id": device.id, "name": device.name} for device in await client.devices()
        ]
        return told
    them = await host.find(peer)
    told["peer"] = peer
    told["safety_number"] = await client.safety_number(them)
    told["verified"] = await client.is_verified(them)
    return told
