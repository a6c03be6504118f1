"""Limits that all pods share: so many in a period, for a key."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Allowed:
    """Whether this one passes; if not, when the next would (seconds)."""

    allowed: bool
    retry_after_s: float = 0.0


class RateLimits(Protocol):
    """Moving windows. A store that is away allows (availability before limits), and is counted."""

    async def hit(self, name: str, key: str, amount: int, period_s: int, cost: int = 1) -> Allowed:
        """Count `cost` for `key` under the limit called `name`, all of it or nothing."""
        ...

    async def close(self) -> None:
        """Give back what is held."""
        ...
