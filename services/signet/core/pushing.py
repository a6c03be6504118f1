"""When a user's devices are woken: hints in, wake-ups out. Time and chance are arguments.

A hint says that a message waits for a user none of whose devices is attached. A lost hint costs
time, never a message. Times are seconds of one clock that only rises.

- U1 The hints of a user are collapsed: at most one waits, at most one is under way. What is left
  is as young as the youngest of them, and urgent if one of them is.
- U2 A user gets at most one background wake-up in PUSH_PERIOD, counted from when the one that was
  delivered set out. What comes meanwhile waits for the period's end.
- U3 An urgent hint goes at once, and before all that is not urgent; a background hint that waits
  goes with it (U1). Beyond PUSH_URGENT_BURST, a user gets one in PUSH_URGENT_EVERY.
- U4 A hint whose event is older than PUSH_TOO_OLD wakes nobody.
- U5 A failure is tried again after what was asked for and a back-off; meanwhile nothing else goes
  to that user, and everything goes to others. Who is gone is not woken for PUSH_GONE.
- U6 Something is remembered of at most PUSH_USERS users; a hint for one more is dropped. A tenth
  of the room is for urgent hints alone.
- U7 At most PUSH_AT_ONCE wake-ups are under way. Each failure in a row, whoever it was for, halves
  that down to one; the next delivery restores it. So a receiver that is down is asked rarely.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from signet.core.backoff import Backoff
from signet.core.ids import UserId
from signet.core.limits import (
    PUSH_AT_ONCE,
    PUSH_GONE,
    PUSH_PERIOD,
    PUSH_TOO_OLD,
    PUSH_URGENT_BURST,
    PUSH_URGENT_EVERY,
    PUSH_USERS,
)
from signet.core.timers import NEVER, Timers

_PAST = float("-inf")
_CALM = Backoff()
_PURPOSE = b"signet push token v1\0"


class Hint(NamedTuple):
    """`at` is when the event happened."""

    at: float
    urgent: bool


class Wake(NamedTuple):
    """Wake this user's devices now; then say `delivered`, `gone` or `failed`."""

    user: UserId
    hint: Hint


class Unwoken(StrEnum):
    """Why a hint has no wake-up of its own."""

    COLLAPSED = "collapsed"  # another hint of the user wakes for it (U1)
    OLD = "old"  # U4
    GONE = "gone"  # U5
    ROOM = "room"  # U6


def token_of(key: bytes, user: UserId) -> str:
    """What a provider knows a user by: HMAC-SHA256 in hex. Nobody without the key can turn it back.

    Whoever has the key, and knows the user's id, makes the same token: see ports/push.
    """
    return hmac.new(key, _PURPOSE + user, hashlib.sha256).hexdigest()


@dataclass(slots=True)
class _User:
    waiting: Hint | None = None
    under_way: Hint | None = None
    since: float = _PAST  # when what is under way set out
    background_at: float = _PAST  # no background wake-up before it (U2)
    urgent_until: float = _PAST  # when urgent wake-ups so far are paid for (U3)
    retry_at: float = _PAST
    gone_until: float = _PAST
    backoff: Backoff = _CALM

    def join(self, hint: Hint) -> bool:
        """U1: whether another was waiting."""
        other, self.waiting = self.waiting, hint
        if other is not None:
            self.waiting = Hint(max(hint.at, other.at), hint.urgent or other.urgent)
        return other is not None

    def due_at(self, urgent: bool) -> float:
        paid = self.urgent_until - (PUSH_URGENT_BURST - 1) * PUSH_URGENT_EVERY
        return max(self.retry_at, paid if urgent else self.background_at)

    def idle_at(self) -> float:
        """From when on nothing is to be remembered."""
        return max(self.background_at, self.urgent_until, self.gone_until)


class Pushing:
    """The rules U1–U7 for the users of one worker."""

    def __init__(self, users: int = PUSH_USERS, at_once: int = PUSH_AT_ONCE) -> None:
        self._room, self._at_once = users, at_once
        self._users: dict[UserId, _User] = {}
        self._urgent: Timers[UserId] = Timers()
        self._background: Timers[UserId] = Timers()
        self._idle: Timers[UserId] = Timers()
        self._failures = 0  # in a row
        self.under_way = 0

    @property
    def waiting(self) -> int:
        """Users whose hints wait."""
        return len(self._urgent) + len(self._background)

    @property
    def remembered(self) -> int:
        """Users of whom something is remembered."""
        return len(self._users)

    def at_once(self) -> int:
        """How many may be under way now (U7)."""
        return max(1, self._at_once >> self._failures)

    def hinted(self, user: UserId, hint: Hint, now: float) -> Unwoken | None:
        """Take a hint; None: it waits, perhaps until `due` at this very moment."""
        hint = hint._replace(at=min(hint.at, now))
        if now - hint.at > PUSH_TOO_OLD:
            return Unwoken.OLD
        self._forget(now)
        it = self._users.get(user)
        if it is None:
            if len(self._users) >= self._room * (10 if hint.urgent else 9) // 10:
                return Unwoken.ROOM
            it = self._users[user] = _User()
        if now < it.gone_until:
            return Unwoken.GONE
        joined = it.join(hint)
        self._settle(user, it, now)
        return Unwoken.COLLAPSED if joined else None

    def due(self, now: float) -> tuple[list[Wake], list[Unwoken]]:
        """What sets out now, urgent ones first, and what turned out to be too old."""
        wakes: list[Wake] = []
        dropped: list[Unwoken] = []
        self._forget(now)
        for timers in (self._urgent, self._background):
            while self.under_way < self.at_once() and (user := timers.pop(now)) is not None:
                wake = self._set_out(user, now)
                if wake is None:
                    dropped.append(Unwoken.OLD)
                else:
                    wakes.append(wake)
        return wakes, dropped

    def due_at(self) -> float:
        """When `due` has something; NEVER: not before something else happens."""
        if self.under_way >= self.at_once():
            return NEVER
        return min(self._urgent.next_at(), self._background.next_at())

    def delivered(self, user: UserId, now: float) -> None:
        """The provider has taken it."""
        it, hint = self._ended(user)
        self._failures, it.backoff = 0, _CALM
        if hint.urgent:
            it.urgent_until = max(it.urgent_until, it.since) + PUSH_URGENT_EVERY
        else:
            it.background_at = it.since + PUSH_PERIOD
        self._settle(user, it, now)

    def gone(self, user: UserId, now: float) -> list[Unwoken]:
        """There is nobody to wake by that token any more."""
        it, _ = self._ended(user)
        self._failures, it.backoff = 0, _CALM
        dropped = [Unwoken.GONE] * (1 if it.waiting is None else 2)
        it.waiting, it.gone_until = None, now + PUSH_GONE
        self._settle(user, it, now)
        return dropped

    def failed(
        self, user: UserId, now: float, chance: float, retry_after: float = 0.0
    ) -> list[Unwoken]:
        """It is not known to have woken anybody. `chance` is uniform in [0, 1)."""
        it, hint = self._ended(user)
        self._failures += 1
        wait, it.backoff = it.backoff.failed(now, chance, min(retry_after, PUSH_TOO_OLD))
        it.retry_at = now + wait
        joined = it.join(hint)
        self._settle(user, it, now)
        return [Unwoken.COLLAPSED] if joined else []

    def left(self) -> Iterator[Wake]:
        """What waits or is under way: for whoever goes on after this one."""
        for user, it in self._users.items():
            if (hint := it.waiting or it.under_way) is not None:
                yield Wake(user, hint)

    def _set_out(self, user: UserId, now: float) -> Wake | None:
        it = self._users[user]
        hint, it.waiting = it.waiting, None
        if hint is None or now - hint.at > PUSH_TOO_OLD:
            self._settle(user, it, now)
            return None
        it.under_way, it.since = hint, now
        self.under_way += 1
        return Wake(user, hint)

    def _ended(self, user: UserId) -> tuple[_User, Hint]:
        it = self._users[user]
        hint, it.under_way = it.under_way, None
        if hint is None:
            raise ValueError("nothing is under way to this user")
        self.under_way -= 1
        return it, hint

    def _settle(self, user: UserId, it: _User, now: float) -> None:
        """Each user has one timer at most; who is being woken has none until that has ended."""
        for timers in (self._urgent, self._background, self._idle):
            timers.clear(user)
        if it.under_way is not None:
            return
        if it.waiting is not None:
            timers = self._urgent if it.waiting.urgent else self._background
            timers.set(user, it.due_at(it.waiting.urgent))
        elif it.idle_at() > now:
            self._idle.set(user, it.idle_at())
        else:
            del self._users[user]

    def _forget(self, now: float) -> None:
        while (user := self._idle.pop(now)) is not None:
            del self._users[user]
