"""What was promised and what was seen, kept apart from the SDK, so that it can be counted.

A message is a text that is written once. It is *sent* when it was answered SENT (P1); it must
then be *shown* to its reader once (P2), in the order in which it was written (P3).
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

Pair = tuple[str, str]  # who wrote, who reads


@dataclass(frozen=True, slots=True)
class Count:
    """What a ledger amounts to."""

    sent: int
    shown: int
    lost: int  # answered SENT, never shown
    doubled: int  # shown again
    out_of_order: int  # shown after one that was written later

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.out_of_order)

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.shown} shown, {self.lost} lost,"
            f" {self.doubled} doubled, {self.out_of_order} out of order"
        )


@dataclass(slots=True)
class Ledger:
    """`wrote`, then `sent` when the first tick came, then `showed` by the reader."""

    _written: dict[Pair, list[str]] = field(default_factory=lambda: defaultdict(list))
    _sent: dict[Pair, set[str]] = field(default_factory=lambda: defaultdict(set))
    _shown: dict[Pair, list[str]] = field(default_factory=lambda: defaultdict(list))

    def wrote(self, writer: str, reader: str, text: str) -> None:
        """Raises ValueError: the text was written before, so nobody could tell the two apart."""
        if text in self._written[writer, reader]:
            raise ValueError(f"{text!r} was written before")
        self._written[writer, reader].append(text)

    def sent(self, writer: str, reader: str, text: str) -> None:
        self._sent[writer, reader].add(text)

    def showed(self, writer: str, reader: str, text: str) -> None:
        self._shown[writer, reader].append(text)

    def count(self) -> Count:
        pairs = self._written.keys() | self._shown.keys()
        return Count(
            sent=sum(len(texts) for texts in self._sent.values()),
            shown=sum(len(set(texts)) for texts in self._shown.values()),
            lost=sum(len(self._sent[pair] - set(self._shown[pair])) for pair in pairs),
            doubled=sum(
                times - 1 for pair in pairs for times in Counter(self._shown[pair]).values()
            ),
            out_of_order=sum(self._late(pair) for pair in pairs),
        )

    def _late(self, pair: Pair) -> int:
        """How many were shown, for the first time, behind one that was written after them."""
        order = {text: at for at, text in enumerate(self._written[pair])}
        latest, late = -1, 0
        for text in dict.fromkeys(self._shown[pair]):
            at = order.get(text, -1)
            late += at < latest
            latest = max(latest, at)
        return late
