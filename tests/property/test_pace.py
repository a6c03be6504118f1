"""How fast a drain asks: within rate and acceptance whatever happens, and in time where it can."""

from collections import Counter, deque
from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from signet.core.drain import Order
from signet.core.limits import DRAIN_PART, DRAIN_RATE, PACE_STEP
from signet.core.pace import Pace

NAMES = ("gw-1", "gw-2", "gw-3")
LEFT = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 3_000), min_size=1)
ACCEPTS = st.fixed_dictionaries(dict.fromkeys(NAMES, st.floats(0, 1_000)))
DRAINS = st.integers(1, 4)
FEW = settings(max_examples=40, deadline=None)


class Drain:
    """One drain, step by step, and all that it asked."""

    def __init__(self, left: dict[str, int], order: Order) -> None:
        self.now, self.left = 0.0, Counter(left)
        self.pace = Pace(order, 0.0)
        self.asked: deque[tuple[float, dict[str, int]]] = deque()

    def step(self, accepts: dict[str, float], drains: int, passed: float = PACE_STEP) -> None:
        self.now += passed
        asks = self.pace.step(self.now, self.left, accepts, drains)
        assert all(0 < count <= self.left[name] for name, count in asks.items())
        self.left.subtract(asks)
        self.asked.append((self.now, asks))

    def in_any_second(self, name: str | None = None) -> int:
        """The most that was asked in any second, of one target or of all."""
        most = total = 0
        window: deque[tuple[float, int]] = deque()
        for at, asks in self.asked:
            count = sum(asks.values()) if name is None else asks.get(name, 0)
            while window and at - window[0][0] >= 1.0:
                total -= window.popleft()[1]
            window.append((at, count))
            total += count
            most = max(most, total)
        return most

    def run_until_asked(self, accepts: dict[str, float], drains: int = 1) -> float:
        while sum(self.left.values()):
            self.step(accepts, drains)
            assert self.now < 10_000
        return self.now


@FEW
@given(LEFT, ACCEPTS, DRAINS, st.lists(st.floats(0.001, 2.0), max_size=80), st.floats(1, 60))
def test_no_target_is_sent_more_in_a_second_than_its_part(
    left: dict[str, int],
    accepts: dict[str, float],
    drains: int,
    steps: list[float],
    deadline: float,
) -> None:
    drain = Drain(left, Order(deadline))
    for passed in steps:
        drain.step(accepts, drains, passed)
    for name in NAMES:
        part = accepts[name] * DRAIN_PART / drains
        assert drain.in_any_second(name) <= (max(1, int(part)) if part else 0)


@FEW
@given(LEFT, st.lists(ACCEPTS, min_size=1, max_size=6), st.integers(1, 300), st.floats(1, 60))
def test_the_rate_of_an_order_holds_for_all_targets_together(
    left: dict[str, int], changing: list[dict[str, float]], rate: int, deadline: float
) -> None:
    drain = Drain(left, Order(deadline, float(rate)))
    for number in range(200):
        drain.step(changing[number % len(changing)], 1)
    assert drain.in_any_second() <= rate


@FEW
@given(LEFT, st.floats(2, 120))
def test_all_are_asked_in_the_first_half_of_the_time_where_the_others_accept_it(
    left: dict[str, int], deadline: float
) -> None:
    needed = 3.0 * max(left.values()) / (deadline * 0.5 * DRAIN_PART) + 2 * DRAIN_RATE
    drain = Drain(left, Order(deadline))
    at = drain.run_until_asked(dict.fromkeys(NAMES, needed))
    assert at <= deadline * 0.5 + 1.0


@FEW
@given(st.integers(100, 3_000), st.floats(20, 120))
def test_what_is_asked_is_spread_evenly(count: int, deadline: float) -> None:
    drain = Drain({"gw-1": count}, Order(deadline))
    drain.run_until_asked({"gw-1": 10_000.0})
    assert drain.in_any_second() <= 1.25 * max(count / (deadline * 0.5), DRAIN_RATE) + 2


@FEW
@given(st.integers(1, 2_000), st.integers(5, 500))
def test_a_target_that_takes_little_is_sent_as_much_as_it_takes(count: int, takes: int) -> None:
    drain = Drain({"gw-1": count}, Order(0.1))
    at = drain.run_until_asked({"gw-1": float(takes)})
    assert at <= 1.3 * count / max(1, int(takes * DRAIN_PART)) + 2


@FEW
@given(st.integers(500, 3_000), st.floats(1, 10))
def test_a_second_order_hurries_without_a_burst(count: int, sooner: float) -> None:
    drain = Drain({"gw-1": count}, Order(600.0))
    for _ in range(60):
        drain.step({"gw-1": 200.0}, 1)
    drain.pace.order(Order(drain.now + sooner), drain.now)
    drain.run_until_asked({"gw-1": 200.0})
    assert drain.in_any_second() <= 200 * DRAIN_PART


def test_a_pause_is_not_made_up_for() -> None:
    drain = Drain({"gw-1": 1_000}, Order(10.0))
    accepts = {"gw-1": 100.0}
    for _ in range(20):
        drain.step(accepts, 1)
    drain.step(accepts, 1, 30.0)
    assert sum(drain.asked[-1][1].values()) <= ceil(1 + PACE_STEP * 100)


def test_who_takes_nothing_now_is_sent_nobody() -> None:
    drain = Drain({"gw-1": 10, "gw-2": 10}, Order(1.0))
    for _ in range(200):
        drain.step({"gw-1": 0.0}, 1)
    assert drain.left == {"gw-1": 10, "gw-2": 10}
