"""How many pods, by what they say: up in seconds, down in minutes, never by noise."""

from dataclasses import replace

import pytest

from signet_operator.autoscale import Advice, Window, advise, needed
from signet_operator.names import Tier
from signet_operator.observed import Pod
from signet_operator.spec import Autoscaling, Mode
from tests.unit.operator.looks import draining, pod, report, silent

AUTO = Autoscaling(mode=Mode.BUILTIN, minimum=2, maximum=10, target_connections=1_000)


def gateways(count: int, load: int) -> list[Pod]:
    return [pod(n, load) for n in range(count)]


def router(ordinal: int, **rates: float) -> Pod:
    return pod(ordinal, tier=Tier.ROUTER, report=report(40, rates=rates))


def after(
    seconds: float, count: int, pods: list[Pod], *, busy: bool = False, every: float = 5.0
) -> Advice:
    """What is advised when all looks of so many seconds were the same."""
    window, now = Window(), 0.0
    while True:
        found = advise(AUTO, count, pods, Window.read(window.write()), now, busy=busy)
        if now >= seconds or found.pods != count:
            return found
        window, now = found.window, now + every


def test_more_people_are_followed_in_seconds_but_not_by_one_look() -> None:
    crowded = gateways(3, 1_500)
    assert after(0, 3, crowded).pods == 3
    assert after(AUTO.up_stabilization_s, 3, crowded).pods == 5


def test_fewer_people_are_followed_in_minutes() -> None:
    lonely = gateways(5, 100)
    assert after(AUTO.down_stabilization_s - 5, 5, lonely).pods == 5
    assert after(AUTO.down_stabilization_s, 5, lonely).pods == 2


def test_one_look_with_many_people_begins_the_minutes_anew() -> None:
    window = Window(since=0.0, most=2)
    many = advise(AUTO, 5, gateways(5, 950), window, 200.0, busy=False)
    assert many == Advice(5)
    later = advise(AUTO, 5, gateways(5, 100), many.window, 310.0, busy=False)
    assert later.pods == 5


def test_down_goes_to_the_most_that_was_needed_meanwhile() -> None:
    window = advise(AUTO, 5, gateways(5, 480), Window(), 0.0, busy=False).window
    assert advise(AUTO, 5, gateways(5, 100), window, 300.0, busy=False).pods == 3


def test_nobody_is_taken_away_while_a_drain_a_rollout_or_a_rebalance_runs() -> None:
    assert after(900, 5, gateways(5, 100), busy=True).pods == 5
    assert after(AUTO.up_stabilization_s, 3, gateways(3, 1_500), busy=True).pods == 5


def test_nobody_is_taken_away_while_somebody_is_not_heard() -> None:
    assert after(900, 5, [*gateways(4, 100), silent(4)]).pods == 5


def test_who_is_not_heard_counts_as_the_others_mean() -> None:
    assert needed(AUTO, [*gateways(3, 1_000), silent(3)]).pods == 4


def test_the_people_of_a_draining_pod_come_back_to_the_others() -> None:
    assert needed(AUTO, [*gateways(2, 900), draining(2, 900)]).pods == 3


def test_bounds_hold() -> None:
    assert after(AUTO.up_stabilization_s, 3, gateways(3, 90_000)).pods == AUTO.maximum
    assert after(900, 5, gateways(5, 0)).pods == AUTO.minimum


@pytest.mark.parametrize(
    ("rates", "measure"),
    [
        ({"open_rate": 900.0}, "open_rate"),
        ({"pending_bytes": float(AUTO.target_pending_bytes * 2)}, "pending_bytes"),
        ({"cpu_percent": 140.0}, "cpu_percent"),
    ],
)
def test_gateways_follow_whatever_is_scarcest(rates: dict[str, float], measure: str) -> None:
    pods = [pod(n, report=report(10, rates=rates)) for n in range(2)]
    need = needed(AUTO, pods)
    assert need.measure == measure
    assert need.pods >= 4


def test_routers_follow_messages() -> None:
    busy = [router(n, messages=AUTO.target_messages * 1.5) for n in range(2)]
    assert (needed(AUTO, busy).pods, needed(AUTO, busy).measure) == (3, "messages")


def test_routers_that_are_late_get_some_more_and_are_not_taken_away() -> None:
    late = [router(n, lag_ms=900.0) for n in range(4)]
    assert (needed(AUTO, late).pods, needed(AUTO, late).measure) == (6, "lag")
    assert needed(AUTO, [router(n, lag_ms=80.0) for n in range(4)]).pods == 4
    assert needed(AUTO, [router(n, lag_ms=10.0) for n in range(4)]).pods == 0


def test_one_slow_router_or_a_slow_store_is_no_want_of_routers() -> None:
    assert needed(AUTO, [router(0, lag_ms=900.0), router(1), router(2)]).pods == 0
    late = [router(n, lag_ms=900.0) for n in range(4)]
    down = [replace(p, report=replace(p.report, stores_down=("inbox",))) for p in late if p.report]
    assert needed(AUTO, down).pods == 0


def test_keys_follow_cpu() -> None:
    busy = [pod(n, tier=Tier.KEYS, report=report(0, rates={"cpu_percent": 100.0})) for n in (0, 1)]
    assert (needed(AUTO, busy).pods, needed(AUTO, busy).measure) == (3, "cpu_percent")
