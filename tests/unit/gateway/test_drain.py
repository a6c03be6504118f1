"""A gateway that goes (S7): streams are asked to move, at a pace; then it closes them."""

import asyncio
import time
from pathlib import Path
from typing import Any

from signet.core.drain import Order
from signet.core.errors import RULES, Code
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, BOB, World, record, world
from tests.support.opening import Open
from tests.support.streams import (
    GrpcStream,
    WebSocketStream,
    code_of,
    ends_with,
    greet,
    hello,
    send,
)


def within(seconds: float, rate: float = 0.0) -> Order:
    return Order(time.monotonic() + seconds, rate)


def beside(here: World, *names: str, **fields: Any) -> None:
    """Other gateways are on the list."""
    others = [record(name, **fields) for name in names]
    here.gateway.hub.neighbours.see([record("gateway-0"), *others], time.monotonic())


async def test_who_understands_it_is_asked_to_move_and_served_until_then(
    here: World, open_stream: Open
) -> None:
    beside(here, "gateway-1")
    async with open_stream(here) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(within(600)))
        reconnect = (await alice.until("reconnect")).reconnect
        assert reconnect.to == ""
        assert reconnect.resume_token
        assert here.gateway.not_ready() == "draining"
        assert here.gateway.accepts() == 0.0
        await alice.send(send(BOB, 1))
        assert (await alice.until("answer")).answer.HasField("sent")
        await here.gateway.drain(within(0))
        await ends_with(alice, Code.DRAINING)
        await drain


async def test_each_transport_is_sent_to_its_own_address(here: World, open_stream: Open) -> None:
    there = {"websocket": "wss://gw-1.test/v1/connect", "grpc": "gw-1.test:7401"}
    beside(here, "gateway-1", public=" ".join(there.values()))
    async with open_stream(here) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(within(60)))
        to = (await alice.until("reconnect")).reconnect.to
        assert to == there[next(iter(here.gateway.hub.sessions.values())).transport]
        await alice.send(pb.ClientFrame(bye=pb.Bye()))
        await alice.end()
        await drain


async def test_a_drain_ends_when_all_have_moved(here: World, open_stream: Open) -> None:
    beside(here, "gateway-1")
    async with open_stream(here) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(within(60)))
        await alice.send(pb.ClientFrame(bye=pb.Bye()))
        await alice.end()
        async with asyncio.timeout(30):
            await drain


async def test_who_does_not_understand_it_is_closed_in_its_turn(
    here: World, open_stream: Open
) -> None:
    beside(here, "gateway-1")
    async with open_stream(here) as alice:
        await alice.send(hello(here.keys.token(ALICE), capabilities=[]))
        await alice.until("caught_up")
        drain = asyncio.create_task(here.gateway.drain(within(60)))
        close, _ = await alice.end()
        assert code_of(close) is Code.DRAINING
        await drain


async def test_the_token_of_a_reconnect_takes_up_the_session_at_another_gateway(
    here: World, open_stream: Open
) -> None:
    beside(here, "gateway-1")
    async with open_stream(here) as alice, here.another_gateway() as other:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(within(60)))
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
        async with asyncio.timeout(20):
            await here.gateway.drain(within(30))
        close, transport_code = await alice.end()
        assert code_of(close) is Code.NO_SURVIVOR
        assert close.retry_after_ms <= 30_000
        rule = RULES[Code.NO_SURVIVOR]
        assert transport_code in (rule.websocket, rule.grpc)


async def test_the_last_survivor_may_go_in_the_middle(here: World, open_stream: Open) -> None:
    beside(here, "gateway-1", accepts=0.0)
    async with open_stream(here) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(within(60)))
        await asyncio.sleep(0)
        beside(here)
        await ends_with(alice, Code.NO_SURVIVOR)
        await drain


async def test_streams_that_come_during_a_drain_are_sent_away_by_name(
    here: World, open_stream: Open
) -> None:
    beside(here, "gateway-1")
    async with open_stream(here) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(within(60)))
        await alice.until("reconnect")
        async with open_stream(here) as late:
            await ends_with(late, Code.DRAINING)
        await here.gateway.drain(within(0))
        await drain


async def test_a_second_order_goes_on_with_the_same_drain(here: World, open_stream: Open) -> None:
    beside(here, "gateway-1")
    async with open_stream(here) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(within(600)))
        await alice.until("reconnect")
        again = asyncio.create_task(here.gateway.drain(within(0.2)))
        await ends_with(alice, Code.DRAINING)
        await asyncio.gather(drain, again)


async def test_an_aborted_drain_takes_streams_again_and_asks_nobody(
    here: World, open_stream: Open
) -> None:
    beside(here, "gateway-1", accepts=0.0)
    async with open_stream(here) as alice:
        await greet(here, alice)
        drain = asyncio.create_task(here.gateway.drain(within(600)))
        await asyncio.sleep(0)
        await here.gateway.undrain()
        await drain
        assert here.gateway.not_ready() == ""
        assert here.gateway.accepts() > 0
        beside(here, "gateway-1")
        async with open_stream(here) as bob:
            await greet(here, bob, BOB)
            await alice.send(send(BOB, 1))
            assert (await alice.until("answer")).answer.HasField("sent")


async def test_who_was_asked_before_an_abort_is_asked_again_by_the_next_drain(here: World) -> None:
    beside(here, "gateway-1")
    async with WebSocketStream(here.url) as alice:
        await greet(here, alice)
        for _ in range(2):
            drain = asyncio.create_task(here.gateway.drain(within(600)))
            await alice.until("reconnect")
            await here.gateway.undrain()
            await drain


async def test_a_rate_that_was_asked_for_is_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as here, GrpcStream(here.target) as alice:
        beside(here, "gateway-1")
        async with GrpcStream(here.target) as bob:
            await greet(here, alice)
            await greet(here, bob, BOB)
            drain = asyncio.create_task(here.gateway.drain(within(600, rate=2.0)))
            started = time.monotonic()
            await alice.until("reconnect")
            await bob.until("reconnect")
            assert time.monotonic() - started > 0.4
            await here.gateway.undrain()
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
