"""The demo and the bench run, and say what they promise to say."""

import re
from pathlib import Path

import pytest

from tests.support.signet_command import Shell


async def test_the_demo_loses_nothing_and_says_so_in_its_last_line(tmp_path: Path) -> None:
    done = await Shell(tmp_path, "").run("demo")
    last = done.out.rstrip("\n").splitlines()[-1]
    assert re.fullmatch(r"demo: (\d+) sent, \1 shown, 0 lost, 0 doubled, 0 out of order", last)
    assert done.status == 0


@pytest.mark.timeout(400)
async def test_the_demo_of_a_group_ends_in_one_order_and_nothing_after_a_removal(
    tmp_path: Path,
) -> None:
    done = await Shell(tmp_path, "").run("demo-group")
    last = done.out.rstrip("\n").splitlines()[-1]
    counted = r"demo-group: (\d+) sent, \1 shown, 0 lost, 0 doubled, 0 out of order"
    groups = r"9 devices, 1 order, 8 have the picture, 0 read by who was removed"
    assert re.fullmatch(f"{counted}; {groups}", last)
    assert done.status == 0


async def test_a_quick_bench_measures_both_transports(tmp_path: Path) -> None:
    done = await Shell(tmp_path, "").run("bench", "--quick", "--json")
    assert done.status == 0, done.err
    for transport in ("websocket", "grpc"):
        measured = done.json["transports"][transport]
        assert [phase["phase"] for phase in measured["phases"]] == ["100/s", "closed"]
        assert all(phase["messages"] > 0 for phase in measured["phases"])
        assert measured["idle"]["streams"] > 0
