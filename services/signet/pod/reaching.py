"""Whether the stores of a pod answer: each is asked a trivial question, again and again.

What comes of it is said (`/v1/pod`, a metric, a line of the log) and nothing more: a store that is
away is away for all pods of a kind, and if each said that it is not ready, nobody would be left to
say 503, and when to come back.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import structlog

from signet.clocks import unix_ms
from signet.core.limits import REACH_AGAIN, REACH_PERIOD, REACH_TIMEOUT
from signet.ports.inbox import StoreUnavailable
from signet.telemetry import metrics

log = structlog.get_logger()


@runtime_checkable
class Asked(Protocol):
    """A store outside of this process's memory."""

    async def ping(self) -> None:
        """Ask it a trivial question. It ends by itself, within seconds.

        Raises:
            StoreUnavailable, OSError (ConnectionError): no answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reach:
    """`since_ms`: Unix time at which it began to answer, or not to, as far as was asked."""

    reachable: bool
    since_ms: int


class Reaching:
    """`stores` by their names in the settings; `now_ms` is Unix time."""

    def __init__(
        self,
        stores: Mapping[str, Asked],
        now_ms: Callable[[], int] = unix_ms,
        *,
        period_s: float = REACH_PERIOD,
        timeout_s: float = REACH_TIMEOUT,
        again_s: float = REACH_AGAIN,
    ) -> None:
        self._stores, self._now_ms = stores, now_ms
        self._period_s, self._timeout_s, self._again_s = period_s, timeout_s, again_s
        self._found: dict[str, Reach] = {}

    def shown(self) -> dict[str, dict[str, object]]:
        """Plain JSON values, by store; one that was never asked yet is left out."""
        return {
            name: {"reachable": reach.reachable, "since_ms": reach.since_ms}
            for name, reach in sorted(self._found.items())
        }

    async def run(self) -> None:
        """Ask until it is cancelled; none waits for another."""
        async with asyncio.TaskGroup() as asking:
            for name, store in self._stores.items():
                asking.create_task(self._follow(name, store), name=f"pod-reaching-{name}")

    async def _follow(self, name: str, store: Asked) -> None:
        while True:
            answers = await self._ask(name, store)
            self._note(name, answers)
            await asyncio.sleep(self._period_s if answers else self._again_s)

    async def _ask(self, name: str, store: Asked) -> bool:
        """Whether it answers in time. Late is no; it is not asked a second time meanwhile."""
        asked = asyncio.create_task(_answers(name, store))
        try:
            in_time, _ = await asyncio.wait({asked}, timeout=self._timeout_s)
            if not in_time:
                self._note(name, False)
            return await asked and bool(in_time)
        finally:
            asked.cancel()

    def _note(self, name: str, reachable: bool) -> None:
        before = self._found.get(name)
        if before is not None and before.reachable == reachable:
            return
        self._found[name] = Reach(reachable, self._now_ms())
        metrics.STORE_REACHABLE.labels(name).set(reachable)
        if not reachable:
            log.warning("a store does not answer", store=name)
        elif before is not None:
            log.info("a store answers again", store=name)


async def _answers(name: str, store: Asked) -> bool:
    try:
        await store.ping()
    except (StoreUnavailable, OSError):
        return False
    except Exception:
        log.exception("a store could not be asked", store=name)
        return False
    return True
