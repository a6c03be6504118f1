"""`signet bench scale` grows a cluster under load, and says what that costs and moves."""

from pathlib import Path

import pytest

from signet.core.limits import BOUNDED_LOAD, SHARDS
from tests.support.signet_command import Shell


@pytest.mark.timeout(300)
async def test_a_router_that_joins_takes_about_half_of_the_shards_and_the_talk_goes_on(
    tmp_path: Path,
) -> None:
    done = await Shell(tmp_path, "").run("bench", "scale", "--quick", "--json")
    assert done.status == 0, done.err
    one, joining, two = done.json["sizes"]
    assert [size["routers"] for size in (one, joining, two)] == ["1", "1 → 2", "2"]
    assert all(size["messages"] > 0 for size in (one, joining, two))
    assert min(size["router_cpu"] for size in (one, two)) > 0
    assert joining["moved"] == joining["moved_to_the_new"]
    assert abs(joining["moved"] - SHARDS / 2) <= SHARDS / 2 * BOUNDED_LOAD
