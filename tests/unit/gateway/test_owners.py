"""Owners change and links break: what is unanswered goes again, in order, and streams move along.

In virtual time, on links whose every word is the test's.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from signet.core.errors import Code
from signet.core.ids import Epoch, Position, ShardId, UserId
from signet.core.link import (
    Acked,
    Answer,
    Answered,
    Attach,
    Detach,
    Drop,
    NotOwner,
    Submit,
    ToRouterBody,
    WatchUsers,
)
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, BOB, CAROL
from tests.support.one_gateway import Place, shards_of
from tests.support.scripted_routers import turns
from tests.support.streams import send

A, B, C = shards_of(ALICE, BOB, CAROL)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    await made.start("r0", "r1")
    yield made
    await made.hub.owners.close()


def tickets(bodies: list[ToRouterBody]) -> list[int]:
    return [body.send.ordinal for body in bodies if isinstance(body, Submit)]


async def test_frames_go_to_who_holds_the_shard_and_name_incarnation_and_epoch(
    place: Place,
) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A, epoch=7)
    r1.hold(B, epoch=9)
    await place.greet()
    assert [(frame.shard, frame.epoch, frame.incarnation) for frame in r0.got] == [
        (A, 7, r0.incarnation)
    ]
    r0.attach_all()
    await place.say(send(BOB, 1))
    assert [(frame.shard, frame.epoch) for frame in r1.got] == [(B, 9)]


async def test_a_hello_waits_for_the_owner_of_its_shard(place: Place) -> None:
    await place.greet()
    assert place.routers.links["r0"].got == []
    place.routers.links["r1"].hold(A)
    await turns()
    attach = place.routers.links["r1"].bodies[0]
    assert isinstance(attach, Attach)
    assert not attach.again
    place.routers.links["r1"].attach_all()
    assert place.edge.kinds == ["welcome"]


async def test_what_is_unanswered_goes_again_oldest_first_behind_the_attach(place: Place) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A, B)
    await place.greet()
    r0.attach_all()
    for ordinal in (1, 2, 3):
        await place.say(send(BOB, ordinal, base=1))
    answered = next(body for body in r0.bodies if isinstance(body, Submit))
    r0.say(Answered(answered.ticket, Answer(answered.send.message_id, 1, 1)))
    await place.say(pb.ClientFrame(ack=pb.Ack(up_to=pb.Position(epoch=1, seq=4))))
    r1.hold(A, B, epoch=2)
    await place.say(send(BOB, 4, base=2))
    attach = r1.bodies[0]
    assert isinstance(attach, Attach)
    assert attach.again
    assert attach.position == Position(1, 4)
    assert tickets(r1.bodies) == [2, 3, 4]
    assert all(frame.epoch == 2 for frame in r1.got)
    assert place.edge.kinds == ["welcome", "answer"]  # the stream noticed nothing


async def test_a_link_that_is_lost_is_opened_again_and_gets_what_is_unanswered(
    place: Place,
) -> None:
    first = place.routers.links["r0"]
    first.hold(A, B)
    await place.greet()
    first.attach_all()
    await place.say(send(BOB, 1))
    first.lose()
    await turns()
    await place.say(send(BOB, 2, base=1))  # held: nobody has the shard now
    assert first.closed
    while place.routers.links["r0"] is first:
        await turns()
    again = place.routers.links["r0"]
    again.hold(A, B)
    await turns()
    assert isinstance(again.bodies[0], Attach)
    assert tickets(again.bodies) == [1, 2]


async def test_not_owner_with_the_owner_that_was_read_sends_there(place: Place) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A, B)
    r1.hold()
    await place.greet()
    r0.attach_all()
    await place.say(send(BOB, 1))
    submit = r0.bodies[-1]
    assert isinstance(submit, Submit)
    r0.say(NotOwner(B, r1.incarnation, Epoch(2), tickets=(submit.ticket,)))
    await turns()
    assert r1.bodies == [submit]
    assert r1.got[0].epoch == 2


async def test_not_owner_without_an_owner_holds_until_there_is_one(place: Place) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A, B)
    await place.greet()
    r0.attach_all()
    await place.say(send(BOB, 1))
    r0.say(NotOwner(B, None, Epoch(1)))
    await place.say(send(BOB, 2, base=1))
    assert tickets(r0.bodies) == [1]
    r1.hold(B, epoch=2)
    await turns()
    assert tickets(r1.bodies) == [1, 2]


async def test_an_older_epoch_is_not_believed(place: Place) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r1.hold(B, epoch=5)
    r0.hold(A, B, epoch=4)
    r0.say(NotOwner(ShardId(B), r0.incarnation, Epoch(4)))
    await place.greet()
    r0.attach_all()
    await place.say(send(BOB, 1))
    assert tickets(r1.bodies) == [1]
    assert tickets(r0.bodies) == []


async def test_a_router_that_stops_saying_what_it_holds_is_given_up(place: Place) -> None:
    place.routers.links["r0"].hold(A)
    place.pass_time(3.0)
    await turns()
    assert not place.routers.links["r0"].closed
    silent = place.routers.links["r0"]
    place.pass_time(1.0)
    await turns()
    assert silent.closed


async def test_held_sends_are_refused_in_their_time_and_a_late_answer_is_nobodys(
    place: Place,
) -> None:
    r0 = place.routers.links["r0"]
    r0.hold(A, B)
    await place.greet()
    r0.attach_all()
    await place.say(send(BOB, 1))
    place.pass_time(5)
    await place.say(pb.ClientFrame(heartbeat=pb.Heartbeat()))
    await place.say(send(BOB, 2, base=1))
    place.pass_time(6)
    answers = [frame.answer for frame in place.edge.frames if frame.HasField("answer")]
    assert [(a.ordinal, Code(a.refused.code)) for a in answers] == [(1, Code.STORE_UNAVAILABLE)]
    submit = next(body for body in r0.bodies if isinstance(body, Submit))
    r0.say(Answered(submit.ticket, Answer(submit.send.message_id, 1, 1)))
    assert len([kind for kind in place.edge.kinds if kind == "answer"]) == 1


async def test_a_drop_closes_the_stream_with_its_code(place: Place) -> None:
    r0 = place.routers.links["r0"]
    r0.hold(A)
    await place.greet()
    r0.attach_all()
    r0.say(Drop(place.session.number, Code.DEVICE_REMOVED))
    close = place.edge.frames[-1].close
    assert Code(close.code) is Code.DEVICE_REMOVED
    await turns()
    assert r0.bodies[-1] == Detach(place.session.number)


async def test_acknowledgements_of_one_turn_go_as_one(place: Place) -> None:
    r0 = place.routers.links["r0"]
    r0.hold(A)
    await place.greet()
    r0.attach_all()
    for seq in (1, 3, 2):
        ack = pb.ClientFrame(ack=pb.Ack(up_to=pb.Position(epoch=1, seq=seq)))
        place.session.receive(ack.SerializeToString())
    await turns()
    assert r0.bodies[1:] == [Acked(place.session.number, Position(1, 3))]


async def test_a_watch_is_split_by_shard_replaced_and_taken_back(place: Place) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A, B)
    r1.hold(C)
    await place.greet()
    r0.attach_all()
    r0.take()

    def watched(link: str) -> list[tuple[ShardId, tuple[UserId, ...]]]:
        frames = place.routers.links[link].take()
        return [(f.shard, f.body.users) for f in frames if isinstance(f.body, WatchUsers)]

    await place.say(pb.ClientFrame(watch=pb.Watch(users=[BOB, CAROL, BOB])))
    assert (watched("r0"), watched("r1")) == ([(B, (BOB,))], [(C, (CAROL,))])
    await place.say(pb.ClientFrame(watch=pb.Watch(users=[CAROL])))
    assert (watched("r0"), watched("r1")) == ([(B, ())], [(C, (CAROL,))])
    r0.hold(A, B, C, epoch=2)
    place.pass_time(0.25)  # with the next tick: presence may be late (P8)
    await turns()
    assert watched("r0") == [(C, (CAROL,))]
    await place.say(pb.ClientFrame(bye=pb.Bye()))
    assert watched("r0") == [(C, ())]


async def test_a_watch_that_is_taken_back_while_nobody_owns_the_shard_is_told_when_somebody_does(
    place: Place,
) -> None:
    """A router that names nobody, and then keeps the shard, would go on pushing."""
    r0 = place.routers.links["r0"]
    r0.hold(A, B)
    await place.greet()
    r0.attach_all()

    def watched() -> list[tuple[ShardId, tuple[UserId, ...]]]:
        return [(f.shard, f.body.users) for f in r0.take() if isinstance(f.body, WatchUsers)]

    await place.say(pb.ClientFrame(watch=pb.Watch(users=[BOB])))
    assert watched() == [(B, (BOB,))]
    r0.say(NotOwner(B, None, Epoch(1)))
    await place.say(pb.ClientFrame(watch=pb.Watch()))
    assert watched() == []
    for _ in range(2):
        r0.hold(A, B)
        place.pass_time(0.25)
        await turns()
    assert watched() == [(B, ())]  # once


async def test_a_stream_that_ends_while_nobody_owns_what_it_watches_is_detached_everywhere(
    place: Place,
) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    r0.hold(A)
    r1.hold(C)
    await place.greet()
    r0.attach_all()
    await place.say(pb.ClientFrame(watch=pb.Watch(users=[CAROL])))
    r1.say(NotOwner(C, None, Epoch(1)))
    r0.take()
    r1.take()
    await place.say(pb.ClientFrame(bye=pb.Bye()))
    assert Detach(place.session.number) in r0.bodies
    assert r1.bodies == [Detach(place.session.number)]


async def test_a_gateway_without_routers_is_not_ready(place: Place) -> None:
    assert place.hub.owners.ready
    place.routers.refusing = {"r0", "r1"}
    for link in list(place.routers.links.values()):
        link.lose()
    await turns()
    assert not place.hub.owners.ready


async def test_nothing_is_believed_that_comes_over_a_link_that_was_given_up(place: Place) -> None:
    r0, r1 = place.routers.links["r0"], place.routers.links["r1"]
    place.routers.refusing = {"r0"}
    r0.lose()
    await turns()
    r0.hold(A, epoch=9)
    r1.hold(A)
    await place.greet()
    assert isinstance(r1.bodies[0], Attach)


async def test_routers_that_left_the_list_are_let_go(place: Place) -> None:
    r1 = place.routers.links["r1"]
    place.hub.owners.follow(["r0"])
    await turns()
    assert r1.closed


async def test_silence_is_measured_from_the_last_frame(place: Place) -> None:
    r0 = place.routers.links["r0"]
    r0.hold(A)
    await place.greet()
    r0.attach_all()
    for _ in range(4):
        place.pass_time(50)
        await place.say(pb.ClientFrame(heartbeat=pb.Heartbeat()))
    assert "close" not in place.edge.kinds
    place.pass_time(61)
    assert Code(place.edge.frames[-1].close.code) is Code.HEARTBEAT_TIMEOUT


async def test_a_door_that_opens_and_says_nothing_is_tried_ever_more_rarely(place: Place) -> None:
    """A proxy before a router that is down takes connections, too."""
    before = place.routers.opened
    for _ in range(1000):
        place.routers.links["r0"].lose()
        await asyncio.sleep(0.01)
    assert place.routers.opened - before < 20
