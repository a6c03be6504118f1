"""Each rule of durability.md is needed: without it a promise breaks, with it none does."""

import pytest

from tests.support.simulation.cases import CASES
from tests.support.simulation.walk import walk

WALKS = 20_000


@pytest.mark.parametrize("rule", CASES)
def test_without_the_rule_a_promise_breaks(rule: str) -> None:
    case = CASES[rule]
    walked = walk(case.scope, case.without, case.seed, WALKS)
    print(walked)
    assert walked.violation is not None, f"{rule}: nothing breaks without it in {walked}"
    assert walked.violation.startswith(case.says), walked.violation


@pytest.mark.parametrize("rule", CASES)
def test_with_all_rules_no_promise_breaks_on_the_same_walks(rule: str) -> None:
    case = CASES[rule]
    walked = walk(case.scope, None, case.seed, 300)
    print(walked)
    assert walked.violation is None, str(walked)
