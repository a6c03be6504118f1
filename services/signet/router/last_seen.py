"""When users were last seen, kept in the directory: Redis may lose its records (P8).

Who goes offline is noted soon after, with all others of that moment; who comes and goes is noted
once in LAST_SEEN_PERIOD, with the last time. Nothing waits for it. What a crash can lose: when
those went offline who did so in the last LAST_SEEN_DELAY (LAST_SEEN_PERIOD, if they had just been
noted), and all that was not noted because the directory was away.
"""

from collections.abc import Callable, Coroutine

from signet.core import limits
from signet.core.ids import UserId
from signet.ports.inbox import StoreUnavailable
from signet.ports.users import Users


class LastSeen:
    """See the module's text. Times are Unix milliseconds."""

    def __init__(
        self,
        users: Users,
        clock: Callable[[], float],
        later: Callable[[float, Callable[[], None]], object],
        spawn: Callable[[Coroutine[None, None, None]], object],
    ) -> None:
        self._users, self._clock, self._run_later, self._spawn = users, clock, later, spawn
        self._waiting: dict[UserId, int] = {}
        self._noted: dict[UserId, tuple[float, int]] = {}  # when, by `clock`, and what
        self._is_due = False

    def gone(self, user: UserId, at_ms: int) -> None:
        """Somebody went offline."""
        self._waiting.pop(user, None)
        self._waiting[user] = at_ms
        if len(self._waiting) > limits.REMEMBERED_USERS:  # the directory has long been away
            del self._waiting[next(iter(self._waiting))]
        self._later()

    def of(self, user: UserId) -> int:
        """What is known here and not everywhere yet; 0 if nothing is."""
        return self._waiting.get(user) or self._noted.get(user, (0.0, 0))[1]

    async def note(self, *, at_once: bool = False) -> None:
        """Write what waits, but for those who were noted just now (`at_once`: all)."""
        now = self._clock()
        self._forget(now - limits.LAST_SEEN_PERIOD)
        ready = {
            user: at_ms
            for user, at_ms in self._waiting.items()
            if at_once or user not in self._noted
        }
        if not ready:
            return
        try:
            await self._users.note_seen(list(ready.items()))
        except StoreUnavailable:
            ready = {}  # they still wait
        for user, at_ms in ready.items():
            self._noted.pop(user, None)
            self._noted[user] = (now, at_ms)
            if self._waiting.get(user) == at_ms:  # not gone once more meanwhile
                del self._waiting[user]

    def _forget(self, before: float) -> None:
        """The oldest come first."""
        while self._noted and self._noted[next(iter(self._noted))][0] <= before:
            del self._noted[next(iter(self._noted))]

    def _later(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._run_later(limits.LAST_SEEN_DELAY, self._begin)

    def _begin(self) -> None:
        self._spawn(self._note_and_go_on())

    async def _note_and_go_on(self) -> None:
        try:
            await self.note()
        finally:
            self._is_due = False
        if self._waiting:
            self._later()
