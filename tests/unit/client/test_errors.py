"""One typed exception a code."""

from signet.client import errors
from signet.core.errors import Code, SignetError


def test_every_code_has_an_exception_of_its_own() -> None:
    raised = [errors.refusal(code, "why", 1.5) for code in Code]
    assert len({type(error) for error in raised}) == len(Code)
    assert all(type(error) is not SignetError for error in raised)
    assert [error.code for error in raised] == list(Code)
    assert {(error.detail, error.retry_after_s) for error in raised} == {("why", 1.5)}
