"""One worker of the group that wakes devices: performs what core/pushing decides.

What may be relied upon: a hint that was taken from the events wakes its user's devices, or joins a
hint that does, or is counted (`signet_push_unwoken_total`). A worker that stops puts back what
waits; one that is killed loses it, and a message after that makes another hint. A user's hints come
to one worker at a time; the period of U2 is that worker's memory, so where a user moves to another
worker, one wake-up more may come.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable

import structlog

from signet.core.backoff import Backoff
from signet.core.ids import UserId
from signet.core.limits import PUSH_TIMEOUT
from signet.core.pushing import Hint, Pushing, Unwoken, Wake, token_of
from signet.core.timers import NEVER
from signet.ports.events import Event, Events, Topic
from signet.ports.push import Delivered, Gone, Outcome, PushProvider, RetryAfter, WakeUp
from signet.telemetry import metrics

log = structlog.get_logger(__name__)

GROUP = "signet-push"  # the consumer group of all workers of a cluster
NEW_MESSAGE = "NEW_MESSAGE"
KEY_BYTES = 32


class Worker:
    """`clock` is Unix time in seconds; `chance` is uniform in [0, 1).

    `token_key` has 32 secret bytes or more, the same for all workers: see ports/push. Neither
    `events` nor `provider` is closed by it.

    Raises:
        ValueError: the key is too short.
    """

    def __init__(
        self,
        events: Events,
        provider: PushProvider,
        clock: Callable[[], float],
        token_key: bytes,
        *,
        group: str = GROUP,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if len(token_key) < KEY_BYTES:
            raise ValueError(f"the key of push tokens needs {KEY_BYTES} bytes")
        self._events, self._provider, self._group = events, provider, group
        self._clock, self._chance, self._key = clock, chance, token_key
        self._pushing = Pushing()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._waking: set[asyncio.Task[None]] = set()
        self._why = "not started"
        self._away = ""  # why the provider's last answer was a failure
        self._taken = self._woken = 0

    async def start(self) -> None:
        """Take hints from now on."""
        following = self._events.subscribe(Topic.PUSH, self._group)
        for work in (self._follow(following), self._drive()):
            self._tasks.append(self._spawn(work, "push"))
        self._why = ""

    async def stop(self) -> None:
        """Leave the group, wait up to PUSH_TIMEOUT for what is under way, put back what is left."""
        self._why = "stopping"
        await _end(self._tasks)
        self._tasks.clear()
        if self._waking:
            await asyncio.wait(self._waking, timeout=PUSH_TIMEOUT)
        await _end(self._waking)
        for user, hint in self._pushing.left():
            at_ms = self._unix_ms(hint.at)
            self._events.publish(Event(Topic.PUSH, user, NEW_MESSAGE, at_ms, urgent=hint.urgent))
        self._pushing = Pushing()
        self._why = "stopped"
        self._show()

    def not_ready(self) -> str:
        """Why it takes no hints, '' when it does."""
        return self._why

    def status(self) -> dict[str, object]:
        """For the admin port."""
        return {
            "hints": self._taken,
            "woken": self._woken,
            "waiting": self._pushing.waiting,
            "under_way": self._pushing.under_way,
            "at_once": self._pushing.at_once(),
            "remembered": self._pushing.remembered,
            "provider": self._away or "answers",
        }

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
                self._take(event)

    def _take(self, event: Event) -> None:
        self._taken += 1
        metrics.PUSH_HINTS.inc()
        now = self._now()
        hint = Hint(now - (self._clock() - event.at_ms / 1000), event.urgent)
        if (unwoken := self._pushing.hinted(event.user, hint, now)) is not None:
            _count([unwoken])
        self._changed.set()

    async def _drive(self) -> None:
        """Start what is due; sleep until something is, or something has changed."""
        while True:
            self._changed.clear()
            wakes, dropped = self._pushing.due(self._now())
            _count(dropped)
            for wake in wakes:
                task = self._spawn(self._wake(wake), "push-wake")
                self._waking.add(task)
                task.add_done_callback(self._waking.discard)
            self._show()
            due_at = self._pushing.due_at()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if due_at == NEVER else due_at):
                    await self._changed.wait()

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        """A bug: whoever looks at `not_ready` starts this process anew."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the push worker failed", exc_info=error)
            self._why = "a task has failed"

    async def _wake(self, wake: Wake) -> None:
        user, hint = wake
        at_ms = self._unix_ms(hint.at)
        outcome = await self._try(WakeUp(token_of(self._key, user), hint.urgent, at_ms))
        self._ended(user, hint, outcome)
        self._changed.set()

    async def _try(self, wake_up: WakeUp) -> Outcome:
        try:
            return await self._provider.wake(wake_up)
        except Exception as error:  # a bug of the provider, which shall not stop the others
            log.error("a push provider failed", exc_info=error)
            return RetryAfter(reason=type(error).__name__)

    def _ended(self, user: UserId, hint: Hint, outcome: Outcome) -> None:
        now = self._now()
        match outcome:
            case Delivered():
                self._pushing.delivered(user, now)
                self._woken += 1
                urgency = "urgent" if hint.urgent else "background"
                metrics.PUSH_SECONDS.labels(urgency).observe(max(0.0, now - hint.at))
                self._note("", "delivered")
            case Gone():
                _count(self._pushing.gone(user, now))
                self._note("", "gone")
            case RetryAfter(seconds, reason):
                _count(self._pushing.failed(user, now, self._chance(), seconds))
                self._note(reason or "no reason given", "again")

    def _note(self, away: str, outcome: str) -> None:
        """Log when the provider begins to fail, and when it answers again: not each failure."""
        metrics.PUSH_WAKES.labels(outcome).inc()
        if away and not self._away:
            log.warning("the push provider fails; trying again", reason=away)
        elif self._away and not away:
            log.info("the push provider answers again")
        self._away = away

    def _show(self) -> None:
        metrics.PUSH_WAITING.set(self._pushing.waiting)
        metrics.PUSH_UNDER_WAY.set(self._pushing.under_way)
        metrics.PUSH_REMEMBERED.set(self._pushing.remembered)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _unix_ms(self, at: float) -> int:
        return round((self._clock() - (self._now() - at)) * 1000)


def _count(unwoken: Iterable[Unwoken]) -> None:
    for reason in unwoken:
        metrics.PUSH_UNWOKEN.labels(reason.value).inc()


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
