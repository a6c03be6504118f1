"""When a device is woken: hints in, wake-ups out, for one provider. Time and chance are arguments.

A hint says that something waits for a device that is not attached. A lost hint costs time, never a
message. Times are seconds of one clock that only rises. Who is woken is a device, or all devices of
a user where the provider does not know them apart.

- U1 The hints of a device are collapsed: at most one waits, at most one is under way. What is left
  is as young as the youngest of them, and urgent if one of them is.
- U2 A device gets at most one background wake-up in PUSH_PERIOD, counted from when the one that was
  delivered set out. What comes meanwhile waits for the period's end.
- U3 An urgent hint goes at once, and before all that is not urgent; a background hint that waits
  goes with it (U1). Beyond PUSH_URGENT_BURST, a device gets one in PUSH_URGENT_EVERY.
- U4 A hint whose event is older than PUSH_TOO_OLD wakes nobody.
- U5 A failure is tried again after what was asked for and a back-off; meanwhile nothing else goes
  to that device, and everything goes to others. Who is gone is not woken for PUSH_GONE, where a
  newer registration would not be known by itself.
- U6 Something is remembered of at most PUSH_USERS devices; a hint for one more is dropped. A tenth
  of the room is for urgent hints alone.
- U7 At most PUSH_AT_ONCE wake-ups are under way. Each failure in a row, whoever it was for, halves
  that down to one; the next delivery restores it. So a receiver that is down is asked rarely.
- U8 A hint that waits is dropped when the devices that it was for are back; one that is under way
  is not tried again.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from signet.core.backoff import Backoff
from signet.core.limits import (
    PUSH_AT_ONCE,
    PUSH_GONE,
    PUSH_PERIOD,
    PUSH_TOO_OLD,
    PUSH_URGENT_BURST,
    PUSH_URGENT_EVERY,
    PUSH_USERS,
)
from signet.core.push_hints import Hint, Unwoken, Wake
from signet.core.timers import NEVER, Timers

_PAST = float("-inf")
_CALM = Backoff()
K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Room:
    """How many may be remembered by all who share it (U6)."""

    most: int = PUSH_USERS
    taken: int = 0


@dataclass(slots=True)
class _One:
    waiting: Hint | None = None
    under_way: Hint | None = None
    since: float = _PAST  # when what is under way set out
    background_at: float = _PAST  # no background wake-up before it (U2)
    urgent_until: float = _PAST  # when urgent wake-ups so far are paid for (U3)
    retry_at: float = _PAST
    gone_until: float = _PAST
    is_back: bool = False  # what is under way is not to be tried again (U8)
    backoff: Backoff = _CALM

    def join(self, hint: Hint) -> bool:
        """U1: whether another was waiting."""
        other = self.waiting
        self.waiting = hint if other is None else hint.joined(other)
        return other is not None

    def due_at(self, urgent: bool) -> float:
        paid = self.urgent_until - (PUSH_URGENT_BURST - 1) * PUSH_URGENT_EVERY
        return max(self.retry_at, paid if urgent else self.background_at)

    def idle_at(self) -> float:
        """From when on nothing is to be remembered."""
        return max(self.background_at, self.urgent_until, self.gone_until)


class Pushing(Generic[K]):
    """The rules U1–U8 for one provider of one worker."""

    def __init__(
        self, room: Room | None = None, at_once: int = PUSH_AT_ONCE, gone_s: float = PUSH_GONE
    ) -> None:
        self._room, self._at_once, self._gone_s = room or Room(), at_once, gone_s
        self._known: dict[K, _One] = {}
        self._urgent: Timers[K] = Timers()
        self._background: Timers[K] = Timers()
        self._idle: Timers[K] = Timers()
        self._failures = 0  # in a row
        self.under_way = 0

    @property
    def waiting(self) -> int:
        """Whose hints wait."""
        return len(self._urgent) + len(self._background)

    @property
    def remembered(self) -> int:
        """Of whom something is remembered."""
        return len(self._known)

    def at_once(self) -> int:
        """How many may be under way now (U7)."""
        return max(1, self._at_once >> self._failures)

    def hinted(self, to: K, hint: Hint, now: float) -> Unwoken | None:
        """Take a hint; None: it waits, perhaps until `due` at this very moment."""
        hint = hint._replace(at=min(hint.at, now))
        if now - hint.at > PUSH_TOO_OLD:
            return Unwoken.OLD
        self._forget(now)
        it = self._known.get(to)
        if it is None:
            if self._room.taken >= self._room.most * (10 if hint.urgent else 9) // 10:
                return Unwoken.ROOM
            it = self._known[to] = _One()
            self._room.taken += 1
        if now < it.gone_until:
            return Unwoken.GONE
        joined = it.join(hint)
        self._settle(to, it, now)
        return Unwoken.COLLAPSED if joined else None

    def came_back(self, to: K, device: int, now: float) -> list[Unwoken]:
        """A device is attached again: what was for it alone need not wake it (U8)."""
        it = self._known.get(to)
        if it is None:
            return []
        if it.under_way is not None and device in it.under_way.away:
            it.under_way = it.under_way._replace(away=it.under_way.away - {device})
            it.is_back = not it.under_way.away
        if it.waiting is None or device not in it.waiting.away:
            return []
        left = it.waiting.away - {device}
        it.waiting = it.waiting._replace(away=left) if left else None
        self._settle(to, it, now)
        return [] if left else [Unwoken.BACK]

    def due(self, now: float, most: int = PUSH_AT_ONCE) -> tuple[list[Wake[K]], list[Unwoken]]:
        """What sets out now, urgent ones first, and what turned out to be too old."""
        wakes: list[Wake[K]] = []
        dropped: list[Unwoken] = []
        self._forget(now)
        for timers in (self._urgent, self._background):
            while (
                self.under_way < self.at_once()
                and len(wakes) < most
                and (to := timers.pop(now)) is not None
            ):
                wake = self._set_out(to, now)
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

    def delivered(self, to: K, now: float) -> None:
        """The provider has taken it."""
        it, hint = self._ended(to)
        self._failures, it.backoff = 0, _CALM
        if hint.urgent:
            it.urgent_until = max(it.urgent_until, it.since) + PUSH_URGENT_EVERY
        else:
            it.background_at = it.since + PUSH_PERIOD
        self._settle(to, it, now)

    def gone(self, to: K, now: float) -> list[Unwoken]:
        """There is nobody to wake by that token any more."""
        it, _ = self._ended(to)
        self._failures, it.backoff = 0, _CALM
        dropped = [Unwoken.GONE] * (1 if it.waiting is None else 2)
        it.waiting, it.gone_until = None, now + self._gone_s
        self._settle(to, it, now)
        return dropped

    def failed(self, to: K, now: float, chance: float, retry_after: float = 0.0) -> list[Unwoken]:
        """It is not known to have woken anybody. `chance` is uniform in [0, 1)."""
        it, hint = self._ended(to)
        self._failures += 1
        wait, it.backoff = it.backoff.failed(now, chance, min(retry_after, PUSH_TOO_OLD))
        it.retry_at = now + wait
        joined = not it.is_back and it.join(hint)
        self._settle(to, it, now)
        if it.is_back:
            return [Unwoken.BACK]
        return [Unwoken.COLLAPSED] if joined else []

    def left(self) -> Iterator[Wake[K]]:
        """What waits or is under way: for whoever goes on after this one."""
        for to, it in self._known.items():
            if (hint := it.waiting or it.under_way) is not None:
                yield Wake(to, hint)

    def _set_out(self, to: K, now: float) -> Wake[K] | None:
        it = self._known[to]
        hint, it.waiting = it.waiting, None
        if hint is None or now - hint.at > PUSH_TOO_OLD:
            self._settle(to, it, now)
            return None
        it.under_way, it.since, it.is_back = hint, now, False
        self.under_way += 1
        return Wake(to, hint)

    def _ended(self, to: K) -> tuple[_One, Hint]:
        it = self._known[to]
        hint, it.under_way = it.under_way, None
        if hint is None:
            raise ValueError("nothing is under way")
        self.under_way -= 1
        return it, hint

    def _settle(self, to: K, it: _One, now: float) -> None:
        """Each has one timer at most; who is being woken has none until that has ended."""
        for timers in (self._urgent, self._background, self._idle):
            timers.clear(to)
        if it.under_way is not None:
            return
        if it.waiting is not None:
            timers = self._urgent if it.waiting.urgent else self._background
            timers.set(to, it.due_at(it.waiting.urgent))
        elif it.idle_at() > now:
            self._idle.set(to, it.idle_at())
        else:
            self._drop(to)

    def _forget(self, now: float) -> None:
        while (to := self._idle.pop(now)) is not None:
            self._drop(to)

    def _drop(self, to: K) -> None:
        del self._known[to]
        self._room.taken -= 1
