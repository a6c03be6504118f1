"""A gateway that goes (S7): streams are asked to move over a period; then it closes them."""

import asyncio
from pathlib import Path

from signet.core.errors import RULES, Code
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, BOB, World, world
from tests.support.opening import Open
from tests.support.streams import GrpcStream, code_of, ends_with, greet, hello, send


async def test_who_understands_it_is_asked_to_move_and_served_until_then(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(0.3))
        reconnect = (await alice.until("reconnect")).reconnect
        assert reconnect.to == ""
        assert reconnect.resume_token
        assert here.gateway.not_ready() == "draining"
        await alice.send(send(BOB, 1))
        assert (await alice.until("answer")).answer.HasField("sent")
        await ends_with(alice, Code.DRAINING)
        await drain


async def test_a_drain_ends_when_all_have_moved(here: World, open_stream: Open) -> None:
    async with open_stream(here) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(60))
        await alice.send(pb.ClientFrame(bye=pb.Bye()))
        await alice.end()
        async with asyncio.timeout(5):
            await drain


async def test_who_does_not_understand_it_is_closed_in_its_turn(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as alice:
        await alice.send(hello(here.keys.token(ALICE), capabilities=[]))
        await alice.until("caught_up")
        drain = asyncio.create_task(here.gateway.drain(0.2))
        close, _ = await alice.end()
        assert code_of(close) is Code.DRAINING
        await drain


async def test_the_token_of_a_reconnect_takes_up_the_session_at_another_gateway(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as alice, here.another_gateway() as other:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(5))
        token = (await alice.until("reconnect")).reconnect.resume_token
        async with open_stream(other) as again:
            await again.send(hello("", 2, resume_token=token))
            assert (await again.until("welcome")).welcome.resumed
            await ends_with(alice, Code.DISPLACED)
            await drain


async def test_with_no_survivor_all_are_closed_at_once_and_told_when_to_come(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as alice:
        await greet(here, alice)
        async with asyncio.timeout(2):
            await here.gateway.drain(30, survivors=False)
        close, transport_code = await alice.end()
        assert code_of(close) is Code.NO_SURVIVOR
        assert close.retry_after_ms <= 30_000
        rule = RULES[Code.NO_SURVIVOR]
        assert transport_code in (rule.websocket, rule.grpc)


async def test_streams_that_come_during_a_drain_are_sent_away_by_name(here: World) -> None:
    async with GrpcStream(here.target) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(0.3))
        await alice.until("reconnect")
        async with GrpcStream(here.target) as late:
            await ends_with(late, Code.DRAINING)
        await drain


async def test_the_moves_are_spread_over_half_of_the_period(tmp_path: Path) -> None:
    chances = iter([0.0, 0.999])
    made = world(tmp_path, chance=chances.__next__)
    async with made as here, GrpcStream(here.target) as alice, GrpcStream(here.target) as bob:
        await greet(here, alice)
        await greet(here, bob, BOB)
        loop = asyncio.get_running_loop()
        started = loop.time()
        drain = asyncio.create_task(here.gateway.drain(0.6))
        await alice.until("reconnect")
        await bob.until("reconnect")
        assert 0.25 < loop.time() - started < 0.6
        await drain


async def test_stopping_names_the_end_of_every_stream(tmp_path: Path, open_stream: Open) -> None:
    async with world(tmp_path) as here:
        alice = open_stream(here)
        await alice.__aenter__()
        await greet(here, alice)
        stopping = asyncio.create_task(here.gateway.stop())
        await ends_with(alice, Code.DRAINING)
        await alice.__aexit__()
        await stopping
