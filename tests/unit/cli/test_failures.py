import pytest

from signet.cli.failures import Exit, Problem, problem_of
from signet.client import NoAccount, SendRefused, ServerUnreachable, StoreInUse
from signet.core.errors import Code, SignetError
from signet.settings import BadSettings


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_told_by_its_name_with_what_to_do(code: Code) -> None:
    problem = problem_of(SignetError(code, retry_after_s=5))
    assert problem is not None
    assert problem.name == code.name
    assert problem.status is Exit.REFUSED
    assert problem.text
    assert "in 5 s" in problem.advice


@pytest.mark.parametrize(
    ("error", "name", "status"),
    [
        (StoreInUse("x"), "STORE_IN_USE", Exit.STORE),
        (NoAccount("x"), "NO_ACCOUNT", Exit.STORE),
        (ServerUnreachable("x"), "UNREACHABLE", Exit.UNREACHABLE),
        (SendRefused(Code.UNKNOWN_RECIPIENT), "UNKNOWN_RECIPIENT", Exit.REFUSED),
        (SendRefused(None), "FAILED", Exit.REFUSED),
        (BadSettings("x"), "SETTINGS", Exit.USAGE),
    ],
)
def test_errors_of_the_sdk_have_a_name_and_an_exit_code(
    error: Exception, name: str, status: Exit
) -> None:
    problem = problem_of(error)
    assert problem is not None
    assert (problem.name, problem.status) == (name, status)


def test_a_bug_is_not_explained_away() -> None:
    assert problem_of(KeyError("x")) is None


def test_a_problem_travels_over_the_socket_whole() -> None:
    problem = Problem("NOT_FOUND", "nobody of that name", "check the spelling", Exit.REFUSED)
    assert Problem.from_json(problem.to_json()).to_json() == problem.to_json()
