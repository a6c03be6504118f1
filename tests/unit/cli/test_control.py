import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.cli import control
from signet.cli.control import Json
from signet.cli.failures import Exit, Problem
from signet.client import ServerUnreachable


async def answer(request: Json) -> AsyncIterator[Json]:
    if request["do"] == "fail":
        raise ServerUnreachable("no answer")
    for number in range(request["count"]):
        yield {"number": number}


async def asked(path: Path, request: Json) -> list[Json]:
    return [told async for told in control.ask(path, request)]


async def test_a_request_gets_its_answers_in_order_until_they_end(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with control.listening(path, answer):
        told = await asked(path, {"do": "count", "count": 3})
    assert told == [{"number": 0}, {"number": 1}, {"number": 2}]


async def test_what_is_raised_there_is_raised_here(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with control.listening(path, answer):
        with pytest.raises(Problem, match="no answer") as raised:
            await asked(path, {"do": "fail"})
    assert (raised.value.name, raised.value.status) == ("UNREACHABLE", Exit.UNREACHABLE)


async def test_the_socket_is_its_owners_only_and_goes_with_the_program(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    async with control.listening(path, answer):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_a_socket_left_by_a_killed_program_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.touch()
    async with control.listening(path, answer):
        assert await asked(path, {"do": "count", "count": 1}) == [{"number": 0}]


async def test_a_store_in_a_deep_folder_has_a_socket_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / ("deep" * 40) / "control.sock"
    path.parent.mkdir()
    async with control.listening(path, answer):
        assert await asked(path, {"do": "count", "count": 1}) == [{"number": 0}]


async def test_nobody_there_is_a_problem_with_a_name(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="does not answer") as raised:
        await asked(tmp_path / "control.sock", json.loads("{}"))
    assert raised.value.name == "STORE_IN_USE"
