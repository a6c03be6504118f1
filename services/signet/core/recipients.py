"""How much one person is written to: by one sender, and by all whom they do not know (M10, M12).

The owner of the recipient's shard counts, so that many gateways count as one. Whoever the
recipient has written to is no stranger, and counts for their own pair alone. Somebody blocked is
refused when others in their place would be, and uses up nothing.
"""

from dataclasses import dataclass

from signet.core.buckets import Buckets


@dataclass(frozen=True, slots=True)
class Pace:
    """So many at once, and so many a second after that."""

    burst: float
    rate: float


class Recipients:
    """`pair`: of one sender to one recipient; `strangers`: of all strangers to one recipient.

    None: without that limit.
    """

    def __init__(self, pair: Pace | None = None, strangers: Pace | None = None) -> None:
        self._pairs: Buckets[tuple[bytes, bytes]] | None = None
        self._strangers: Buckets[bytes] | None = None
        if pair is not None:
            self._pairs = Buckets(pair.burst, pair.rate)
        if strangers is not None:
            self._strangers = Buckets(strangers.burst, strangers.rate)

    def hurried(self, sender: bytes, recipient: bytes, now: float) -> float:
        """0.0: the sender may write to the recipient now; else in how many seconds."""
        return self._pairs.wait((sender, recipient), now) if self._pairs is not None else 0.0

    def written(self, sender: bytes, recipient: bytes, now: float) -> None:
        """A message of a pair was taken."""
        if self._pairs is not None:
            self._pairs.take((sender, recipient), now)

    def crowded(self, recipient: bytes, now: float) -> float:
        """0.0: a stranger may write now; else in how many seconds."""
        return self._strangers.wait(recipient, now) if self._strangers is not None else 0.0

    def by_stranger(self, recipient: bytes, now: float) -> None:
        """A stranger's message was taken."""
        if self._strangers is not None:
            self._strangers.take(recipient, now)
