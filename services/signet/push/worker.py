"""One worker of the group that wakes devices: performs what core/push_lanes decides.

What may be relied upon: a hint that was taken from the events wakes its device, or joins a hint
that does, or is counted (`signet_push_unwoken_total`). A worker that stops puts back what waits;
one that is killed loses it, and a message after that makes another hint. A user's hints come to one
worker at a time; the period of U2 is that worker's memory, so where a user moves to another worker,
one wake-up more may come.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

import structlog

from signet.core.backoff import Backoff
from signet.core.ids import DeviceId
from signet.core.limits import PUSH_TIMEOUT
from signet.core.push_hints import Hint, Unwoken
from signet.core.push_lanes import InLane, Lane, Lanes
from signet.core.timers import NEVER
from signet.ports.events import CAME_BACK, NEW_MESSAGE, Event, Events, Topic
from signet.ports.push import Delivered, Gone, Outcome, PushProviders, RetryAfter
from signet.ports.push_registrations import PushRegistrations, Registration
from signet.push.finding import Finder
from signet.push.waking import Waker, lane_of, name_of
from signet.telemetry import metrics

log = structlog.get_logger(__name__)

GROUP = "signet-push"  # the consumer group of all workers of a cluster
KEY_BYTES = 32


class Worker:
    """`clock` is Unix time in seconds; `chance` is uniform in [0, 1).

    `token_key` has 32 secret bytes or more, the same for all workers: see ports/push. Where
    `registrations` is None, no provider may need them. None of the three is closed by it.

    Raises:
        ValueError: the key is too short.
    """

    def __init__(
        self,
        events: Events,
        providers: PushProviders,
        registrations: PushRegistrations | None,
        clock: Callable[[], float],
        token_key: bytes,
        *,
        group: str = GROUP,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if len(token_key) < KEY_BYTES:
            raise ValueError(f"the key of push tokens needs {KEY_BYTES} bytes")
        self._events, self._providers, self._group = events, providers, group
        self._clock, self._chance = clock, chance
        self._finder: Finder | None = None
        if registrations is not None:
            self._finder = Finder(registrations, self._found, chance)
        self._waker = Waker(providers, self._finder, token_key, self._unix_ms)
        self._lanes = self._no_lanes()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._waking: set[asyncio.Task[None]] = set()
        self._why = "not started"
        self._away: dict[Lane, str] = {}  # why a lane's last answer was a failure
        self._taken = self._woken = 0

    async def start(self) -> None:
        """Take hints from now on."""
        following = self._events.subscribe(Topic.PUSH, self._group)
        self._tasks = [self._spawn(self._follow(following)), self._spawn(self._drive())]
        if self._finder is not None:
            self._tasks.append(self._spawn(self._finder.run()))
        self._why = ""

    async def stop(self) -> None:
        """Leave the group, wait up to PUSH_TIMEOUT for what is under way, put back what is left."""
        self._why = "stopping"
        await _end(self._tasks)
        self._tasks.clear()
        if self._waking:
            await asyncio.wait(self._waking, timeout=PUSH_TIMEOUT)
        await _end(self._waking)
        for device, hint in self._left().items():
            at_ms = self._unix_ms(hint.at)
            event = Event(
                Topic.PUSH, device.user, NEW_MESSAGE, at_ms, device.device, urgent=hint.urgent
            )
            self._events.publish(event)
        self._lanes = self._no_lanes()
        self._why = "stopped"
        self._show()

    def not_ready(self) -> str:
        """Why it takes no hints, '' when it does."""
        return self._why

    def status(self) -> dict[str, object]:
        """For the admin port."""
        names = (*self._providers.by_user, *self._providers.by_kind)
        failing = {name_of(lane): why for lane, why in self._away.items()}
        return {
            "hints": self._taken,
            "woken": self._woken,
            "waiting": self._lanes.waiting,
            "under_way": self._lanes.under_way,
            "remembered": self._lanes.remembered,
            "looked_up": self._finder.waiting if self._finder else 0,
            "directory": (self._finder.away if self._finder else "") or "answers",
            "providers": {str(name): failing.get(name, "answers") for name in names},
        }

    # --- hints in -----------------------------------------------------------------------------

    async def _follow(self, first: AsyncIterator[Event]) -> None:
        """Take hints until it is cancelled; a subscription that breaks is opened again."""
        following: AsyncIterator[Event] | None = first
        backoff = Backoff()
        while True:
            backoff = backoff.opened(self._now())
            try:
                await self._take_all(following or self._events.subscribe(Topic.PUSH, self._group))
                reason = "ended"
            except Exception as error:
                reason = type(error).__name__
            now, following = self._now(), None
            wait, backoff = backoff.failed(now, self._chance())
            log.warning("hints cannot be taken; trying again", reason=reason, wait_s=round(wait, 1))
            await asyncio.sleep(wait)

    async def _take_all(self, following: AsyncIterator[Event]) -> None:
        async with contextlib.aclosing(following):  # type: ignore[type-var]
            async for event in following:
                device = DeviceId(event.user, event.device)
                if event.type == CAME_BACK:
                    self._came_back(device)
                elif event.type == NEW_MESSAGE:
                    self._take(device, event)
                self._changed.set()

    def _take(self, device: DeviceId, event: Event) -> None:
        self._taken += 1
        metrics.PUSH_HINTS.inc()
        at = self._now() - (self._clock() - event.at_ms / 1000)
        hint = Hint(at, event.urgent, frozenset((device.device,)))
        for name in self._providers.by_user:
            self._hinted(Lane(name), DeviceId(device.user, 0), hint)
        if self._finder is not None:
            _count(self._finder.hinted(device, hint))

    def _came_back(self, device: DeviceId) -> None:
        dropped = self._lanes.came_back(device, self._now())
        if self._finder is not None:
            dropped += self._finder.came_back(device)
        _count(*dropped)

    def _found(self, device: DeviceId, hint: Hint, registration: Registration | None) -> None:
        """The directory says how to wake it."""
        if registration is None:
            _count(Unwoken.UNREGISTERED)
        elif registration.kind not in self._providers.by_kind:
            _count(Unwoken.UNSERVED)
        else:
            self._hinted(lane_of(registration), device, hint)
            self._changed.set()

    def _hinted(self, lane: Lane, to: DeviceId, hint: Hint) -> None:
        _count(self._lanes.hinted(lane, to, hint, self._now()))

    # --- wake-ups out -------------------------------------------------------------------------

    async def _drive(self) -> None:
        """Start what is due; sleep until something is, or something has changed."""
        while True:
            self._changed.clear()
            wakes, dropped = self._lanes.due(self._now())
            _count(*dropped)
            for wake in wakes:
                task = self._spawn(self._wake(wake))
                self._waking.add(task)
                task.add_done_callback(self._waking.discard)
            self._show()
            due_at = self._lanes.due_at()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if due_at == NEVER else due_at):
                    await self._changed.wait()

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="push")
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        """A bug: whoever looks at `not_ready` starts this process anew."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the push worker failed", exc_info=error)
            self._why = "a task has failed"

    async def _wake(self, one: InLane) -> None:
        lane, (to, hint) = one
        self._ended(lane, to, hint, await self._waker.wake(lane, to, hint))
        self._changed.set()

    def _ended(self, lane: Lane, to: DeviceId, hint: Hint, outcome: Outcome) -> None:
        now, pushing = self._now(), self._lanes[lane]
        match outcome:
            case Delivered():
                pushing.delivered(to, now)
                self._woken += 1
                urgency = "urgent" if hint.urgent else "background"
                metrics.PUSH_SECONDS.labels(urgency).observe(max(0.0, now - hint.at))
                self._note(lane, "", "delivered")
            case Gone():
                _count(*pushing.gone(to, now))
                self._note(lane, "", "gone")
            case RetryAfter(seconds, reason):
                _count(*pushing.failed(to, now, self._chance(), seconds))
                self._note(lane, reason or "no reason given", "again")

    def _note(self, lane: Lane, away: str, outcome: str) -> None:
        """Log when a provider begins to fail, and when it answers again: not each failure."""
        provider = name_of(lane)
        metrics.PUSH_WAKES.labels(provider, outcome).inc()
        was_away = lane in self._away
        if away and not was_away:
            log.warning("a push provider fails; trying again", provider=provider, reason=away)
        elif was_away and not away:
            log.info("a push provider answers again", provider=provider)
        self._away.pop(lane, None)
        if away:
            self._away = {one: why for one, why in self._away.items() if one in self._lanes}
            self._away[lane] = away

    # --- the rest -----------------------------------------------------------------------------

    def _left(self) -> dict[DeviceId, Hint]:
        """What waits, by the devices that were away."""
        left: dict[DeviceId, Hint] = {}
        waiting = [*self._lanes.left(), *(self._finder.left() if self._finder else ())]
        for to, hint in waiting:
            for number in hint.away:
                device = DeviceId(to.user, number)
                left[device] = hint.joined(left.get(device, hint))
        return left

    def _no_lanes(self) -> Lanes:
        return Lanes(map(Lane, self._providers.by_user))

    def _show(self) -> None:
        metrics.PUSH_WAITING.set(self._lanes.waiting)
        metrics.PUSH_UNDER_WAY.set(self._lanes.under_way)
        metrics.PUSH_REMEMBERED.set(self._lanes.remembered)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _unix_ms(self, at: float) -> int:
        return round((self._clock() - (self._now() - at)) * 1000)


def _count(*unwoken: Unwoken | None) -> None:
    for reason in unwoken:
        if reason is not None:
            metrics.PUSH_UNWOKEN.labels(reason.value).inc()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
