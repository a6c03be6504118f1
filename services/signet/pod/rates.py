"""How much a pod does now: what an autoscaler asks for (`rates` in docs/admin.md).

Taken from the process's own metrics, over the last `WINDOW` seconds.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from prometheus_client import Metric

from signet.ports.members import Kind
from signet.telemetry import metrics

WINDOW = 15.0  # seconds; shorter follows noise, longer a surge too late
EVERY = 3.0  # seconds between looks


class Look(NamedTuple):
    """Counters at a time; `at` and `cpu` in seconds."""

    at: float
    cpu: float
    opened: float
    items: float
    appends: float
    append_s: float


class Rates:
    """`keep` runs for ever."""

    def __init__(
        self,
        kind: Kind,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._kind, self._clock, self._cpu = kind, clock, cpu
        self._looks: deque[Look] = deque()
        self.look()

    async def keep(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(EVERY)
            self.look()

    def look(self) -> None:
        """Remember where the counters are."""
        now = self._now()
        self._looks.append(now)
        while len(self._looks) > 2 and now.at - self._looks[1].at >= WINDOW:
            self._looks.popleft()

    def shown(self) -> Mapping[str, float]:
        """`cpu_percent` of one core, and what the kind has besides: see docs/admin.md."""
        first, last = self._looks[0], self._now()
        seconds = max(last.at - first.at, 1e-3)
        shown = {"cpu_percent": round(100 * (last.cpu - first.cpu) / seconds, 1)}
        if self._kind is Kind.GATEWAY:
            shown["open_rate"] = round((last.opened - first.opened) / seconds, 2)
            shown["pending_bytes"] = _sum(metrics.PENDING_BYTES.collect())
        if self._kind is Kind.ROUTER:
            shown["messages"] = round((last.items - first.items) / seconds, 2)
            appends = last.appends - first.appends
            mean = (last.append_s - first.append_s) / appends if appends else 0.0
            shown["lag_ms"] = round(1000 * mean, 2)
        return shown

    def _now(self) -> Look:
        return Look(
            self._clock(),
            self._cpu(),
            _sum(metrics.STREAMS_OPENED.collect(), "_total"),
            _sum(metrics.ITEMS_ACCEPTED.collect(), "_total"),
            _sum(metrics.APPEND_SECONDS.collect(), "_count"),
            _sum(metrics.APPEND_SECONDS.collect(), "_sum"),
        )


def _sum(found: Iterable[Metric], end: str = "") -> float:
    return sum(
        sample.value for family in found for sample in family.samples if sample.name.endswith(end)
    )
