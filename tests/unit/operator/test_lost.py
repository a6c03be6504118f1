"""Nodes that nobody hears from: forced, fenced by what the others see, and never many at once."""

from typing import Any

from signet_operator.actions import Action, DeletePod, Tell
from signet_operator.drain.lost import lost
from signet_operator.observed import Pod
from tests.unit.operator.looks import found, look, pod

ALL = frozenset(f"blue-gateway-{n}" for n in range(4))


def away(ordinal: int) -> Pod:
    """On a node that does not answer, nor does the pod."""
    return pod(ordinal, ready=False, node_reachable=False, report=None)


def forced(*pods: Pod, seers: dict[str, frozenset[str]], **changed: Any) -> list[str]:
    actions: list[Action] = lost(look(*pods, seers=seers, **changed))
    return [a.pod for a in actions if isinstance(a, DeletePod) and a.force]


def without(*ordinals: int) -> dict[str, frozenset[str]]:
    gone = {f"blue-gateway-{n}" for n in ordinals}
    return {"blue-gateway-0": ALL - gone}


def test_a_pod_is_deleted_by_force_when_nobody_sees_its_record() -> None:
    assert forced(pod(0), pod(1), away(2), seers=without(2)) == ["blue-gateway-2"]


def test_who_is_still_seen_by_anybody_is_left() -> None:
    seers = {**without(2), "blue-gateway-1": ALL}
    assert forced(pod(0), pod(1), away(2), seers=seers) == []


def test_where_nobody_has_looked_nothing_is_known() -> None:
    assert forced(pod(0), pod(1), away(2), seers={}) == []
    blind: dict[str, frozenset[str]] = {"blue-gateway-0": frozenset()}
    assert forced(pod(0), pod(1), away(2), seers=blind) == []


def test_a_pod_that_answers_is_not_lost_whatever_its_node_says() -> None:
    answers = pod(2, node_reachable=False)
    assert forced(pod(0), pod(1), answers, seers=without(2)) == []


def test_so_many_at_once_as_may_be_away_and_who_comes_back_counts() -> None:
    assert forced(pod(0), away(1), away(2), away(3), seers=without(1, 2, 3)) == ["blue-gateway-1"]
    anew = pod(1, ready=False, phase="Pending", report=None)
    assert forced(pod(0), anew, away(2), away(3), seers=without(1, 2, 3)) == []
    missing = found(4)
    assert forced(pod(0), away(2), away(3), seers=without(2, 3), set_=missing) == []
    two = forced(pod(0), away(1), away(2), away(3), seers=without(1, 2, 3), together=2)
    assert two == ["blue-gateway-1", "blue-gateway-2"]


def test_it_is_said() -> None:
    told = [a for a in lost(look(pod(0), away(1), seers=without(1))) if isinstance(a, Tell)]
    assert [(t.reason, t.warning, t.pod) for t in told] == [("LostPod", True, "blue-gateway-1")]


def test_paused_deletes_nobody() -> None:
    assert forced(pod(0), away(1), seers=without(1), paused=True) == []
