"""People talk while every second something breaks: a short run of what `make chaos` does.

The process is the one that a person starts; what it prints is shown when it fails.
"""

import re
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE, STDOUT

import pytest

LAST = re.compile(
    r"chaos: (\d+) sent, \1 shown, 0 lost, 0 doubled, 0 out of order, recovery p99 [\d.]+ s"
)
SHORT = ("--minutes", "0.5", "--people", "40", "--rate", "20", "--seed", "7")


async def chaos(*flags: str) -> None:
    """Run it; all is well, and the last line says so."""
    command = (sys.executable, "-m", "tests.faults.chaos", *SHORT, *flags)
    process = await create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    text = out.decode()
    assert process.returncode == 0, text
    found = LAST.fullmatch(text.rstrip("\n").splitlines()[-1])
    assert found is not None, text
    assert int(found[1]) > 0


@pytest.mark.timeout(300)
async def test_one_server_under_chaos_keeps_what_it_promised() -> None:
    await chaos("--one")


@pytest.mark.timeout(400)
async def test_a_cluster_under_chaos_keeps_what_it_promised() -> None:
    await chaos("--stores", "embedded")


@pytest.mark.timeout(500)
@pytest.mark.lane("cassandra")
@pytest.mark.parametrize("members", ["redis", "zookeeper"])
async def test_a_cluster_on_real_stores_under_chaos_keeps_what_it_promised(members: str) -> None:
    await chaos("--stores", "real", "--members", members)
