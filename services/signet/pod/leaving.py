"""Does what core/drain.py says: in order, one thing at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from signet.core import drain
from signet.core.drain import Life, Order
from signet.pod.service import Service

log = structlog.get_logger()


class Leaving:
    """The life of one pod. `announce` writes its record; `die` ends the process at once (V7).

    `ended` is set when the process may stop its service and end.
    """

    def __init__(
        self,
        service: Service,
        announce: Callable[[], Awaitable[None]],
        die: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.life = Life()
        self.ended = asyncio.Event()
        self._service, self._announce, self._die, self._clock = service, announce, die, clock
        self._effects: asyncio.Queue[tuple[int, drain.Effect]] = asyncio.Queue()
        self._drains: set[asyncio.Task[None]] = set()
        self._generation = 0  # an aborted drain that comes back says nothing
        self._timer: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._perform(), name="pod-leaving")

    def order(self, within_s: float, rate: float, *, ending: bool, survivors: bool) -> bool:
        """Leave within so many seconds. False: it is gone, or empty, already."""
        order = Order(self._clock() + within_s, rate)
        log.info("this pod was asked to leave", within_s=within_s, ending=ending)
        return self.happens(drain.Ordered(order, ending, survivors))

    def abort(self) -> bool:
        """Stay. False: it was not leaving, or it is too late for it (V4)."""
        return self.happens(drain.Aborted())

    def happens(self, event: drain.Event) -> bool:
        """Whether the event made any difference."""
        before = self.life
        self.life, effects = drain.happens(before, event, self._clock())
        for effect in effects:
            if isinstance(effect, drain.Die):
                self._task.cancel()  # what waits is not done any more
                self._die()
            self._generation += isinstance(effect, drain.Undrain)
            self._effects.put_nowait((self._generation, effect))
        if self.life.stage is not before.stage:
            log.info("the pod's stage has changed", stage=self.life.stage.value)
        self._set_timer()
        return bool(effects) or self.life != before

    @property
    def left_s(self) -> float:
        """Until the drain's deadline."""
        order = self.life.order
        return max(0.0, order.deadline - self._clock()) if order is not None else 0.0

    async def close(self) -> None:
        """Give back what is held."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = [self._task, *self._drains]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.life.wake_at
        if at is not None:
            wait = max(0.0, at - self._clock())
            self._timer = asyncio.get_running_loop().call_later(wait, self._late)

    def _late(self) -> None:
        if self.happens(drain.Late()):
            log.error("the service did not end its drain in time")

    async def _perform(self) -> None:
        while True:
            generation, effect = await self._effects.get()
            try:
                await self._do(effect, generation)
            except Exception:
                log.exception("a step of the pod's drain failed")

    async def _do(self, effect: drain.Effect, generation: int) -> None:
        match effect:
            case drain.Announce():
                await self._announce()
            case drain.Drain(order):
                task = asyncio.create_task(self._drain(order, generation), name="pod-drain")
                self._drains.add(task)
                task.add_done_callback(self._drains.discard)
            case drain.Undrain():
                await self._service.undrain()
            case drain.End():
                self.ended.set()

    async def _drain(self, order: Order, generation: int) -> None:
        try:
            await self._service.drain(order)
        except Exception:
            log.exception("the service's drain failed")
        if generation == self._generation:
            self.happens(drain.Emptied())
