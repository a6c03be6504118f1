"""Sends that are not answered yet: kept, so that they can go again, within bounds (P7, H1, O3).

A send stays here from its arrival to its answer. When the link or the owner changes, all of a
shard go again, oldest first, before newer ones. What is not answered in time is refused with
STORE_UNAVAILABLE, which means "unknown", never "not stored" (M8): the client sends the same again.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from signet.core.errors import Code, SignetError
from signet.core.ids import ShardId
from signet.core.limits import HELD_RETRY_AFTER, HOLD_SHARE, STORE_RETRY_AFTER
from signet.core.link import Answer, AnySend

_OVERHEAD = 256  # bytes of one send besides its contents, as memory counts them

S = TypeVar("S")


@dataclass(slots=True)
class Held(Generic[S]):
    """One send. `since` is its arrival, `uplink` the link that it went to (None: it waits)."""

    ticket: int
    session: S
    request: int
    shard: ShardId
    send: AnySend
    size: int
    since: float
    uplink: object = None

    def refusal(self, error: SignetError) -> Answer:
        """The answer that no owner gave."""
        send = self.send
        return Answer(send.message_id, send.ordinal, 0, error.code, error.retry_after_s)


class Holding(Generic[S]):
    """All unanswered sends of a gateway. `now` in seconds; tickets are never used twice."""

    def __init__(self, hold_time: float, hold_bytes: int) -> None:
        self._hold_time = hold_time
        self._hold_bytes = hold_bytes
        self._held: dict[int, Held[S]] = {}  # oldest first
        self._of_shard: dict[ShardId, int] = {}
        self._tickets = 0
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def add(self, session: S, request: int, shard: ShardId, send: AnySend, now: float) -> Held[S]:
        """Keep a send until it is answered.

        Raises:
            SignetError: STORE_UNAVAILABLE, the gateway's or the shard's share of room is used up.
        """
        size = _OVERHEAD + send.size
        share = self._of_shard.get(shard, 0) + size
        if self.bytes + size > self._hold_bytes or share > self._hold_bytes // HOLD_SHARE:
            raise unavailable()
        self._tickets += 1
        held = Held(self._tickets, session, request, shard, send, size, now)
        self._held[held.ticket] = held
        self._of_shard[shard] = share
        self.bytes += size
        return held

    def answered(self, ticket: int) -> Held[S] | None:
        """Take a send out. None: it was refused meanwhile; the late answer is nobody's."""
        held = self._held.pop(ticket, None)
        if held is not None:
            self.bytes -= held.size
            left = self._of_shard[held.shard] - held.size
            if left:
                self._of_shard[held.shard] = left
            else:
                del self._of_shard[held.shard]
        return held

    def all(self) -> list[Held[S]]:
        """What is unanswered, oldest first."""
        return list(self._held.values())

    def older(self, than: float) -> int:
        """How many have waited since before a time."""
        count = 0
        for held in self._held.values():
            if held.since > than:
                break
            count += 1
        return count

    def overdue(self, now: float) -> list[Held[S]]:
        """Take out those that have waited for too long."""
        late: list[Held[S]] = []
        for held in self._held.values():
            if now - held.since < self._hold_time:
                break
            late.append(held)
        for held in late:
            self.answered(held.ticket)
        return late


def unavailable() -> SignetError:
    """What is said for a send that could not be held."""
    return SignetError(Code.STORE_UNAVAILABLE, retry_after_s=STORE_RETRY_AFTER)


def held_for_too_long() -> SignetError:
    """What is said for a send that was held in vain: whoever takes over is there soon."""
    return SignetError(Code.STORE_UNAVAILABLE, retry_after_s=HELD_RETRY_AFTER)
