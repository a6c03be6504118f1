"""Random and mutated frames over both transports: no hang, no end without a name, no harm done."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signet.core.errors import RULES, Code
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, BOB, World, world
from tests.support.opening import OPEN, Open
from tests.support.raw_websocket import RawWebSocket, frame
from tests.support.streams import Stream, code_of, greet, hello, send

FUZZ = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

POSITION = pb.Position(epoch=1, seq=1)
VALID = [
    send(BOB, 1),
    send(BOB, 2, base=1, urgent=True),
    pb.ClientFrame(request=3, ack=pb.Ack(up_to=POSITION)),
    pb.ClientFrame(request=4, read=pb.Read(after=POSITION)),
    pb.ClientFrame(request=5, heartbeat=pb.Heartbeat()),
    pb.ClientFrame(request=6, set_presence=pb.SetPresence(status=pb.PRESENCE_STATUS_AWAY)),
    pb.ClientFrame(request=7, watch=pb.Watch(users=[BOB])),
    pb.ClientFrame(request=8, bye=pb.Bye()),
    hello("token", 2),
]

RANDOM = st.binary(max_size=300)
SEEDS = st.integers(0, 2**32)
MUTATED = st.builds(
    lambda valid, seed: mutate(valid.SerializeToString(), random.Random(seed)),
    st.sampled_from(VALID),
    SEEDS,
)
NUMBERS = st.integers(0, 2**64 - 1)
POSITIONS = st.builds(pb.Position, epoch=NUMBERS, seq=NUMBERS)
IDS = st.binary(max_size=20)
ANY_VALUES = st.one_of(  # frames that parse, with anything at all in their fields
    st.builds(pb.ClientFrame, ack=st.builds(pb.Ack, up_to=POSITIONS)),
    st.builds(pb.ClientFrame, read=st.builds(pb.Read, after=POSITIONS)),
    st.builds(pb.ClientFrame, watch=st.builds(pb.Watch, users=st.lists(IDS, max_size=5))),
    st.builds(
        pb.ClientFrame,
        send=st.builds(pb.Send, to=IDS, message_id=IDS, ordinal=NUMBERS, base=NUMBERS),
    ),
).map(pb.ClientFrame.SerializeToString)
DATA = st.lists(st.one_of(RANDOM, MUTATED, ANY_VALUES), min_size=1, max_size=8)

FRAMES = st.builds(frame, st.integers(0, 15), RANDOM, first=st.sampled_from([0, 0x80, 0xC0]))


def mutate(data: bytes, chance: random.Random) -> bytes:
    """A bit, a byte, a cut, a repeat: what a broken client or wire makes of a frame."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(changed) + 1)
        match chance.randrange(4):
            case 0 if place < len(changed):
                changed[place] ^= 1 << chance.randrange(8)
            case 1:
                changed.insert(place, chance.randrange(256))
            case 2:
                del changed[place : place + chance.randrange(1, 8)]
            case 3:
                changed[place:place] = changed[: chance.randrange(32)]
    return bytes(changed)


@pytest.fixture
async def fuzzed(tmp_path: Path) -> AsyncIterator[World]:
    """One gateway for all examples of a test; at the end it must be as good as new."""
    async with world(tmp_path, frame_burst=10_000, send_burst=10_000) as here:
        yield here
        await still_serves(here)


async def still_serves(here: World) -> None:
    """Nothing is left over, and somebody else is served as if nothing had been."""
    async with asyncio.timeout(30):
        await here.gateway.hub.wait_empty()
    async with OPEN["websocket"](here) as bob:
        await greet(here, bob, BOB, counter=10**6)


async def ends_by_name(stream: Stream) -> None:
    """Say Bye in any case, and read to the end: the last frame is a Close with a code."""
    await stream.send(pb.ClientFrame(bye=pb.Bye()))
    close, transport_code = await stream.end()
    rule = RULES[code_of(close)]
    assert transport_code in (rule.websocket, rule.grpc)
    assert code_of(close) is not Code.INTERNAL


@FUZZ
@given(data=DATA)
async def test_anything_before_hello_ends_by_name(
    fuzzed: World, open_stream: Open, data: list[bytes]
) -> None:
    async with open_stream(fuzzed) as stream:
        for each in data:
            await stream.send_bytes(each)
        await ends_by_name(stream)


COUNTERS = iter(range(1, 10**6))


@FUZZ
@given(data=DATA)
async def test_anything_after_hello_is_answered_or_ends_by_name(
    fuzzed: World, open_stream: Open, data: list[bytes]
) -> None:
    async with open_stream(fuzzed) as stream:
        await greet(fuzzed, stream, ALICE, next(COUNTERS))
        for each in data:
            await stream.send_bytes(each)
        await ends_by_name(stream)


@FUZZ
@given(data=st.lists(st.one_of(RANDOM, FRAMES), min_size=1, max_size=6))
async def test_bytes_in_the_place_of_websocket_end_by_name_unless_the_client_ends_first(
    fuzzed: World, data: list[bytes]
) -> None:
    async with RawWebSocket(*fuzzed.gateway.websocket_address) as stream:
        for each in data:
            stream.write(each)
        stream.write_eof()
        close, number = await stream.rest()
        if close is not None:
            assert number == RULES[Code(close.code)].websocket
        else:
            assert number in (0, 1000)  # its own close, or half a frame and then nothing
