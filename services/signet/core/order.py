"""The owner's side of go back N: which sends are taken, and which answer is given again.

A conversation is one sending device (as it was registered) and one recipient. Rules M3, M4 and
M6 of protos/protocol.md; O1–O3 of docs/durability.md. Refusals are not remembered.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from signet.core.errors import Code
from signet.core.grouped import Grouped
from signet.core.ids import DeviceAddress, MessageId, ShardId, UserId
from signet.core.limits import MAX_UNANSWERED, REMEMBERED_BELOW_BASE, REMEMBERED_CONVERSATIONS
from signet.core.link import Answer, AnySend


class Key(NamedTuple):
    """Who writes to whom. A group is a recipient like a person: ids are of one space."""

    sender: DeviceAddress
    to: UserId


@dataclass(slots=True)
class Remembered:
    """A send that was taken. `answer` is None while its append is under way."""

    ordinal: int
    digest: bytes
    answer: Answer | None


class Take(NamedTuple):
    """It is in order: number it and append it."""


class Again(NamedTuple):
    """It was taken before. `answer` None: its append is under way, the answer follows that."""

    answer: Answer | None


Verdict = Take | Again | Code


@dataclass(slots=True)
class _Conversation:
    """It answers for ordinals in [floor, next).

    `floor` is the highest base that was seen: what is below it has its answer at the sender, and
    only a late frame asks for it. From `since` on the memory is whole; below it there is at most
    what `restore` brought back, and `behind` is what goes again next there.
    """

    next: int
    since: int
    floor: int = 0
    behind: int = 0
    taken: OrderedDict[MessageId, Remembered] = field(default_factory=OrderedDict)

    def in_order(self, ordinal: int, base: int) -> bool:
        if ordinal < self.floor:
            return False
        if ordinal == self.next or (ordinal == base and base > self.next):
            return True
        # Delivered before this memory begins, and its answer was lost: it is taken again, and the
        # receiving device drops the double; a refusal would stop its sender for ever (O2).
        return ordinal < self.since and ordinal in (base, self.behind)

    def forget_below(self, base: int) -> None:
        """Nobody asks again below the base; a few stay, to tell an id that is used twice."""
        below = [(key, known.answer) for key, known in self.taken.items() if known.ordinal < base]
        for key, answer in below[:-REMEMBERED_BELOW_BASE]:
            if answer is not None:
                del self.taken[key]

    def is_full(self, base: int) -> bool:
        if len(self.taken) < MAX_UNANSWERED:
            return False
        return sum(known.ordinal >= base for known in self.taken.values()) >= MAX_UNANSWERED


class Conversations:
    """What one owner remembers of its users' conversations, bounded."""

    def __init__(
        self, shard: Callable[[UserId], ShardId], most: int = REMEMBERED_CONVERSATIONS
    ) -> None:
        self._known: OrderedDict[Key, _Conversation] = OrderedDict()
        self._by_shard: Grouped[Key, ShardId] = Grouped(lambda key: shard(key.to))  # the same
        self._most = most

    def judge(self, key: Key, send: AnySend) -> Verdict:
        """Decide on a send. Refusals are not remembered and do not advance what is next."""
        conversation = self._known.get(key)
        if conversation is None:
            return Take() if send.ordinal == send.base else Code.OUT_OF_ORDER
        known = conversation.taken.get(send.message_id)
        if known is not None:
            return Again(known.answer) if known.digest == send.digest else Code.ID_REUSED
        if send.base > conversation.floor:
            conversation.floor = send.base
            conversation.forget_below(send.base)
        if not conversation.in_order(send.ordinal, send.base):
            return Code.OUT_OF_ORDER
        if conversation.is_full(send.base):
            return Code.TOO_MANY_UNANSWERED
        return Take()

    def taken(self, key: Key, send: AnySend) -> None:
        """Its append is under way."""
        conversation = self._known.get(key)
        if conversation is None:  # nothing is remembered: it equals its base
            at = send.ordinal
            conversation = self._begins(key, _Conversation(at, at, at))
        self._known.move_to_end(key)
        if send.ordinal < conversation.next:
            conversation.behind = send.ordinal + 1
        else:
            conversation.next = send.ordinal + 1
        conversation.taken[send.message_id] = Remembered(send.ordinal, send.digest, None)
        self._evict()

    def durable(self, key: Key, answer: Answer) -> None:
        """Its append is durable: this is the answer, now and when it comes again."""
        conversation = self._known.get(key)
        if conversation is not None and answer.message_id in conversation.taken:
            conversation.taken[answer.message_id].answer = answer

    def restore(self, key: Key, ordinal: int, digest: bytes, answer: Answer) -> None:
        """A stored item of an earlier life, put back as a kindness (O2)."""
        conversation = self._known.get(key)
        if conversation is None:
            conversation = self._begins(key, _Conversation(ordinal, ordinal))
        if ordinal >= conversation.next:
            conversation.next = conversation.since = ordinal + 1
        conversation.taken.setdefault(answer.message_id, Remembered(ordinal, digest, answer))
        self._evict()

    def _begins(self, key: Key, conversation: _Conversation) -> _Conversation:
        self._known[key] = conversation
        self._by_shard.add(key)
        return conversation

    def forget(self, shards: Iterable[ShardId]) -> None:
        """Those whose recipients are another owner's now."""
        for key in self._by_shard.take(shards):
            del self._known[key]

    def _evict(self) -> None:
        while len(self._known) > self._most:
            key, oldest = next(iter(self._known.items()))
            if any(known.answer is None for known in oldest.taken.values()):
                self._known.move_to_end(key)
                return
            del self._known[key]
            self._by_shard.discard(key)
