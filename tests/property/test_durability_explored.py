"""Small scopes, every interleaving; and long walks from a seed. Printed: scope, states, seeds."""

import pytest

from tests.support.simulation.cases import AGING, GIVE, LONG, SCOPES
from tests.support.simulation.explorer import explore
from tests.support.simulation.scope import Scope
from tests.support.simulation.walk import walk


@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.timeout(600)
def test_no_interleaving_breaks_a_promise(name: str) -> None:
    explored = explore(SCOPES[name])
    print(SCOPES[name], explored)
    assert explored.violation is None, str(explored)
    assert explored.whole


def test_a_scope_says_how_far_it_is_while_it_is_explored() -> None:
    said: list[str] = []
    explored = explore(SCOPES["three routers, one dies"], say=said.append, every_s=0.0)
    states = [int(line.split()[0]) for line in said]
    assert states == sorted(states)
    assert 0 < states[0] < states[-1] <= explored.states
    assert all(line.endswith("states/s") for line in said)


@pytest.mark.timeout(180)
def test_walks_in_which_items_grow_too_old_end_with_all_shown_or_told() -> None:  # W2
    walked = walk(AGING, None, seed=1, walks=12, most=800, quiet=True)
    print(AGING, walked)
    assert walked.violation is None, str(walked)
    assert walked.sent > 150, "the walks must get somewhere"


@pytest.mark.timeout(180)
def test_long_walks_with_many_faults_break_no_promise_and_end_with_all_shown() -> None:
    walked = walk(LONG, None, seed=1, walks=30, most=1_500, quiet=True)
    print(LONG, walked)
    assert walked.violation is None, str(walked)
    assert walked.sent > 150, "the walks must get somewhere"


def test_a_walk_of_the_same_seed_is_the_same() -> None:
    first, again = (walk(LONG, None, seed=5, walks=2, most=500, quiet=True) for _ in range(2))
    assert (first.steps, first.sent) == (again.steps, again.sent)


def test_without_comparing_rows_a_shard_is_served_by_nobody() -> None:  # L4
    scope = Scope(kinds=GIVE, ticks=0, messages=1, unknowns=1, reduced=False)
    assert walk(scope, None, seed=1, walks=500, most=12, quiet=True).violation is None
    blind = scope._replace(kinds=GIVE - {"compare"})
    walked = walk(blind, None, seed=1, walks=2_000, most=12, quiet=True)
    assert walked.violation is not None
    assert walked.violation.startswith("P2"), walked.violation
