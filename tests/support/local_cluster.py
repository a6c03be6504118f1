"""A cluster of real processes, on the embedded stores or others, and people on it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg

from signet.client import Client
from signet.cluster.cluster import Cluster
from signet.cluster.parts import COUNTS
from signet.core.ring import Ring
from signet.ports.members import Kind
from tests.support.lanes import Server
from tests.support.lanes.postgres import dsn

LIMITS_OFF = {"SIGNET_REGISTRATIONS_AN_HOUR": "100000", "SIGNET_LOGINS_A_MINUTE": "100000"}
PATIENCE = 60.0  # seconds in which what must happen has to happen, a take-over included


async def real_stores(
    cassandra: Server, postgres: Server, redis: Server, kafka: Server
) -> dict[str, str]:
    """URLs of stores on real servers: databases of one test's own, and what all tests share."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(dsn(postgres))
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    shared = f"redis://{redis.url}/5"
    return {
        "inbox": f"cassandra://{cassandra.url}/{name}",
        "directory": f"{dsn(postgres).rpartition('/')[0]}/{name}",
        "members": shared,
        "presence": shared,
        "limits": shared,
        "events": f"kafka://{kafka.url}?replicas=1",
    }


@asynccontextmanager
async def cluster(
    folder: Path, counts: Mapping[Kind, int] = COUNTS, *, stores: Mapping[str, str] | None = None
) -> AsyncIterator[Cluster]:
    """`stores` that are not named are embedded."""
    made = Cluster(folder / "cluster", counts, stores=stores, settings=LIMITS_OFF)
    async with made as started:
        yield started


async def register(at: Cluster, folder: Path, name: str) -> Client:
    """Somebody new, not connected yet."""
    return await Client.register(server=at.entries.rest[0], store=folder / name, user_name=name)


async def register_apart(at: Cluster, folder: Path) -> dict[str, Client]:
    """For each gateway somebody whom the ring of all gateways puts there."""
    ring, made, number = Ring(at.of(Kind.GATEWAY)), dict[str, Client](), 0
    while len(made) < len(at.of(Kind.GATEWAY)):
        client = await register(at, folder, f"person{number}")
        number += 1
        made.setdefault(ring.at(client.user_id) or "", client)
    return made


async def loads(at: Cluster, kind: Kind) -> dict[str, int]:
    """What each pod of a kind says that it holds."""
    return {pod.name: pod.load for pod in await at.pods() if pod.kind is kind}
