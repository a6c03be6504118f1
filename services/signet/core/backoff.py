"""How long to wait before the next try: exponential, with full jitter (S8 of the protocol).

Pure: chance is an argument, so is time. A server's own `retry_after` goes before it.
"""

from dataclasses import dataclass, replace

from signet.core.limits import BACKOFF_BASE, BACKOFF_CALM, BACKOFF_CAP

_MOST_DOUBLINGS = 32  # 2^32 times the base is above any cap; keeps the power small


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often in a row it failed, and since when (seconds) the last try has held."""

    failures: int = 0
    opened_at: float | None = None

    def opened(self, now: float) -> "Backoff":
        """A try succeeded; failures are forgotten only after BACKOFF_CALM of it."""
        return replace(self, opened_at=now)

    def failed(
        self, now: float, chance: float, retry_after: float = 0.0, cap: float = BACKOFF_CAP
    ) -> "tuple[float, Backoff]":
        """It failed, or what was open ended: how many seconds to wait, and what to keep.

        `chance` is uniform in [0, 1). The wait is in [retry_after, retry_after + ceiling), so
        that those who were told the same time do not come back together.
        """
        calm = self.opened_at is not None and now - self.opened_at >= BACKOFF_CALM
        failures = 0 if calm else self.failures
        ceiling = min(cap, BACKOFF_BASE * 2.0 ** min(failures, _MOST_DOUBLINGS))
        return retry_after + ceiling * chance, Backoff(failures + 1)
