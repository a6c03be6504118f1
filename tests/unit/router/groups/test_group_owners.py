"""What owners of groups' shards and of members' shards say to each other, over real gRPC."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from signet.adapters.members_memory import MemoryMembers
from signet.adapters.owners_grpc import OPTIONS, OwnerChannels
from signet.core import limits
from signet.core.groups import GroupCopy, GroupKey, merged
from signet.core.ids import START, DeviceAddress, DeviceId, MessageId, Position, UserId
from signet.core.link import GroupSend
from signet.core.shards import shard_of
from signet.internal.v1 import link_pb2 as pb
from signet.internal.v1 import link_pb2_grpc
from signet.internal.v1.stored_groups import message_item
from signet.ports.inbox import StoreUnavailable
from signet.ports.members import Kind, Member, State
from signet.router.peer_server import PeerServer
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_groups import KnownGroups
from tests.support.one_router import ALICE, BOB, CAROL, SHARDS
from tests.unit.router.groups.conftest import GROUP
from tests.unit.router.groups.test_group_sends import changes, messages, some

SENDER = DeviceAddress(DeviceId(ALICE, 1), 11, 1)


def copy(number: int, *to: UserId, keys: tuple[GroupKey, ...] = ()) -> GroupCopy:
    """The entry of that number in the group's order."""
    at, id_ = Position(1, number), MessageId(bytes([number]) * 16)
    send = GroupSend(id_, GROUP, number, number, 1, bytes(32), b"%d" % number, keys, b"")
    item = message_item(SENDER, send, at, START, 1_700)
    return GroupCopy(GROUP, at, 1_700, item, to, SENDER, id_, keys)


@pytest.fixture
async def peers(router: Router) -> AsyncIterator[OwnerChannels]:
    """As another router has them, which knows of this one alone."""
    server = grpc.aio.server(options=OPTIONS)
    PeerServer(router).add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    members = MemoryMembers()
    where = f"127.0.0.1:{port}"
    await members.put(Member(Kind.ROUTER, "r", where, State.ACTIVE, 0, router.incarnation))
    channels = OwnerChannels(members, SHARDS)
    yield channels
    await channels.close()
    await server.stop(0)


async def test_copies_are_durable_when_the_owner_has_answered_and_taken_once(
    peers: OwnerChannels, bob: Device
) -> None:
    key = GroupKey(BOB, 1, 11, 2, b"a key")
    shard = shard_of(BOB, SHARDS)
    first, second = copy(1, BOB, keys=(key,)), copy(2, BOB)
    await peers.fan_out(shard, [first])
    await peers.fan_out(shard, [first, second])
    await peers.fan_out(shard, [first, second])
    await some(bob, 2)
    assert [message.content for message in messages(bob)] == [b"1", b"2"]
    assert messages(bob)[0].key.content == b"a key"


async def test_what_comes_for_many_shards_goes_in_few_calls(
    peers: OwnerChannels, router: Router, alice: Device, bob: Device
) -> None:
    calls = 0
    fan_out = router.fan_out

    async def counted(copies):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        return await fan_out(copies)

    router.fan_out = counted  # type: ignore[method-assign]
    to = [(shard_of(user, SHARDS), copy(1, user)) for user in (ALICE, BOB, CAROL)]
    await asyncio.gather(*(peers.fan_out(shard, [one]) for shard, one in to))
    await some(bob, 1)
    await some(alice, 1)
    assert calls <= 2


async def test_who_does_not_own_the_shard_says_so_and_takes_the_rest(
    peers: OwnerChannels, router: Router, bob: Device
) -> None:
    assert shard_of(CAROL, SHARDS) != shard_of(BOB, SHARDS)
    router._context.leaving.add(shard_of(CAROL, SHARDS))
    refused, later = await router.fan_out([copy(1, BOB, CAROL)])
    assert [row.shard for row in refused] == [shard_of(CAROL, SHARDS)]
    assert later == []
    await some(bob, 1)
    with pytest.raises(StoreUnavailable):
        await peers.fan_out(shard_of(CAROL, SHARDS), [copy(1, CAROL)])
    router._context.leaving.clear()
    await peers.fan_out(shard_of(CAROL, SHARDS), [copy(1, CAROL)])


async def test_a_shard_that_is_slow_is_brought_again_and_holds_up_no_other(
    router: Router, bob: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GROUP_PATIENCE", 0.05)
    slow = router._context.store.heads

    async def heads(devices):  # type: ignore[no-untyped-def]
        if any(device.user == CAROL for device in devices):
            await asyncio.Event().wait()
        return await slow(devices)

    monkeypatch.setattr(router._context.store, "heads", heads)
    refused, later = await router.fan_out([copy(1, BOB, CAROL)])
    assert (refused, later) == ([], [shard_of(CAROL, SHARDS)])
    await some(bob, 1)


async def test_a_group_that_has_changed_is_told_over_the_network(
    peers: OwnerChannels, groups: KnownGroups, bob: Device
) -> None:
    groups.change(GROUP, ALICE, BOB)
    await peers.changes.group_changed(GROUP)
    await bob.until(lambda: len(changes(bob)) == 1)


async def test_a_copy_that_cannot_be_is_refused(peers: OwnerChannels, router: Router) -> None:
    (member,) = await peers._there()
    async with grpc.aio.insecure_channel(member.address) as channel:
        stub = link_pb2_grpc.PeerStub(channel)
        wrong = pb.GroupCopy(group=GROUP, sender=pb.DeviceAddress(user=b"short"), to=[BOB])
        with pytest.raises(grpc.aio.AioRpcError) as found:
            await stub.FanOut(pb.FanOutRequest(copies=[wrong]))
        assert found.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_parts_of_an_entry_are_one_copy_again_and_entries_keep_their_order() -> None:
    key = GroupKey(BOB, 1, 11, 2, b"a key")
    parts = [copy(2, ALICE), copy(1, ALICE), copy(2, BOB, keys=(key,)), copy(1, CAROL)]
    first, second = merged(parts)
    assert (first.at.seq, first.to) == (1, (ALICE, CAROL))
    assert (second.at.seq, second.to, second.keys) == (2, (ALICE, BOB), (key,))
    assert second.only({ALICE}).keys == ()
