"""The driver of a pod's life performs what core/drain.py says, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from signet.core import drain
from signet.core.drain import Stage
from signet.core.limits import DRAIN_GRACE
from signet.pod.leaving import Leaving
from tests.support.small_service import SmallService
from tests.support.virtual_time import in_virtual_time


class World:
    """A service, its pod's life, and what others were told of it."""

    def __init__(self, service: SmallService) -> None:
        self.service = service
        self.told: list[tuple[Stage, int]] = []  # stage and what the service held then
        self.died = 0
        self.leaving = Leaving(service, self._announce, self._die, asyncio.get_running_loop().time)

    async def _announce(self) -> None:
        self.told.append((self.leaving.life.stage, len(self.service.orders)))

    def _die(self) -> None:
        self.died += 1

    def leave(self, within_s: float, rate: float = 0.0, *, ending: bool = False) -> bool:
        return self.leaving.order(within_s, rate, ending=ending, survivors=True)

    async def until(self, stage: Stage) -> float:
        """When it was seen there."""
        while self.leaving.life.stage is not stage:
            await asyncio.sleep(0.01)
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def world(holds: int = 0, *, hangs: bool = False) -> AsyncIterator[World]:
    made = World(SmallService(holds, hangs=hangs))
    try:
        yield made
    finally:
        await made.leaving.close()


@in_virtual_time
async def test_what_it_holds_is_given_away_before_a_signalled_pod_ends() -> None:
    async with world(holds=3) as pod:
        assert pod.leave(30, rate=1.0, ending=True)
        await pod.leaving.ended.wait()
        assert pod.service.holds == 0
        assert 3.0 <= asyncio.get_running_loop().time() < 4.0
        assert pod.told == [(Stage.DRAINING, 0)]  # V2: before the service was asked


@in_virtual_time
async def test_a_second_signal_shortens_the_drain_that_runs() -> None:
    async with world(holds=100) as pod:
        pod.leave(60, rate=1.0, ending=True)
        await asyncio.sleep(2)
        pod.leave(5, rate=1.0, ending=True)
        await pod.leaving.ended.wait()
        assert 7.0 <= asyncio.get_running_loop().time() < 9.0
        assert pod.service.holds >= 80


@in_virtual_time
async def test_an_aborted_drain_leaves_an_active_pod() -> None:
    async with world(holds=10) as pod:
        pod.leave(60, rate=1.0)
        await asyncio.sleep(3)
        assert pod.leaving.abort()
        await asyncio.sleep(10)
        assert (pod.leaving.life.stage, pod.service.aborted) == (Stage.ACTIVE, 1)
        assert pod.service.holds >= 6
        assert [stage for stage, _ in pod.told] == [Stage.DRAINING, Stage.ACTIVE]
        assert not pod.leaving.abort()


@in_virtual_time
async def test_a_drain_that_was_aborted_does_not_end_the_next_one() -> None:
    async with world(holds=10) as pod:
        pod.leave(60, rate=1.0)
        await asyncio.sleep(0.5)
        pod.leaving.abort()
        pod.leave(60, rate=1.0)  # the first one returns only now
        assert await pod.until(Stage.EMPTY) >= 5.0
        assert pod.service.holds == 0


@in_virtual_time
async def test_a_pod_that_was_emptied_by_hand_stays_until_a_signal_comes() -> None:
    async with world(holds=1) as pod:
        pod.leave(60)
        await pod.until(Stage.EMPTY)
        assert not pod.leave(60)
        assert not pod.leaving.ended.is_set()
        assert pod.leave(60, ending=True)
        await pod.leaving.ended.wait()


@in_virtual_time
async def test_a_service_that_hangs_is_not_waited_for() -> None:
    async with world(holds=1, hangs=True) as pod:
        pod.leave(10, ending=True)
        await pod.leaving.ended.wait()
        assert asyncio.get_running_loop().time() == 10 + DRAIN_GRACE


@in_virtual_time
async def test_a_lost_lease_ends_the_process_in_the_same_turn() -> None:
    async with world(holds=5) as pod:
        pod.leave(60)
        pod.leaving.happens(drain.Lost())
        assert pod.died == 1
        await asyncio.sleep(1)
        assert pod.service.orders == []  # what was queued before is not done any more


@in_virtual_time
async def test_with_nobody_left_the_service_hears_that_there_is_no_time() -> None:
    async with world(holds=100) as pod:
        pod.leave(60, rate=1.0)
        await asyncio.sleep(2)
        pod.leaving.happens(drain.Alone())
        assert await pod.until(Stage.EMPTY) < 4.0
        assert pod.service.orders[-1].deadline == 2.0
