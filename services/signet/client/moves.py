"""Where a client lets itself be sent. Pure (S7).

A redirect is followed only within the domain that the client was configured for, never to a
weaker scheme, and at most MAX_MOVES times in MOVE_PERIOD.
"""

from collections import deque
from urllib.parse import urlsplit

from signet.core.limits import MAX_MOVES, MOVE_PERIOD


def resolve(to: str, entry: str) -> str:
    """The full address of an offer, which may be `host:port` only; '' is the entry address."""
    if not to or "://" in to or "://" not in entry:
        return to or entry
    base = urlsplit(entry)
    return f"{base.scheme}://{to}{base.path}"


def within(to: str, entry: str, domain: str) -> bool:
    """Whether `to` is of the configured domain, by no weaker scheme than the entry's."""
    there, here = _split(to), _split(entry)
    if there is None or here is None or there[0] != here[0]:
        return False
    host = there[1]
    return host in (here[1], domain) or host.endswith("." + domain)


def _split(address: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(address if "://" in address else "//" + address)
        return (parts.scheme, parts.hostname) if parts.hostname else None
    except ValueError:
        return None


def host_of(address: str) -> str:
    """The host name of an address, '' where there is none."""
    found = _split(address)
    return found[1] if found else ""


class Moves:
    """How often the client was sent elsewhere lately."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def may_move(self, now: float) -> bool:
        """Counts the move if it may be made. `now`: seconds, never going back."""
        while self._times and now - self._times[0] > MOVE_PERIOD:
            self._times.popleft()
        if len(self._times) >= MAX_MOVES:
            return False
        self._times.append(now)
        return True
