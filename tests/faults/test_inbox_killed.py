"""kill -9 of a process that writes to inboxes in SQLite, between any two steps."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from signet.adapters.inbox_sqlite import open_inbox
from signet.core.ids import START, Position
from tests.support.inbox_writer import BEHIND, ONE, TWO


def write_until_killed(path: Path, lines: int) -> tuple[int, int]:
    """Kill it when it has said so many lines; what it tried last, and what had returned."""
    command = [sys.executable, "-m", "tests.support.inbox_writer", str(path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    tried = done = 0
    assert child.stdout is not None
    for number, line in enumerate(child.stdout):
        word, seq = line.split()
        tried, done = (int(seq), done) if word == "try" else (tried, int(seq))
        if number == lines:
            child.kill()
    child.wait()
    return tried, done


@pytest.mark.parametrize("seed", range(4))
async def test_what_returned_is_there_and_no_append_is_half_there(
    tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "inbox.sqlite"
    for epoch in (1, 2):  # the second life writes behind what the first one left
        tried, done = write_until_killed(path, random.Random(seed + 10 * epoch).randrange(2, 90))
        store = open_inbox(path, 1)
        one, two = await store.heads([ONE, TWO])
        assert done <= one.last.seq <= tried
        assert one.last == two.last
        assert one.last.epoch == epoch
        trimmed = max(0, one.last.seq - BEHIND)
        if trimmed:
            assert one.acknowledged == Position(epoch, trimmed)
        after = Position(epoch, 0)
        for device, first in ((ONE, trimmed + 1), (TWO, 1)):
            page = await store.read(device, after, 10_000, 10_000_000, 0)
            found = [entry.position.seq for entry in page.entries]
            assert found == list(range(first, one.last.seq + 1))
        assert (await store.read(ONE, START, 10_000, 10_000_000, 0)).entries
        await store.close()
