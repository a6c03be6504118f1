"""What is counted of reconnects on a cluster (tests/support/kube_sight.py)."""

import pytest

from tests.support.kube_sight import Sample, Sight, Streams


def seen(*looks: tuple[float, float, float]) -> Sight:
    """Looks at one gateway: when each began and ended, and the streams opened until then."""
    sight = Sight()
    for at, ended, opened in looks:
        sight.samples.append(Sample(at, 1, {"chat-gateway-0": Streams(opened, opened)}, ended))
    return sight


def test_the_worst_window_counts() -> None:
    slow = [(0.25 * n, 0.25 * n, 0.25 * n) for n in range(40)]
    fast = [(10 + 0.25 * n, 10 + 0.25 * n, 10 + n) for n in range(20)]
    assert seen(*slow, *fast).most_opened(3.0) == pytest.approx((19 - 1) / 4.75)


def test_a_look_that_takes_long_makes_nobody_faster() -> None:
    """Two a second, and a last look of two seconds: it has seen what was opened meanwhile."""
    looks = [(0.5 * n, 0.5 * n, float(n)) for n in range(7)]
    assert seen(*looks, (3.5, 5.5, 11.0)).most_opened(3.0) <= 2


def test_a_process_that_is_new_began_with_none() -> None:
    assert seen((0, 0, 50), (1, 1, 3), (4, 4, 10)).most_opened(3.0) == pytest.approx((10 - 1) / 4)
