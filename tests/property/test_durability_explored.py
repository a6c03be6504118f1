"""Small scopes, every interleaving; and long walks from a seed. Printed: scope, states, seeds."""

import pytest

from tests.support.simulation.cases import LONG, SCOPES
from tests.support.simulation.explorer import explore
from tests.support.simulation.walk import walk


@pytest.mark.parametrize("name", SCOPES)
def test_no_interleaving_breaks_a_promise(name: str) -> None:
    scope, most = SCOPES[name]
    explored = explore(scope, most=most)
    print(scope, explored)
    assert explored.violation is None, str(explored)
    assert explored.whole or explored.states == most


def test_long_walks_with_many_faults_break_no_promise() -> None:
    walked = walk(LONG, None, seed=1, walks=60, most=1_500)
    print(LONG, walked)
    assert walked.violation is None, str(walked)
    assert walked.sent > 300, "the walks must get somewhere"
