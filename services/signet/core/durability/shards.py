"""Which shards this incarnation holds: taking, serving, releasing, by the rows alone (L4–L6)."""

from signet.core.durability.operations import (
    Answer,
    LeaseRow,
    Operation,
    Pair,
    ReadShard,
    ShardRow,
    SwapShard,
)
from signet.core.durability.recovery import Recovery
from signet.core.ids import Epoch, Incarnation, ShardId


class Shards:
    """`held` are the rows by which we number and append; `recovering` those not served yet (R3)."""

    __slots__ = ("given", "held", "incarnation", "leaving", "recovering")

    def __init__(self, incarnation: Incarnation) -> None:
        self.incarnation = incarnation
        self.held: dict[ShardId, ShardRow] = {}
        self.recovering: dict[ShardId, Recovery] = {}
        self.leaving: set[ShardId] = set()
        self.given: dict[ShardId, Epoch] = {}  # a release was tried: never served again (L4)

    def take(self, row: ShardRow, owner: LeaseRow | None) -> SwapShard | None:
        """Take a shard that was released, or whose owner's row says that it is dead (L5)."""
        if row.owner == self.incarnation:
            return None
        if row.owner is None:
            return SwapShard(row, self.taken(row))
        if owner is None or owner.incarnation != row.owner or not owner.dead:
            return None
        return SwapShard(row, self.taken(row))

    def taken(self, row: ShardRow) -> ShardRow:
        """The row after a take: a raised epoch, and a dead owner's pair among the rest (L5)."""
        pairs = row.unrecovered
        if row.owner is not None:
            pairs = (*pairs, Pair(row.owner, row.epoch))
        return ShardRow(row.shard, self.incarnation, self.raised(row.epoch), pairs)

    def raised(self, epoch: Epoch) -> Epoch:
        """The epoch of a take is above every earlier one (L5)."""
        return Epoch(epoch + 1)

    def answered(self, swap: SwapShard, answer: Answer) -> list[Operation]:
        """After a swap: the row as it is. Unknown: it is read again, serially (L4)."""
        if isinstance(answer, ShardRow):
            return self.compare(answer)
        return self.unsure(swap)

    def unsure(self, swap: SwapShard) -> list[Operation]:
        """Only what a serial read says is acted on (L4)."""
        return [ReadShard(swap.old.shard)]

    def compare(self, row: ShardRow) -> list[Operation]:
        """Serve or release what the row says and we do not know (L4). Old news changes nothing."""
        held = self.held.get(row.shard)
        if row.owner != self.incarnation:
            if held is not None and row.epoch >= held.epoch:
                self._drop(row.shard)
            return []
        if row.epoch <= self.given.get(row.shard, 0):
            return [SwapShard(row, row._replace(owner=None))]  # a late release may still come
        if held is None or row.epoch > held.epoch:
            return self.adopt(row)
        if row.epoch == held.epoch and len(row.unrecovered) < len(held.unrecovered):
            self.held[row.shard] = row
            self.recovering.pop(row.shard, None)
            return []
        recovery = self.recovering.get(row.shard)
        if recovery is not None and not recovery.pairs and row == held:
            return recovery.start()  # its last step was unknown, and is not in the row
        return []

    def adopt(self, row: ShardRow) -> list[Operation]:
        """Ours in a new epoch: numbering and appending may begin, serving after recovery (R3)."""
        self.held[row.shard] = row
        self.leaving.discard(row.shard)
        if not row.unrecovered:
            return []
        self.recovering[row.shard] = Recovery(row)
        return self.recovering[row.shard].start()

    def serves(self, shard: ShardId) -> bool:
        """Whether it may deliver and trim: no earlier epoch is without its rows (R3)."""
        return shard in self.held and shard not in self.recovering

    def appends(self, shard: ShardId, epoch: Epoch) -> bool:
        """Whether a frame that means this epoch is for us (L7), and we are not giving it up."""
        held = self.held.get(shard)
        return held is not None and held.epoch == epoch and shard not in self.leaving

    def release(self, shard: ShardId, taker_ready: bool) -> bool:
        """Begin to give it up: only to a taker that is ready (L6), with an empty list (R4)."""
        if not taker_ready or not self.serves(shard):
            return False
        self.leaving.add(shard)
        return True

    def give(self, shard: ShardId) -> SwapShard:
        """All of it is in rows: let it go. From here on it is not ours, whatever is answered."""
        row = self.held[shard]
        self.given[shard] = row.epoch
        self._drop(shard)
        return SwapShard(row, row._replace(owner=None))

    def _drop(self, shard: ShardId) -> None:
        self.held.pop(shard, None)
        self.recovering.pop(shard, None)
        self.leaving.discard(shard)
