"""Every code has one name, one number and one rule, the same in the core and on the wire."""

from signet.core import limits
from signet.core.errors import RULES, Code, Retry, SignetError
from signet.v1 import messaging_pb2


def test_the_codes_of_the_core_are_those_of_the_wire() -> None:
    wire = {name.removeprefix("CODE_"): number for name, number in messaging_pb2.Code.items()}
    del wire["UNSPECIFIED"]
    assert wire == {code.name: code.value for code in Code}


def test_every_code_says_whether_to_come_back() -> None:
    assert set(RULES) == set(Code)
    assert all(isinstance(rule.retry, Retry) and rule.meaning for rule in RULES.values())


def test_websocket_closes_are_in_the_range_for_applications_or_standard() -> None:
    assert all(
        rule.websocket in {1000, 1011} or 4000 <= rule.websocket < 5000 for rule in RULES.values()
    )


def test_a_refusal_says_its_code_and_meaning() -> None:
    error = SignetError(Code.RATE_LIMITED, retry_after_s=2.0)
    assert str(error) == "RATE_LIMITED: too many; come back later"
    assert error.retry_after_s == 2.0


def test_holding_outlasts_a_take_over() -> None:
    take_over = limits.LEASE + limits.LEASE_DRIFT + limits.LEASE_RENEW
    assert limits.HOLD_TIME > take_over  # H1


def test_an_owner_stops_before_its_lease_can_be_taken() -> None:
    assert limits.LEASE_RENEW < limits.LEASE - limits.LEASE_MARGIN  # L2
