"""Cassandra, PostgreSQL, Redis, Kafka: the lanes' servers, stopped, killed, slow.

Pods reach each server at a port of this process, where bytes can be delayed; Kafka alone at its
own, because a broker tells clients where it is.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path

from signet.pod.migrate import migrate
from signet.settings import Settings
from tests.faults.chaos.doors import LOOPBACK, Door
from tests.faults.chaos.faults import Fault, Kind, Part, Way
from tests.faults.chaos.system import LATE
from tests.support.lanes import LANES, Server
from tests.support.lanes.postgres import dsn

NAMES = ("cassandra", "postgres", "redis", "kafka")
STOP = Way(1, 0.5, 6.0, 3.0)
RESTART = Way(0.7, 0.0, 0.0, 8.0)
SLOW = Way(0.7, 1.0, 4.0, 2.0)
WAYS = {Kind.STOP: STOP, Kind.RESTART: RESTART, Kind.SLOW: SLOW}
WITHOUT_DOOR = {Kind.STOP: STOP, Kind.RESTART: RESTART}


class Real:
    """See `Stores`. Raises LaneUnavailableError where a server cannot be had."""

    def __init__(self, folder: Path) -> None:
        self._servers: dict[str, Server] = {}
        for name in NAMES:
            where = folder / name
            where.mkdir()
            self._servers[name] = LANES[name].make(where, print)
        self._doors = {
            name: Door(lambda server=server: [(LOOPBACK, server.port)])  # type: ignore[misc]
            for name, server in self._servers.items()
            if name != "kafka"
        }
        self._data = folder / "migrate"

    @property
    def parts(self) -> Sequence[Part]:
        return [Part(name, WAYS if name in self._doors else WITHOUT_DOOR) for name in NAMES]

    @property
    def ports(self) -> list[int]:
        """Of Cassandra alone: a router that does not reach it loses its lease."""
        return [self._doors["cassandra"].port]

    async def start(self) -> dict[str, str]:
        await asyncio.gather(*(asyncio.to_thread(one.start) for one in self._servers.values()))
        for door in self._doors.values():
            await door.open()
        urls = self._urls()
        await migrate(Settings(data=self._data, **urls))  # type: ignore[arg-type]
        return urls

    def _urls(self) -> dict[str, str]:
        at = {name: f"{LOOPBACK}:{door.port}" for name, door in self._doors.items()}
        postgres = self._servers["postgres"]
        redis = f"redis://{at['redis']}"
        return {
            "inbox": f"cassandra://{at['cassandra']}/signet",
            "directory": dsn(postgres).replace(postgres.url, at["postgres"]),
            "members": redis,
            "presence": redis,
            "limits": redis,
            "events": f"kafka://{self._servers['kafka'].url}?partitions=4&replicas=1",
        }

    async def suffer(self, fault: Fault) -> float:
        server = self._servers[fault.part]
        match fault.kind:
            case Kind.STOP:
                await asyncio.to_thread(server.stop_process)
                await asyncio.sleep(fault.lasts)
                server.resume()
            case Kind.RESTART:
                await asyncio.to_thread(server.restart)
            case _:
                self._doors[fault.part].slow(random.Random(fault.at).uniform(LATE / 4, LATE))
                await asyncio.sleep(fault.lasts)
                self._doors[fault.part].flow()
        return time.monotonic()

    async def stop(self) -> None:
        for door in self._doors.values():
            await door.close()
        await asyncio.gather(*(asyncio.to_thread(one.kill) for one in self._servers.values()))
