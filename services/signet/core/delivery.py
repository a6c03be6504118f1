"""What an owner does for one attached device: push in order, within a window, without a gap.

`cursor` is what was pushed last on this attachment. While `live`, all that is durable has been
pushed and the next item goes straight from memory; otherwise the store is read from the cursor.
Rules R3–R6 of protos/protocol.md, R5 of docs/durability.md.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from signet.core.ids import START, DeviceAddress, MessageId, Position


class Receipt(NamedTuple):
    """Whom to tell when an item is acknowledged."""

    to: DeviceAddress
    message_id: MessageId
    accepted_ms: int


class Flown(NamedTuple):
    """An item on its way to the device."""

    position: Position
    size: int
    receipt: Receipt | None


@dataclass(frozen=True, slots=True)
class Pushed:
    """Push this item; `follows` None is left out on the wire (R3)."""

    position: Position
    follows: Position | None
    body: bytes


class Delivery:
    """One attachment of one device."""

    __slots__ = (
        "_bytes", "_flight", "_rewound", "_sent", "_window_bytes", "_window_items",
        "acknowledged", "catching_up", "cursor", "live", "reading",
    )  # fmt: skip

    def __init__(self, position: Position, window_items: int, window_bytes: int) -> None:
        self.cursor = position
        self.acknowledged = position
        self.live = False
        self.reading = False
        self.catching_up = True  # CaughtUp is to be said, once (R6)
        self._rewound: dict[Position, Flown] = {}
        self._sent = position
        self._flight: deque[Flown] = deque()
        self._bytes = 0
        self._window_items = window_items
        self._window_bytes = window_bytes

    def start(self, acknowledged: Position) -> None:
        """The attachment begins: an earlier one may have acknowledged more since it was made."""
        self.cursor = self.acknowledged = acknowledged
        self._sent = max(self._sent, acknowledged)

    @property
    def room(self) -> bool:
        """Whether the window takes another item."""
        return len(self._flight) < self._window_items and self._bytes < self._window_bytes

    @property
    def space(self) -> tuple[int, int]:
        """Items and bytes that the window still takes."""
        return self._window_items - len(self._flight), self._window_bytes - self._bytes

    def arrived(self, position: Position, body: bytes, receipt: Receipt | None) -> Pushed | None:
        """An item became durable. None: it was read from the store already, or will be."""
        if position <= self.cursor or not self.live:
            return None
        if not self.room:
            self.live = False
            return None
        follows = None
        if position.seq > 1:
            follows = Position(position.epoch, position.seq - 1)
        elif self.cursor == START:
            follows = START
        return self._push(position, follows, body, receipt)

    def read(
        self, page: Sequence[tuple[Position, bytes, Receipt | None]], after: Position
    ) -> list[Pushed]:
        """What a read from the store after `after` brought; each says what it follows."""
        pushed = []
        for position, body, receipt in page:
            pushed.append(self._push(position, after, body, receipt))
            after = position
        return pushed

    def _push(
        self, position: Position, follows: Position | None, body: bytes, receipt: Receipt | None
    ) -> Pushed:
        self.cursor = position
        self._sent = max(self._sent, position)
        self._rewound.pop(position, None)
        self._flight.append(Flown(position, len(body), receipt))
        self._bytes += len(body)
        return Pushed(position, follows, body)

    def skip(self, position: Position) -> None:
        """Items up to there have expired: the device was told, and may acknowledge them (R7)."""
        self.cursor = max(self.cursor, position)
        self._sent = max(self._sent, position)

    def exhausted(self, stored: Position) -> None:
        """A read had nothing more, and what is not in it of all up to `stored` is gone."""
        self.cursor = max(self.cursor, stored)

    def rewind(self, after: Position) -> None:
        """The device asks for what comes after a position: what is in flight goes again.

        An Ack of it may be on its way already, and its receipts with it: it is not forgotten.
        """
        self.cursor = max(after, self.acknowledged)
        self.live = False
        self.catching_up = True
        kept = [flown for flown in self._flight if flown.position <= self.cursor]
        self._rewound |= {f.position: f for f in self._flight if f.position > self.cursor}
        self._flight = deque(kept)
        self._bytes = sum(flown.size for flown in kept)

    def ack(self, up_to: Position) -> list[Flown] | None:
        """The items that are acknowledged by this; None: it is above what was sent."""
        if up_to > self._sent:
            return None
        done = [flown for flown in self._rewound.values() if flown.position <= up_to]
        for flown in done:
            del self._rewound[flown.position]
        self.cursor = max(self.cursor, up_to)
        while self._flight and self._flight[0].position <= up_to:
            flown = self._flight.popleft()
            self._bytes -= flown.size
            done.append(flown)
        self.acknowledged = max(self.acknowledged, up_to)
        return done
