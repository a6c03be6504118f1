"""What a gateway holds, and what it makes of a Send, over any story (P7, H1, O1)."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from signet.core.errors import Code, SignetError
from signet.core.ids import MessageId, ShardId, UserId
from signet.core.limits import HOLD_SHARE
from signet.core.link import Content, Send
from signet.gateway.holding import Held, Holding
from signet.v1 import convert
from signet.v1 import messaging_pb2 as pb

ROOM = 64 * 1024
HOLD = 10.0
STORIES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 3), st.integers(1, 4_000)),
        st.tuples(st.just("answer"), st.integers(0, 60), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 12), st.just(0)),
    ),
    max_size=80,
)


def a_send(size: int) -> Send:
    content = Content(1, 11, 2, bytes(size))
    return Send(MessageId(bytes(16)), UserId(bytes(16)), 1, 1, (content,), b"")


def added(holding: Holding[str], shard: ShardId, send: Send, now: float) -> Held[str] | None:
    """None: refused for lack of room, with a time to come back."""
    try:
        return holding.add("alice", 0, shard, send, now)
    except SignetError as error:
        refused = error
    assert refused.code is Code.STORE_UNAVAILABLE
    assert refused.retry_after_s > 0
    return None


@given(STORIES)
def test_held_bytes_stay_within_the_room_and_each_shards_share(
    story: list[tuple[str, int, int]],
) -> None:
    holding: Holding[str] = Holding(HOLD, ROOM)
    now, known = 0.0, dict[int, tuple[int, int, float]]()  # ticket → shard, size, since
    for what, number, size in story:
        if what == "add":
            held = added(holding, ShardId(number), a_send(size), now)
            if held is not None:
                known[held.ticket] = (number, held.size, now)
        elif what == "answer":
            found = holding.answered(number)
            assert (found is not None) == (known.pop(number, None) is not None)
        else:
            now += number
            late = [ticket for ticket, (_, _, since) in known.items() if now - since >= HOLD]
            assert [held.ticket for held in holding.overdue(now)] == late  # oldest first
            for ticket in late:
                del known[ticket]
        assert [held.ticket for held in holding.all()] == list(known)
        assert holding.bytes == sum(size for _, size, _ in known.values()) <= ROOM
        for shard in range(4):
            share = sum(size for where, size, _ in known.values() if where == shard)
            assert share <= ROOM // HOLD_SHARE


CONTENTS = st.lists(
    st.builds(
        pb.DeviceContent,
        device_id=st.integers(1, 127),
        registration_id=st.integers(1, 0x3FFF),
        type=st.sampled_from([2, 3, 7, 8]),
        content=st.binary(min_size=1, max_size=40),
    ),
    max_size=4,
    unique_by=lambda content: content.device_id,
)
SENDS = st.builds(
    pb.Send,
    message_id=st.binary(min_size=16, max_size=16),
    to=st.binary(min_size=16, max_size=16),
    ordinal=st.integers(1, 2**63 - 1),
    base=st.just(1),
    contents=CONTENTS,
    urgent=st.booleans(),
)


@given(SENDS, st.integers(1, 2**63 - 1))
def test_a_retry_with_another_ordinal_is_the_same_message(wire: pb.Send, ordinal: int) -> None:
    first = convert.send_of(wire)
    again = pb.Send()
    again.CopyFrom(wire)
    again.ordinal = again.base = ordinal
    second = convert.send_of(again)
    assert second == replace(first, ordinal=ordinal, base=ordinal)


@given(SENDS, SENDS)
def test_other_bytes_are_another_message(one: pb.Send, other: pb.Send) -> None:
    first, second = convert.send_of(one), convert.send_of(other)
    same = (first.to, first.contents, first.urgent) == (second.to, second.contents, second.urgent)
    assert (first.digest == second.digest) == same


@given(SENDS)
def test_a_byte_moved_from_one_device_to_another_is_another_message(
    wire: pb.Send,
) -> None:
    if len(wire.contents) < 2 or len(wire.contents[0].content) < 2:
        return
    moved = pb.Send()
    moved.CopyFrom(wire)
    byte = moved.contents[0].content[-1:]
    moved.contents[0].content = moved.contents[0].content[:-1]
    moved.contents[1].content = byte + moved.contents[1].content
    assert convert.send_of(moved).digest != convert.send_of(wire).digest
