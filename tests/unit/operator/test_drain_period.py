"""A drain is spread over the period that was asked for, from its first order to its last."""

from dataclasses import replace

from signet_operator.actions import DrainPod
from signet_operator.drain.look import Look, Ordered
from signet_operator.drain.scale_in import scale_in
from signet_operator.observed import Pod
from signet_operator.spec import Drain
from tests.unit.operator.looks import NOW, draining, look, pod


def spread(*pods: Pod, rate: int = 0) -> Look:
    """One gateway less, within 60 s; its streams are to be asked over 50 s."""
    made = look(*pods, target=1)
    drain = Drain(period_s=50, deadline_s=60, rate=rate)
    return replace(made, asked=replace(made.asked, drain=drain))


def rates(seen: Look) -> list[float]:
    actions = scale_in(seen, 1).actions
    return [action.rate for action in actions if isinstance(action, DrainPod)]


def test_the_first_order_says_as_many_a_second_as_the_period_needs() -> None:
    assert rates(spread(pod(0), pod(1, 100))) == [2.0]


def test_the_lower_of_rate_and_period_counts() -> None:
    assert rates(spread(pod(0), pod(1, 100), rate=1)) == [1.0]
    assert rates(spread(pod(0), pod(1, 100), rate=40)) == [2.0]


def test_a_drain_that_keeps_pace_is_not_ordered_again() -> None:
    """After 20 of the 50 seconds 60 of 100 are left."""
    under_way = {"gateway-1": Ordered(NOW + 40, 2.0)}
    seen = replace(spread(pod(0), draining(1, 60, 40)), ordered=under_way)
    assert rates(seen) == []


def test_a_drain_that_was_held_up_is_told_to_hurry() -> None:
    under_way = {"gateway-1": Ordered(NOW + 40, 2.0)}
    seen = replace(spread(pod(0), draining(1, 95, 40)), ordered=under_way)
    assert rates(seen) == [3.2]


def test_after_the_period_only_what_the_survivors_take_is_a_limit() -> None:
    under_way = {"gateway-1": Ordered(NOW + 5, 2.0)}
    seen = replace(spread(pod(0), draining(1, 30, 5)), ordered=under_way)
    assert rates(seen) == [50.0]
