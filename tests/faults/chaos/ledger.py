"""What was answered SENT and what each device showed, kept outside the system under test.

Pure: records go in, with times that are an argument (seconds of one monotonic clock); a count, the
offences and the recovery of each fault come out. A message is known by who wrote it, who reads it
and its number among those from the one to the other (P3 is held for each such conversation).
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

AFTERWARDS = 1.0  # seconds after a fault in which what is written still counts as affected by it


class Message(NamedTuple):
    """`number` rises by one with each message that the writer wrote to the reader."""

    writer: int
    reader: int
    number: int

    @property
    def conversation(self) -> tuple[int, int]:
        return self.writer, self.reader

    def __str__(self) -> str:
        return f"{self.writer}>{self.reader}#{self.number}"

    @staticmethod
    def read(text: str) -> "Message":
        """The text of a message is its name. Raises ValueError."""
        writer, rest = text.split(">")
        reader, number = rest.split("#")
        return Message(int(writer), int(reader), int(number))


class Wrong(Enum):
    """How a promise can be broken."""

    LOST = "lost"  # answered SENT and never shown (P1)
    DOUBLED = "doubled"  # shown again (P2)
    OUT_OF_ORDER = "out of order"  # shown after one that was written later (P3)


@dataclass(frozen=True, slots=True)
class Showing:
    """A device showed a message. `life` is when that device was last started."""

    at: float
    life: float


@dataclass(frozen=True, slots=True)
class Offence:
    """A broken promise, and between which times its cause is to be looked for."""

    wrong: Wrong
    message: Message
    since: float
    until: float

    def __str__(self) -> str:
        return f"{self.wrong.value}: {self.message} ({self.since:.3f} s to {self.until:.3f} s)"


@dataclass(frozen=True, slots=True)
class Broken:
    """A fault as it happened. Of a kill, `ended` is the kill."""

    what: str
    kind: str
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long after a fault's end the slowest of the affected messages was answered SENT."""

    fault: Broken
    affected: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Count:
    """The ledger's last line."""

    sent: int
    shown: int
    lost: int
    doubled: int
    out_of_order: int
    recovery_p99: float

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.out_of_order)

    def __str__(self) -> str:
        return (
            f"chaos: {self.sent} sent, {self.shown} shown, {self.lost} lost, {self.doubled}"
            f" doubled, {self.out_of_order} out of order, recovery p99 {self.recovery_p99:.1f} s"
        )


@dataclass(slots=True)
class Ledger:
    """Records may come in any order among each other; those of one device come in its order."""

    wrote: dict[Message, float] = field(default_factory=dict)
    sent: dict[Message, float] = field(default_factory=dict)
    shown: dict[Message, list[Showing]] = field(default_factory=lambda: defaultdict(list))
    faults: list[Broken] = field(default_factory=list)
    _confirmed: dict[Message, float] = field(default_factory=dict)
    _back: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    _order: dict[tuple[int, int], list[Message]] = field(default_factory=lambda: defaultdict(list))

    # --- what happens -------------------------------------------------------------------------

    def note_wrote(self, message: Message, at: float) -> None:
        self.wrote.setdefault(message, at)

    def note_sent(self, message: Message, at: float) -> None:
        """Answered SENT. The first answer counts."""
        self.sent.setdefault(message, at)

    def note_shown(self, message: Message, at: float, life: float) -> None:
        showings = self.shown[message]
        if not showings:
            self._order[message.conversation].append(message)
        showings.append(Showing(at, life))

    def note_confirmed(self, message: Message, at: float) -> None:
        """The device has made durable that it was shown: it must not come again."""
        self._confirmed.setdefault(message, at)

    def note_back(self, person: int, at: float) -> None:
        """A device that was away is there again."""
        self._back[person].append(at)

    # --- what it amounts to -------------------------------------------------------------------

    def missing(self) -> list[Message]:
        """What was written and is not both SENT and shown: nobody has caught up while there is."""
        written = self.wrote.keys() | self.sent.keys()
        return sorted(m for m in written if m not in self.sent or not self.shown.get(m))

    def offences(self, now: float) -> list[Offence]:
        """Every broken promise, in the order of time. `now` is when the ledger is read."""
        found = [
            Offence(Wrong.LOST, message, self.wrote.get(message, at), now)
            for message, at in self.sent.items()
            if not self.shown.get(message)
        ]
        for message, showings in self.shown.items():
            found += self._doubled(message, showings)
        for order in self._order.values():
            found += self._late(order)
        return sorted(found, key=lambda offence: (offence.until, offence.message))

    def _doubled(self, message: Message, showings: Sequence[Showing]) -> Iterable[Offence]:
        """Shown again in one life, or after it was confirmed.

        A device that died between showing and confirming may show again: it cannot know.
        """
        for earlier, again in itertools.pairwise(showings):
            confirmed = self._confirmed.get(message)
            if again.life == earlier.life or (confirmed is not None and confirmed < again.life):
                yield Offence(Wrong.DOUBLED, message, earlier.at, again.at)

    def _late(self, order: Sequence[Message]) -> Iterable[Offence]:
        latest = order[0]
        for message in order[1:]:
            if message < latest:
                overtaken = self.shown[latest][0].at
                yield Offence(Wrong.OUT_OF_ORDER, message, overtaken, self.shown[message][0].at)
            latest = max(latest, message)

    def recoveries(self) -> list[Recovery]:
        """Of each fault. Where faults overlap, a later one lengthens the recovery of an earlier."""
        return [self._recovery(fault) for fault in self.faults]

    def _recovery(self, fault: Broken) -> Recovery:
        affected = [
            self.sent[message] - self._could_be_sent(message, fault.ended)
            for message, wrote in self.wrote.items()
            if message in self.sent
            and self.sent[message] >= fault.began
            and wrote <= fault.ended + AFTERWARDS
        ]
        return Recovery(fault, len(affected), max(0.0, max(affected, default=0.0)))

    def _could_be_sent(self, message: Message, ended: float) -> float:
        """When nothing of ours stood in its way: it was written, its writer there, the fault over.

        A time behind its SENT means that the fault did not hold it up at all.
        """
        sent = self.sent[message]
        back = [at for at in self._back.get(message.writer, []) if at <= sent]
        return max([self.wrote[message], ended, *back])

    def count(self, now: float) -> Count:
        """See `offences`."""
        wrongs = [offence.wrong for offence in self.offences(now)]
        return Count(
            sent=len(self.sent),
            shown=sum(1 for showings in self.shown.values() if showings),
            lost=wrongs.count(Wrong.LOST),
            doubled=wrongs.count(Wrong.DOUBLED),
            out_of_order=wrongs.count(Wrong.OUT_OF_ORDER),
            recovery_p99=percentile([one.seconds for one in self.recoveries()], 0.99),
        )

    def slowest(self, count: int) -> list[Message]:
        """Those that waited longest for SENT, the longest first."""
        answered = [message for message in self.sent if message in self.wrote]
        return sorted(answered, key=lambda m: self.wrote[m] - self.sent[m])[:count]

    def delays(self) -> list[float]:
        """Seconds from SENT to shown, of what was shown to somebody who was there meanwhile."""
        return [
            max(0.0, showings[0].at - self.sent[message])
            for message, showings in self.shown.items()
            if showings and message in self.sent and showings[0].life <= self.sent[message]
        ]

    def around(self, offence: Offence) -> list[Broken]:
        """The faults during which it may have come about."""
        return [
            fault
            for fault in self.faults
            if fault.began <= offence.until and fault.ended >= offence.since - AFTERWARDS
        ]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values are; 0 for none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0
