"""An outbox and an owner that loses streams, refuses, and forgets: order holds (P3, O3).

The owner here has the rules of M4 only. Whatever happens between, what it takes for the first
time comes in the order of the ordinals, and at the end everything was taken or finally refused.
"""

import random

from hypothesis import given
from hypothesis import strategies as st

from signet.core.errors import Code
from signet.core.outbox import Completed, Effect, Failed, Outbox, Seal, Transmit, WakeAt

RETRYABLE = (Code.STORE_UNAVAILABLE, Code.RATE_LIMITED, Code.WRONG_DEVICES)


class Owner:
    """Takes the next ordinal, or its base where it remembers nothing."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.next: int | None = None

    def offer(self, ordinal: int, base: int) -> Code | None:
        if self.next is not None and ordinal < self.next and ordinal in self.taken:
            return None
        if ordinal not in (self.next, base):
            return Code.OUT_OF_ORDER
        self.next = ordinal + 1
        self.taken.append(ordinal)
        return None


class Conversation:
    """Drives the core as a driver would; the wire keeps order within a stream, and may end."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.box, self.owner = chance, Outbox(), Owner()
        self.wire: list[Transmit] = []
        self.answers: list[tuple[int, Code | None]] = []
        self.done: list[int] = []
        self.failed: list[int] = []
        self.now = 0.0

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Transmit():
                    self.wire.append(effect)
                case Seal(ordinals):
                    for ordinal in ordinals:
                        self.box.sealed(ordinal)
                    self.do(self.box.pump(self.now))
                case Completed(ordinal):
                    self.done.append(ordinal)
                case Failed(ordinal):
                    self.failed.append(ordinal)
                case WakeAt(at):
                    self.now = max(self.now, at)
                    self.do(self.box.pump(self.now))

    def step(self, trouble: float) -> None:
        if self.chance.random() < trouble * 0.2:
            self.cut()
        elif self.chance.random() < trouble * 0.1:
            self.owner.next = None  # another owner, without memory
        elif self.wire:
            self.offer(self.wire.pop(0), trouble)
        if self.answers and self.chance.random() < 0.7:
            ordinal, code = self.answers.pop(0)
            if code is None:
                self.do(self.box.sent(ordinal, self.now))
            else:
                self.do(self.box.refused(ordinal, code, self.now, wait=1.0))

    def offer(self, sent: Transmit, trouble: float) -> None:
        if self.chance.random() < trouble * 0.3:
            code: Code | None = self.chance.choice(RETRYABLE)
        elif self.chance.random() < trouble * 0.1 and sent.ordinal not in self.owner.taken:
            code = Code.INVALID_ARGUMENT
        else:
            code = self.owner.offer(sent.ordinal, sent.base)
        self.answers.append((sent.ordinal, code))

    def cut(self) -> None:
        self.box.lost()
        self.wire.clear()
        self.answers.clear()
        self.do(self.box.opened(self.now))


@given(seed=st.integers(0, 2**32), count=st.integers(1, 80))
def test_order_holds_whatever_is_refused_lost_or_forgotten(seed: int, count: int) -> None:
    chance = random.Random(seed)
    talk = Conversation(chance)
    talk.do(talk.box.opened(0.0))
    for ordinal in range(1, count + 1):
        talk.box.add(ordinal, talk.now, sealed=chance.random() < 0.8)
        talk.do(talk.box.pump(talk.now))
        for _ in range(3):
            talk.step(trouble=1.0)
    for _ in range(20 * count + 100):
        talk.step(trouble=0.0)
    first_taken = list(dict.fromkeys(talk.owner.taken))
    assert first_taken == sorted(first_taken)
    assert sorted(talk.done + talk.failed) == list(range(1, count + 1))
    assert set(talk.done) <= set(first_taken)
    assert len(talk.box) == 0
