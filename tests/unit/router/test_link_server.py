"""A gateway in another process: the same router, over gRPC."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from signet.adapters.events_memory import MemoryEvents
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.presence_memory import MemoryPresence
from signet.clocks import boot_clock
from signet.core import limits, link
from signet.core.ids import START, DeviceAddress, DeviceId, MessageId, UserId
from signet.core.shards import shard_of
from signet.internal.v1 import convert, link_pb2_grpc
from signet.internal.v1 import link_pb2 as pb
from signet.router.link_server import OPTIONS, LinkServer, Outgoing
from signet.router.router import Router
from signet.v1 import convert as public
from tests.support.known_users import KnownUsers

SHARDS = 16
ALICE, BOB = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob"))
if TYPE_CHECKING:  # the class is in the stubs alone
    Stub = link_pb2_grpc.LinkAsyncStub


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[Router]:
    users = KnownUsers()
    users.add(ALICE)
    users.add(BOB)
    store = open_inbox(tmp_path / "inbox.sqlite", SHARDS)
    router = Router(
        store, users, MemoryPresence(boot_clock), MemoryEvents(), shards=SHARDS, alone=True
    )
    await router.start()
    yield router
    await router.stop()
    await store.close()


@pytest.fixture
async def stub(router: Router) -> "AsyncIterator[Stub]":
    server = grpc.aio.server(options=OPTIONS)
    assert LinkServer(router).add_to(server) == "signet.internal.v1.Link"
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
        yield link_pb2_grpc.LinkStub(channel)
    await server.stop(0)


class Gateway:
    """One link's end, and what came over it."""

    def __init__(self, stub: "Stub") -> None:
        self.call = stub.Open()
        self.frames: list[link.ToGateway] = []

    async def submit(self, user: UserId, *bodies: link.ToRouterBody) -> None:
        frames = [link.ToRouter(shard_of(user, SHARDS), body) for body in bodies]
        await self.call.write(convert.to_router_batch(frames, "gateway-0"))

    async def until(self, met: Callable[[link.ToGateway], bool]) -> link.ToGateway:
        """The first frame that is as wanted."""
        while True:
            batch = await self.call.read()
            assert isinstance(batch, pb.RouterBatch), "the link has ended"
            self.frames.extend(convert.from_router_batch(batch))
            if found := [frame for frame in self.frames if met(frame)]:
                return found[0]


def attach(user: UserId, session: int, counter: int = 1) -> link.Attach:
    address = DeviceAddress(DeviceId(user, 1), 11, 1)
    return link.Attach(session, address, counter, START, 256, limits.WINDOW_BYTES, 30)


def submit(ticket: int) -> link.Submit:
    contents = (link.Content(1, 11, 2, b"hello"),)
    digest = public.digest(BOB, contents, fleeting=False, urgent=False)
    send = link.Send(MessageId(os.urandom(16)), BOB, 1, 1, contents, digest)
    return link.Submit(ticket, DeviceAddress(DeviceId(ALICE, 1), 11, 1), send)


async def test_a_message_goes_from_one_gateway_to_another(stub: "Stub") -> None:
    alices, bobs = Gateway(stub), Gateway(stub)
    await bobs.submit(BOB, attach(BOB, 7))
    await bobs.until(lambda frame: isinstance(frame, link.Attached) and frame.session == 7)
    await alices.submit(BOB, submit(3))
    answered = await alices.until(lambda frame: isinstance(frame, link.Answered))
    assert isinstance(answered, link.Answered)
    assert (answered.ticket, answered.answer.code) == (3, None)
    pushed = await bobs.until(lambda f: isinstance(f, link.Push) and b"hello" in f.frame)
    assert isinstance(pushed, link.Push)
    assert pushed.session == 7


async def test_a_router_says_at_once_what_it_holds(stub: "Stub", router: Router) -> None:
    gateway = Gateway(stub)
    await gateway.submit(BOB)
    held = await gateway.until(lambda frame: isinstance(frame, link.Holding))
    assert isinstance(held, link.Holding)
    assert (held.incarnation, len(held.shards)) == (router.incarnation, SHARDS)


async def test_the_sessions_of_a_link_end_with_it(stub: "Stub", router: Router) -> None:
    gateway = Gateway(stub)
    await gateway.submit(BOB, attach(BOB, 7))
    await gateway.until(lambda frame: isinstance(frame, link.Attached))
    assert router._context.sessions
    gateway.call.cancel()
    async with asyncio.timeout(10):
        while router._context.links:
            await asyncio.sleep(0)
    assert not router._context.sessions


async def test_a_link_without_a_name_is_refused(stub: "Stub") -> None:
    call = stub.Open()
    await call.write(pb.GatewayBatch())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_cannot_be_ends_the_link_and_no_other(stub: "Stub") -> None:
    bad, good = Gateway(stub), Gateway(stub)
    frame = pb.GatewayFrame(send=pb.LinkSend(ticket=1, send=b"\xff"))
    await bad.call.write(pb.GatewayBatch(gateway="gateway-0", frames=[frame]))
    async with asyncio.timeout(10):
        while isinstance(await bad.call.read(), pb.RouterBatch):
            pass
    await good.submit(BOB, attach(BOB, 7))
    await good.until(lambda frame: isinstance(frame, link.Attached))


async def test_large_frames_are_split_over_batches() -> None:
    outgoing = Outgoing()
    frames = [link.Push(number, bytes(limits.MIB)) for number in range(20)]
    outgoing.put(frames)
    first, second, third = [await outgoing.take() for _ in range(3)]
    assert [*first, *second, *third] == frames
    for batch in (first, second, third):
        assert convert.to_gateway_batch(batch).ByteSize() < limits.LINK_BATCH_BYTES


async def test_a_gateway_that_does_not_read_loses_its_link() -> None:
    outgoing = Outgoing()
    while not outgoing.over:
        outgoing.put([link.Push(1, bytes(limits.MIB))])
    assert await outgoing.take() == []
