"""What the owner of a shard says that it holds of a user, in its process and over gRPC."""

import grpc

from signet.adapters.members_memory import MemoryMembers
from signet.adapters.owners_grpc import OwnerChannels
from signet.ports.holdings import Held, HeldInbox
from signet.ports.members import Kind, Member, State
from signet.ports.presence import Status
from signet.router.peer_server import PeerServer
from signet.router.router import Router
from tests.support.devices import Device
from tests.support.known_users import KnownUsers
from tests.support.one_router import ALICE, BOB, CAROL, SHARDS


async def test_what_waits_is_counted_by_sender(router: Router, alice: Device, bob: Device) -> None:
    assert (await router.held(BOB)).inboxes == (HeldInbox(1, 0, 0, {}, 0, attached=True),)
    bob.detach()
    for ordinal in (1, 2):
        await alice.sent(BOB, ordinal)
    held = await router.held(BOB)
    (inbox,) = held.inboxes
    assert (inbox.items, inbox.senders, inbox.attached) == (2, {ALICE: 2}, False)
    assert inbox.size > 0
    assert inbox.oldest_ms > 0
    assert held.seen is not None
    assert held.seen.user == BOB


async def test_of_nobody_nothing_is_held(router: Router, users: KnownUsers) -> None:
    users.users.pop(CAROL)
    assert await router.held(CAROL) == Held((), None)


async def test_keys_in_another_process_hears_the_same(
    router: Router, alice: Device, bob: Device
) -> None:
    server = grpc.aio.server()
    PeerServer(router).add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    members = MemoryMembers()
    where = f"127.0.0.1:{port}"
    await members.put(Member(Kind.ROUTER, "router-0", where, State.ACTIVE, 0, router.incarnation))
    channels = OwnerChannels(members, SHARDS)
    await alice.sent(BOB, 1)
    here, there = await router.held(BOB), await channels.changes.held(BOB)
    assert there.inboxes == here.inboxes
    assert there.seen is not None
    assert there.seen.status is Status.ONLINE
    assert (await channels.changes.held(CAROL)).inboxes == (await router.held(CAROL)).inboxes
    await channels.close()
    await server.stop(0)
