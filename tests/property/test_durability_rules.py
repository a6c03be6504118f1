"""Each rule of durability.md is needed: without it a promise breaks, with it none does."""

import pytest

from tests.support.simulation.cases import CASES
from tests.support.simulation.explorer import explore, replayed

STATES = 60_000
HELD = 5_000


@pytest.mark.parametrize("rule", CASES)
@pytest.mark.timeout(180)
def test_without_the_rule_a_promise_breaks_and_with_it_the_same_run_holds(rule: str) -> None:
    case = CASES[rule]
    found = explore(case.scope, case.without, STATES, wide=case.wide)
    print(rule, found)
    assert found.violation is not None, f"{rule}: nothing breaks without it in {found}"
    assert found.violation.startswith(case.says), f"{rule}: {found}"
    assert replayed(case.scope, None, found.trace) is None, f"{rule}: the run breaks all the same"
    held = explore(case.scope, None, HELD, wide=case.wide)
    assert held.violation is None, f"{rule}: {held}"
