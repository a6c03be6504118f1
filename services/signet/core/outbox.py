"""The sender's side of one conversation: go back N (M1, M4-M6 of the protocol; O3).

One device sends to one person. Each send has an ordinal from 1 and keeps it. While all goes well
up to MAX_UNANSWERED are under way. When one comes back (refused, out of order), nothing more
goes until the others that are under way have come back too; then all that is unanswered goes
again, the oldest first. So a try never overtakes an earlier one, and one refusal costs one
more round, not one for each send behind it. What was answered SENT never goes again. A base that
is refused as out of order again and again has no order that the owner would take: it backs off.

Events in, effects out: the driver performs effects in order, and asks `pump` when time or a
repaired send may have opened the way.
"""

from dataclasses import dataclass

from signet.core.errors import RULES, Code, Retry
from signet.core.limits import AGAIN_AT_ONCE, MAX_UNANSWERED, RETRY_LIMIT


@dataclass(frozen=True, slots=True)
class Transmit:
    """Put the send with this ordinal on the wire, with this base."""

    ordinal: int
    base: int


@dataclass(frozen=True, slots=True)
class Seal:
    """Encrypt these for the recipient's devices (again, if the set was wrong); then `sealed`."""

    ordinals: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Completed:
    """Answered SENT: it is durable."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A final refusal, or RETRY_LIMIT is over (`code` None). It is taken off: base rises (M5)."""

    ordinal: int
    code: Code | None


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Nothing more to do before this time (seconds): call `pump` then."""

    at: float


Effect = Transmit | Seal | Completed | Failed | WakeAt


@dataclass(slots=True)
class _Entry:
    queued_at: float
    sealed: bool
    resealed: bool = False
    under_way: bool = False


class Outbox:
    """What is unanswered in one conversation. Ordinals rise; holes are final refusals."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}
        self._open = False
        self._going_back = False
        self._not_before = 0.0
        self._refusals = 0
        self._in_vain = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def refusals(self) -> int:
        """Retryable refusals since the last success: the driver's back-off counts by it."""
        return self._refusals

    def add(self, ordinal: int, queued_at: float, *, sealed: bool) -> None:
        """A new send, or one from before a restart. Ordinals must come rising.

        Raises:
            ValueError: the ordinal is not above those that wait.
        """
        if self._entries and ordinal <= next(reversed(self._entries)):
            raise ValueError(f"ordinal {ordinal} is not above those that wait")
        self._entries[ordinal] = _Entry(queued_at, sealed)

    def opened(self, now: float) -> list[Effect]:
        """A stream is there; nothing is under way on it yet. All unanswered goes, oldest first."""
        self._open = True
        self._come_back()
        return self.pump(now)

    def lost(self) -> None:
        """The stream is gone: what was under way is unanswered, and nobody knows its fate."""
        self._open = False
        self._come_back()

    def sealed(self, ordinal: int) -> None:
        """A send was encrypted for the devices that the recipient has now."""
        if ordinal in self._entries:
            self._entries[ordinal].sealed = True

    def hold(self, until: float) -> None:
        """Nothing goes before that time (seconds): bundles cannot be fetched, or change."""
        self._not_before = max(self._not_before, until)

    def cancel(self, ordinal: int) -> None:
        """Take one off that is not under way; no effect for others."""
        entry = self._entries.get(ordinal)
        if entry is not None and not entry.under_way:
            del self._entries[ordinal]

    def sent(self, ordinal: int, now: float) -> list[Effect]:
        """The answer SENT. Repeated answers and answers to what is gone are ignored."""
        if self._entries.pop(ordinal, None) is None:
            return self.pump(now)
        self._refusals = self._in_vain = 0
        return [Completed(ordinal), *self.pump(now)]

    def refused(self, ordinal: int, code: Code, now: float, wait: float = 0.0) -> list[Effect]:
        """A refusal. `wait`: seconds until it may go again, where the code says "later"; and where
        it says "now" for the base, more than AGAIN_AT_ONCE times without any success.
        """
        entry = self._entries.get(ordinal)
        if entry is None or not entry.under_way:
            return self.pump(now)
        entry.under_way = False
        first, self._going_back = not self._going_back, True
        if code is Code.ID_REUSED and entry.resealed:
            # The try before the re-encryption was durable after all, and its answer was lost.
            del self._entries[ordinal]
            return [Completed(ordinal), *self.pump(now)]
        if code in (Code.WRONG_DEVICES, Code.WRONG_GROUP):
            entry.sealed, entry.resealed = False, True
        elif RULES[code].retry in (Retry.NEVER, Retry.CHANGED):
            del self._entries[ordinal]
            return [Failed(ordinal, code), *self.pump(now)]
        elif RULES[code].retry is Retry.LATER or self._is_in_vain(ordinal):
            self._refusals += first  # all that were under way are one try
            self._not_before = max(self._not_before, now + wait)
        return self.pump(now)

    def _is_in_vain(self, ordinal: int) -> bool:
        """Count a base that is refused "now". What is behind it is refused because it was."""
        if ordinal == next(iter(self._entries)):
            self._in_vain += 1
            return self._in_vain > AGAIN_AT_ONCE
        return False

    def pump(self, now: float) -> list[Effect]:
        """What may go now."""
        effects: list[Effect] = [*self._give_up(now)]
        if not self._open or not self._entries:
            return effects
        under_way = sum(entry.under_way for entry in self._entries.values())
        if self._going_back and under_way:
            return effects
        self._going_back = False
        if now < self._not_before:
            return [*effects, WakeAt(self._not_before)]
        return effects + self._go(MAX_UNANSWERED - under_way)

    def _go(self, room: int) -> list[Effect]:
        effects: list[Effect] = []
        base = next(iter(self._entries))
        for ordinal, entry in self._entries.items():
            if entry.under_way:
                continue
            if room <= 0:
                break
            if not entry.sealed:  # later ones wait behind it (O3)
                return [*effects, Seal(self._unsealed(ordinal))]
            entry.under_way = True
            room -= 1
            effects.append(Transmit(ordinal, base))
        return effects

    def _unsealed(self, first: int) -> tuple[int, ...]:
        """All from there on that are not sealed: one fetch of bundles serves them all."""
        return tuple(o for o, entry in self._entries.items() if o >= first and not entry.sealed)

    def _give_up(self, now: float) -> list[Failed]:
        over = [
            ordinal
            for ordinal, entry in self._entries.items()
            if now - entry.queued_at > RETRY_LIMIT and not entry.under_way
        ]
        for ordinal in over:
            del self._entries[ordinal]
        return [Failed(ordinal, None) for ordinal in over]

    def _come_back(self) -> None:
        self._going_back = False
        for entry in self._entries.values():
            entry.under_way = False
