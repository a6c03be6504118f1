"""Links whose certificates were replaced are opened again, one at a time.

A handshake is checked once, so an open link would outlive what it was believed for. Streams of
clients stay: what they send waits for the moment in which their owner's link is opened (O3).
"""

from collections.abc import Iterable
from typing import Protocol

import structlog

log = structlog.get_logger()

# Seconds that a link is waited for before the next one is opened again. Raise: one router that is
# away holds up the others' links for longer. Lower: on a slow machine two may be away at a time.
PATIENCE = 10.0


class Renewed(Protocol):
    """A link to one router (uplink.Uplink)."""

    @property
    def outdated(self) -> bool: ...

    @property
    def settled(self) -> bool: ...

    def reset(self) -> None: ...


class Renewing:
    """Of one gateway."""

    def __init__(self) -> None:
        self._one: Renewed | None = None
        self._since = 0.0

    def step(self, now: float, links: Iterable[Renewed]) -> None:
        """Open the next one again, if the last one is settled, or has had its time."""
        if self._one is not None and not self._one.settled and now - self._since < PATIENCE:
            return
        self._one = next((link for link in links if link.outdated), None)
        self._since = now
        if self._one is not None:
            log.info("a link is opened again with new certificates")
            self._one.reset()
