"""S8: exponential back-off with full jitter; forgotten after calm, not before."""

import pytest

from signet.core.backoff import Backoff
from signet.core.limits import BACKOFF_BASE, BACKOFF_CALM, BACKOFF_CAP


def waits(count: int, chance: float) -> list[float]:
    backoff, seconds = Backoff(), []
    for _ in range(count):
        wait, backoff = backoff.failed(0.0, chance)
        seconds.append(wait)
    return seconds


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    ceilings = waits(12, chance=1.0)
    assert ceilings[:4] == [BACKOFF_BASE * 2**n for n in range(4)]
    assert ceilings[-1] == BACKOFF_CAP


def test_what_is_cheap_to_try_may_have_a_lower_cap() -> None:
    assert Backoff(failures=100).failed(0.0, 1.0, cap=8.0)[0] == 8.0


def test_full_jitter_may_wait_not_at_all() -> None:
    assert waits(5, chance=0.0) == [0.0] * 5


def test_what_the_server_asks_is_the_least() -> None:
    assert Backoff().failed(0.0, 0.5, retry_after=30.0)[0] == 30.0 + BACKOFF_BASE / 2


@pytest.mark.parametrize(("held", "forgotten"), [(BACKOFF_CALM - 1, False), (BACKOFF_CALM, True)])
def test_failures_are_forgotten_after_calm_only(held: float, forgotten: bool) -> None:
    backoff = Backoff(failures=5).opened(100.0)
    wait, _ = backoff.failed(100.0 + held, 1.0)
    assert (wait == BACKOFF_BASE) is forgotten


def test_a_thousand_failures_do_not_overflow() -> None:
    assert Backoff(failures=100_000).failed(0.0, 1.0)[0] == BACKOFF_CAP
