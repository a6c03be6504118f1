"""Many routers on a members' list: handovers, takers that are named, and who is asked (L7, P7).

In virtual time, on links whose every word is the test's.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from signet.core.errors import Code
from signet.core.ids import Epoch
from signet.core.link import Answer, Answered, Detach, NotOwner, Submit, ToRouterBody
from signet.core.shards import place as where
from tests.support.gateways import ALICE, BOB
from tests.support.one_gateway import SHARDS, Edge, Place, attaches, shards_of
from tests.support.scripted_routers import turns
from tests.support.streams import hello, send

A, B = shards_of(ALICE, BOB)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    await made.start("r0", "r1")
    yield made
    await made.hub.owners.close()


def tickets(bodies: list[ToRouterBody]) -> list[int]:
    return [body.send.ordinal for body in bodies if isinstance(body, Submit)]


async def clustered(place: Place, *addresses: str) -> None:
    """The list: routers whose names are their addresses, all active."""
    place.hub.owners.follow(addresses, {address: address for address in addresses})
    await turns()


async def test_a_single_router_of_a_cluster_has_nothing_before_it_says_so(place: Place) -> None:
    await clustered(place, "r0")
    await place.greet()
    r0 = place.routers.links["r0"]
    assert r0.got == []
    r0.hold(A)
    await turns()
    assert len(attaches(r0.bodies)) == 1


async def test_who_was_believed_and_names_nobody_is_not_asked_again_until_somebody_holds_it(
    place: Place,
) -> None:
    """A handover: the router that has given a shard away may not know its epoch any more."""
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A, B, epoch=4)
    await place.greet()
    r0.attach_all()
    await place.say(send(BOB, 1))
    r0.say(NotOwner(B, None, Epoch(0)))
    await place.say(send(BOB, 2, base=1))
    assert tickets(r0.bodies) == [1]
    r1.hold(B, epoch=5)
    await turns()
    assert tickets(r1.bodies) == [1, 2]


async def test_the_owners_own_word_is_newer_than_anothers_in_the_same_epoch(place: Place) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A, B)
    await place.greet()
    r0.attach_all()
    await place.say(send(BOB, 1))
    r1.hold(B, epoch=2)
    await turns()
    r1.take()
    r0.say(NotOwner(B, r1.incarnation, Epoch(2)), NotOwner(B, None, Epoch(2)))
    await turns()
    assert r1.got == []  # nothing goes again, and r1 is still believed
    await place.say(send(BOB, 2, base=1))
    assert tickets(r1.bodies) == [2]


async def test_a_taker_that_was_named_too_early_is_waited_for(place: Place) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A, B)
    r1.hold()
    await place.greet()
    r0.attach_all()
    await place.say(send(BOB, 1))
    r0.say(NotOwner(B, r1.incarnation, Epoch(2)))
    await turns()
    r1.say(NotOwner(B, None, Epoch(0)))
    await place.say(send(BOB, 2, base=1))
    assert tickets(r1.bodies) == [1]
    r1.hold(B, epoch=2)
    await turns()
    assert tickets(r1.bodies) == [1, 1, 2]


async def test_what_waits_for_an_unknown_owner_asks_where_the_shard_is_placed(
    place: Place,
) -> None:
    await clustered(place, "r0", "r1")
    await place.greet()
    placed = where(SHARDS, ["r0", "r1"])[A]
    there, other = (
        place.routers.links[placed],
        place.routers.links["r1" if placed == "r0" else "r0"],
    )
    place.pass_time(0.25)
    place.pass_time(0.5)
    await turns()
    assert there.got == []
    place.pass_time(0.5)
    await turns()
    assert [(frame.epoch, frame.incarnation) for frame in there.take()] == [(0, b"")]
    assert other.got == []
    there.say(NotOwner(A, None, Epoch(3)))
    place.pass_time(0.9)
    await turns()
    assert there.got == []
    place.pass_time(0.2)
    await turns()
    assert len(attaches(there.bodies)) == 1  # asked again, once a second
    there.say(NotOwner(A, other.incarnation, Epoch(3)))
    other.hold(A, epoch=3)
    await turns()
    assert len(attaches(other.bodies)) == 1


async def test_a_held_send_asks_with_the_oldest_and_its_answer_counts(place: Place) -> None:
    await clustered(place, "r0", "r1")
    home = place.routers.links["r0"]
    home.hold(A)
    await place.greet()
    home.attach_all()
    asked = place.routers.links[where(SHARDS, ["r0", "r1"])[B]]
    asked.take()
    for ordinal in (1, 2):
        await place.say(send(BOB, ordinal, base=1))
    place.pass_time(0.25)
    place.pass_time(1.0)
    await turns()
    assert tickets(asked.bodies) == [1]
    submit = asked.bodies[0]
    assert isinstance(submit, Submit)
    asked.say(Answered(submit.ticket, Answer(submit.send.message_id, 1, 1)))
    assert place.edge.kinds == ["welcome", "answer"]


async def test_a_router_that_left_the_list_keeps_its_link_while_it_holds_shards(
    place: Place,
) -> None:
    await clustered(place, "r0", "r1")
    r1 = place.routers.links["r1"]
    r1.hold(A)
    await clustered(place, "r0")
    assert not r1.closed
    await place.greet()
    assert len(attaches(r1.bodies)) == 1
    r1.hold()
    await turns()
    assert r1.closed


async def test_only_the_streams_of_a_shard_that_moved_are_attached_again(place: Place) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A, B)
    await place.greet()
    bob = place.hub.open(Edge(), "websocket")
    await place.say(hello(place.keys.token(BOB)), bob)
    r0.attach_all()
    r0.hold(A)
    r1.hold(B, epoch=2)
    await turns()
    assert [attach.address.device.user for attach in attaches(r1.bodies)] == [BOB]


async def test_a_stream_that_ends_while_nobody_owns_its_shard_is_detached_everywhere(
    place: Place,
) -> None:
    """The router may keep the shard after all; its user would be online for ever there."""
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A)
    r1.hold(B)
    await place.greet()
    r0.attach_all()
    r0.say(NotOwner(A, None, Epoch(1)))
    place.session.end(Code.DRAINING)
    await turns()
    assert [body for body in r0.bodies if isinstance(body, Detach)] == [Detach(1)]


async def test_closing_ends_also_links_to_owners_that_are_not_on_the_list_any_more() -> None:
    place = Place()
    await place.start("r0", "r1")
    place.routers.links["r0"].hold(A)
    await turns()
    await clustered(place, "r1")
    async with asyncio.timeout(60):
        await place.hub.owners.close()
