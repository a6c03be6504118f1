"""U1-U8: whatever comes, and whatever the provider answers, in whatever order."""

import math
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from signet.core import limits
from signet.core.ids import UserId
from signet.core.push_hints import Hint, Unwoken, Wake
from signet.core.pushing import Pushing, Room
from signet.core.timers import NEVER, Timers

USERS = [UserId(bytes([i]) * 16) for i in range(12)]
ROOM = 4
AT_ONCE = 3
DEVICE = 1
DELAYS = [0.0, 1.0, 45.0, limits.PUSH_PERIOD / 2, limits.PUSH_PERIOD, limits.PUSH_GONE]

hints = st.tuples(
    st.just("hint"),
    st.sampled_from(USERS),
    st.booleans(),
    st.sampled_from([0.0, 5.0, limits.PUSH_TOO_OLD, limits.PUSH_TOO_OLD + 1, -60.0]),
)
returning = st.tuples(st.just("back"), st.sampled_from(USERS))
passing = st.tuples(st.just("pass"), st.sampled_from(DELAYS))
answers = st.tuples(
    st.sampled_from(["delivered", "delivered", "delivered", "gone", "failed"]),
    st.integers(0, AT_ONCE),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from([0.0, 30.0, 1e9]),
)
steps = st.lists(hints | hints | returning | passing | answers, max_size=150)


@dataclass
class World:
    """A worker and a provider that answers when a step says so; checks each rule as it goes."""

    room: Room = field(default_factory=lambda: Room(ROOM))
    pushing: Pushing[UserId] = field(init=False)
    now: float = 1000.0
    flying: list[tuple[float, Wake[UserId]]] = field(default_factory=list)
    hinted: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    background: dict[UserId, float] = field(default_factory=dict)  # the last one delivered
    urgent: dict[UserId, list[float]] = field(default_factory=dict)
    gone_until: dict[UserId, float] = field(default_factory=dict)
    not_before: dict[UserId, float] = field(default_factory=dict)
    failures: int = 0
    back: set[UserId] = field(default_factory=set)  # since they were hinted last

    def __post_init__(self) -> None:
        self.pushing = Pushing(self.room, AT_ONCE)

    def hint(self, user: UserId, urgent: bool, age: float) -> None:
        self.hinted += 1
        hint = Hint(self.now - age, urgent, frozenset({DEVICE}))
        unwoken = self.pushing.hinted(user, hint, self.now)
        self.back.discard(user)
        if age > limits.PUSH_TOO_OLD:
            assert unwoken is Unwoken.OLD
        elif self.now < self.gone_until.get(user, 0.0):
            assert unwoken is Unwoken.GONE
        if unwoken is not None:
            self.ended[unwoken] += 1
        self.look()

    def come_back(self, user: UserId) -> None:
        self.ended.update(self.pushing.came_back(user, DEVICE, self.now))
        self.back.add(user)
        self.look()

    def look(self) -> None:
        wakes, dropped = self.pushing.due(self.now)
        self.ended.update(dropped)
        urgents = [wake.hint.urgent for wake in wakes]
        assert urgents == sorted(urgents, reverse=True), "urgent ones first (U3)"
        for wake in wakes:
            self.check(wake)
            self.flying.append((self.now, wake))
        assert len(self.flying) == self.pushing.under_way <= AT_ONCE  # U7
        if wakes and self.failures:
            assert len(self.flying) <= max(1, AT_ONCE >> self.failures)
        assert self.pushing.remembered <= ROOM  # U6

    def check(self, wake: Wake[UserId]) -> None:
        user, hint = wake
        assert user not in [one.to for _, one in self.flying]  # U1
        assert 0 <= self.now - hint.at <= limits.PUSH_TOO_OLD  # U4
        assert user not in self.back  # U8
        assert self.now >= self.gone_until.get(user, 0.0)  # U5
        assert self.now >= self.not_before.get(user, 0.0)  # U5
        if not hint.urgent:
            assert self.now - self.background.get(user, -math.inf) >= limits.PUSH_PERIOD  # U2

    def answer(self, outcome: str, which: int, chance: float, retry_after: float) -> None:
        if not self.flying:
            return
        since, (user, hint) = self.flying.pop(which % len(self.flying))
        self.not_before.pop(user, None)
        if outcome == "failed":
            self.failures += 1
            self.ended.update(self.pushing.failed(user, self.now, chance, retry_after))
            self.not_before[user] = self.now + min(retry_after, limits.PUSH_TOO_OLD)
        elif outcome == "gone":
            self.failures = 0
            self.ended.update(self.pushing.gone(user, self.now))
            self.gone_until[user] = self.now + limits.PUSH_GONE
        else:
            self.failures = 0
            self.pushing.delivered(user, self.now)
            self.ended["woken"] += 1
            self.note(user, hint, since)
        self.look()

    def note(self, user: UserId, hint: Hint, since: float) -> None:
        if not hint.urgent:
            self.background[user] = since
            return
        times = self.urgent.setdefault(user, [])
        times.append(since)
        for first in range(len(times) - limits.PUSH_URGENT_BURST):  # U3
            more = len(times) - first - limits.PUSH_URGENT_BURST
            assert since - times[first] >= (more - 1) * limits.PUSH_URGENT_EVERY

    def step(self, step: tuple[object, ...]) -> None:
        match step:
            case ("hint", user, urgent, age):
                self.hint(user, urgent, age)  # type: ignore[arg-type]
            case ("back", user):
                self.come_back(user)  # type: ignore[arg-type]
            case ("pass", delay):
                self.now += delay  # type: ignore[operator]
                self.look()
            case (outcome, which, chance, retry_after):
                self.answer(outcome, which, chance, retry_after)  # type: ignore[arg-type]

    def finish(self) -> None:
        """The provider answers all, and time goes on as the core asks for it."""
        while self.flying or self.pushing.due_at() != NEVER:
            while self.flying:
                self.answer("delivered", 0, 0.0, 0.0)
            if (due_at := self.pushing.due_at()) != NEVER:
                self.now = max(self.now, due_at)
            self.look()


@given(steps)
def test_users_are_woken_by_the_rules_and_every_hint_is_accounted_for(
    steps: list[tuple[object, ...]],
) -> None:
    world = World()
    for step in steps:
        world.step(step)
        waiting = len(list(world.pushing.left()))
        assert world.pushing.waiting <= waiting <= ROOM
    world.finish()
    assert sum(world.ended.values()) == world.hinted
    world.now += limits.PUSH_GONE + limits.PUSH_PERIOD
    world.look()
    assert world.pushing.remembered == world.room.taken == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["set", "clear", "pop"]), st.integers(0, 5), st.floats(0, 100)),
        max_size=400,
    )
)
@settings(max_examples=200)
def test_timers_are_popped_when_they_are_due_and_leave_nothing_behind(
    steps: list[tuple[str, int, float]],
) -> None:
    timers: Timers[int] = Timers()
    model: dict[int, float] = {}
    for what, key, at in steps:
        if what == "set":
            timers.set(key, at)
            model[key] = at
        elif what == "clear":
            timers.clear(key)
            model.pop(key, None)
        else:
            popped = timers.pop(at)
            assert (popped is None) == (min(model.values(), default=math.inf) > at)
            if popped is not None:
                assert model[popped] == min(model.values())
                del model[popped]
        assert timers.next_at() == min(model.values(), default=NEVER)
        assert len(timers) == len(model)
    assert len(timers._heap) <= 2 * len(model) + 100
