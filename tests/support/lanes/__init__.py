"""Real servers for tests: fetched once, started on loopback in a folder, broken on purpose.

`LANES[name].fetch` brings what a lane needs into the cache; `.make` gives a `Server` that is not
started yet. tests/conftest.py fetches what the chosen tests need before the first of them runs;
fixtures.py has the servers as fixtures. Kubernetes is more than one server: kube/ has it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.lanes import cassandra, helm, kafka, postgres, redis, s3, zookeeper
from tests.support.lanes.cache import LaneUnavailableError, Say
from tests.support.lanes.kube import fetching
from tests.support.lanes.server import Server, free_port

__all__ = ["FETCH", "LANES", "Lane", "LaneUnavailableError", "Say", "Server", "free_port"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of server. Both raise LaneUnavailableError where it cannot be had."""

    name: str
    version: str
    fetch: Callable[[Say], object]
    make: Callable[[Path, Say], Server]


LANES = {
    lane.name: lane
    for lane in (
        Lane("redis", redis.VERSION, redis.fetch, redis.make),
        Lane("postgres", postgres.VERSION, postgres.fetch, postgres.make),
        Lane("kafka", kafka.VERSION, kafka.fetch, kafka.make),
        Lane("zookeeper", zookeeper.VERSION, zookeeper.fetch, zookeeper.make),
        Lane("s3", s3.VERSION, s3.fetch, s3.make),
        Lane("cassandra", cassandra.VERSION, cassandra.fetch, cassandra.make),
    )
}

FETCH: dict[str, Callable[[Say], object]] = {
    **{name: lane.fetch for name, lane in LANES.items()},
    **fetching.FETCH,
    "helm": helm.fetch,
}
"""What each lane needs, those of Kubernetes and Helm too."""
