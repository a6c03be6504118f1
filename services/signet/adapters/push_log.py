"""Push hints as lines of the log: where nobody is there to wake devices. See ports/push.

The token is left out: it is the same for each hint of a user, and logs hold no user data.
"""

from collections.abc import Callable

import structlog

from signet.ports.push import Delivered, Outcome, UserToken, WakeUp

log = structlog.get_logger(__name__)


class LogPush:
    """`clock` is Unix time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    async def wake(self, wake_up: WakeUp[UserToken]) -> Outcome:
        """Always delivered."""
        age_s = max(0.0, self._clock() - wake_up.at_ms / 1000)
        log.info("a device would be woken", urgent=wake_up.urgent, age_s=round(age_s, 3))
        return Delivered()

    async def close(self) -> None:
        """Nothing is held."""
