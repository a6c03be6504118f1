"""Days replayed to the autoscaler: it follows people, and noise moves nobody."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signet_operator.autoscale import Window, advise
from signet_operator.spec import Autoscaling, Mode
from tests.unit.operator.looks import pod

LOOK_S, HOUR, DAY = 30.0, 3_600.0, 86_400.0
AUTO = Autoscaling(mode=Mode.BUILTIN, minimum=1, maximum=40, target_connections=1_000)
SOME = settings(max_examples=3, deadline=None, derandomize=True)
pytestmark = pytest.mark.timeout(600)  # whole days are lived through
Curve = Callable[[float], float]


@dataclass
class Replay:
    """What the autoscaler made of a curve: pods by look, people by look."""

    auto: Autoscaling = AUTO
    pods: list[int] = field(default_factory=list)
    people: list[float] = field(default_factory=list)

    def run(self, curve: Curve, seconds: float, noise: float, seed: int, begin: int = 5) -> None:
        """Everybody is spread evenly; what a look sees is off by up to `noise`."""
        chance, window, has = random.Random(seed), Window(), begin
        for number in range(int(seconds / LOOK_S)):
            now = number * LOOK_S
            seen = curve(now) * (1 + chance.uniform(-noise, noise))
            load = [pod(ordinal, round(seen / has)) for ordinal in range(has)]
            found = advise(self.auto, has, load, Window.read(window.write()), now, busy=False)
            has, window = found.pods, found.window
            self.pods.append(has)
            self.people.append(seen)

    @property
    def steps(self) -> list[int]:
        """Each change of the number of pods."""
        return [after - before for before, after in pairwise(self.pods) if after != before]

    @property
    def turns(self) -> int:
        """How often it went up after down, or down after up."""
        signs = [step > 0 for step in self.steps]
        return sum(before != after for before, after in pairwise(signs))

    def crowded(self) -> list[int]:
        """Looks at which pods had more than their target for a minute without anybody coming."""
        minute = int(60 / LOOK_S)
        return [
            at
            for at in range(minute, len(self.pods))
            if all(
                self.people[then] > 1.0 * AUTO.target_connections * self.pods[at]
                for then in range(at - minute, at + 1)
            )
        ]


def day(peak: float, low: float) -> Curve:
    """A morning's and an evening's peak."""

    def people(now: float) -> float:
        hour = (now % DAY) / HOUR
        wave = sum(height * math.exp(-(((hour - at) / 2.5) ** 2)) for at, height in PEAKS)
        return low + (peak - low) * wave

    return people


PEAKS = ((8.5, 0.6), (20.0, 1.0))


@SOME
@given(st.integers(4_000, 12_000), st.floats(0.0, 0.12), st.integers(0, 2**16))
def test_a_day_goes_up_twice_and_down_twice_whatever_the_noise(
    peak: int, noise: float, seed: int
) -> None:
    replay = Replay()
    replay.run(day(peak, peak / 8), DAY, noise, seed, begin=math.ceil(peak / 4_000))
    assert replay.turns <= 4
    assert (
        len(replay.crowded()) <= 2
    )  # the least that was asked for may be one short for a look (A1)
    assert max(replay.pods) <= math.ceil(peak * (1 + noise) / AUTO.target_connections)


@SOME
@given(st.floats(1_500, 8_000), st.floats(0.0, 0.12), st.integers(0, 2**16))
def test_where_nothing_changes_noise_moves_nobody(people: float, noise: float, seed: int) -> None:
    replay = Replay()
    replay.run(lambda _now: people, 3 * HOUR, noise, seed, begin=math.ceil(people / 1_000))
    assert len(replay.steps) <= 2
    assert replay.turns <= 1


@SOME
@given(st.integers(2, 20), st.integers(0, 2**16))
def test_a_storm_is_answered_within_two_looks_of_the_window(times: int, seed: int) -> None:
    replay = Replay()
    storm = 600.0
    replay.run(lambda now: 1_000.0 * (times if now >= storm else 1), 900, 0.05, seed, begin=2)
    answered = next(at for at, pods in enumerate(replay.pods) if pods >= times * 0.9)
    assert answered * LOOK_S - storm <= AUTO.up_stabilization_s + LOOK_S


@pytest.mark.parametrize(
    "auto",
    [replace(AUTO, up_stabilization_s=0, down_stabilization_s=0)],
    ids=["without its windows"],
)
def test_these_tests_would_see_an_autoscaler_that_flaps(auto: Autoscaling) -> None:
    replay = Replay(auto)
    replay.run(day(8_000, 1_000), DAY, 0.12, seed=1)
    print(f"{replay.turns} turns without windows")
    assert replay.turns > 30  # 4 with them
