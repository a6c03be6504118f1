"""Which objects a watch has been silent about: they may be gone, and nobody has said so.

kopf lists a kind again when its watch cannot go on from where it was (410 Gone: after minutes of an
API server that is away, say), and tells of every object that is there. Of one that was deleted
meanwhile it tells nothing, and keeps it. So what was not named in the last list is a suspect, and
the API itself is asked (look.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

QUIET_S = 30.0  # without another object of a list, after which it is over. Raise: found out later


@dataclass(slots=True)
class _List:
    began: float
    latest: float


class Heard:
    """Of all watches, by their names; objects by UID."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lists: dict[str, _List] = {}
        self._at: dict[str, float] = {}
        self._gone: set[str] = set()  # kopf keeps them, until one of the same name comes

    def event(self, watch: str, uid: str, kind: str | None) -> None:
        """`kind` is kopf's: None is of a list."""
        if kind == "DELETED":
            self._at.pop(uid, None)
            return
        now = self._clock()
        if kind is None:
            running = self._lists.get(watch)
            if running is None or now - running.latest > QUIET_S:
                running = self._lists[watch] = _List(now, now)
            running.latest = now
        self._at[uid] = now

    def suspect(self, watch: str, uid: str) -> bool:
        """Whether the last list of a watch is over, and has not named an object."""
        listed = self._lists.get(watch)
        over = listed is not None and self._clock() - listed.latest > QUIET_S
        return over and listed is not None and self._at.get(uid, listed.began) < listed.began

    def asked(self, uid: str, *, there: bool) -> None:
        """What the API has said of a suspect."""
        if there:
            self._at[uid] = self._clock()
        else:
            self._at.pop(uid, None)
            self._gone.add(uid)

    def is_gone(self, uid: str) -> bool:
        """By the API's own word."""
        return uid in self._gone
