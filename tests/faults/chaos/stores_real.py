"""Cassandra, PostgreSQL, Redis, Kafka, and ZooKeeper if it has the members: stopped, killed, slow.

They are the lanes' servers. Pods reach each at a port of this process, where bytes can be delayed;
Kafka tells its clients to come to that port.
"""

import asyncio
import random
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from signet.pod.migrate import migrate
from signet.settings import Settings
from tests.faults.chaos.doors import LOOPBACK, Door
from tests.faults.chaos.faults import Fault, Kind, Part, Way
from tests.faults.chaos.system import LATE
from tests.support.lanes import LANES, Server, free_port, kafka
from tests.support.lanes.postgres import dsn

MEMBERS = ("redis", "zookeeper")  # which of them says who is there
NAMES = ("cassandra", "postgres", "redis", "kafka")
WAYS = {
    Kind.STOP: Way(1, 0.5, 6.0, 3.0),
    Kind.RESTART: Way(0.7, 0.0, 0.0, 8.0),
    Kind.SLOW: Way(0.7, 1.0, 4.0, 2.0),
}


def names(members: str) -> Sequence[str]:
    """The servers of a run. Redis has presence and limits in any case."""
    return [*NAMES, *({members} - set(NAMES))]


class Real:
    """See `Stores`. Raises LaneUnavailableError where a server cannot be had."""

    def __init__(self, folder: Path, members: str) -> None:
        self._members, self._names = members, names(members)
        self._servers: dict[str, Server] = {}
        self._doors: dict[str, Door] = {}
        for name in self._names:
            self._doors[name] = Door(lambda name=name: [(LOOPBACK, self._servers[name].port)])  # type: ignore[misc]
            where = folder / name
            where.mkdir()
            self._servers[name] = self._make(name, where)
        self._data = folder / "migrate"

    def _make(self, name: str, where: Path) -> Server:
        if name != "kafka":
            return LANES[name].make(where, print)
        self._doors[name].port = free_port()  # known before the door is open: Kafka tells it
        return kafka.make(where, print, told=self._doors[name].port)

    @property
    def parts(self) -> Sequence[Part]:
        return [Part(name, WAYS) for name in self._names]

    @property
    def ports(self) -> Mapping[str, Collection[int]]:
        """A router that does not reach Cassandra loses its lease; without members none moves."""
        return {
            "router": [self._doors["cassandra"].port],
            "any": [self._doors[self._members].port],
        }

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
        return {
            "inbox": f"cassandra://{at['cassandra']}/signet",
            "directory": dsn(postgres).replace(postgres.url, at["postgres"]),
            "members": f"{self._members}://{at[self._members]}",
            "presence": f"redis://{at['redis']}",
            "limits": f"redis://{at['redis']}",
            "events": f"kafka://{at['kafka']}?partitions=4&replicas=1",
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
