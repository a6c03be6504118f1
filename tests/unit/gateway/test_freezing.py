"""When a gateway puts its open streams aside of the garbage collector, and that they are freed."""

import asyncio
import gc

from signet.core.limits import FREEZE_AFTER, FREEZE_QUIET
from signet.gateway.freezing import Freezing
from signet.gateway.grpc_server import GrpcEdge
from signet.gateway.session import Session
from signet.gateway.websocket import WebSocketEdge
from tests.support.gateways import World
from tests.support.opening import Open
from tests.support.streams import greet


class Clock:
    """Counts how often it was frozen, through one story."""

    def __init__(self) -> None:
        self.now = self.frozen = self.opened = 0
        self._freezing = Freezing(self._freeze)

    def _freeze(self) -> None:
        self.frozen += 1

    def second(self, opened: int = 0) -> None:
        self.now += 1
        self.opened += opened
        self._freezing.tick(float(self.now), self.opened)


def test_a_wave_is_frozen_once_when_it_is_over() -> None:
    clock = Clock()
    for _ in range(10):
        clock.second(FREEZE_AFTER)
        assert clock.frozen == 0
    for _ in range(60):
        clock.second()
    assert clock.frozen == 1


def test_a_trickle_is_frozen_each_time_it_has_come_to_a_wave() -> None:
    clock = Clock()
    for _ in range(1_000):
        clock.second(FREEZE_AFTER // 100)
    assert clock.frozen == 10


def test_few_streams_are_not_worth_it() -> None:
    clock = Clock()
    clock.second(FREEZE_AFTER - 1)
    for _ in range(int(FREEZE_QUIET) + 60):
        clock.second()
    assert clock.frozen == 0


def alive() -> int:
    return sum(type(one) in (Session, WebSocketEdge, GrpcEdge) for one in gc.get_objects())


async def test_a_stream_that_has_ended_is_freed_without_the_collector(
    here: World, open_stream: Open
) -> None:
    gc.collect()
    before = alive()
    gc.disable()
    try:
        async with open_stream(here) as alice:
            await greet(here, alice)
            assert alive() == before + 2
        async with asyncio.timeout(30):
            while alive() > before:
                await asyncio.sleep(0.05)
    finally:
        gc.enable()
