"""`signet bench durable` runs, and what was answered SENT arrives once after every end (P1, P2)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.signet_command import Shell


@pytest.mark.timeout(600)
@pytest.mark.parametrize("flags", [(), ("--cluster",)])
async def test_nothing_that_was_answered_is_lost_when_servers_are_ended(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    done = await Shell(tmp_path, "").run("bench", "durable", "--quick", "--json", *flags)
    assert done.status == 0, done.out + done.err
    results: list[dict[str, Any]] = json.loads(done.out)
    assert [(one["receiver"], one["ended_by"]) for one in results] == [
        ("resumable", "kill -9"),
        ("resumable", "SIGTERM"),
        ("offline", "kill -9"),
        ("offline", "SIGTERM"),
    ]
    for one in results:
        assert (one["acknowledged"], one["arrived"]) == (60, 60)
        assert (one["lost"], one["doubled"]) == (0, 0)
