"""`signet bench durable`: what was answered SENT and never arrived, after servers were ended.

One device sends, another is away: *resumable* is one whose line was cut, and who comes back with
its resume token to what was on its way; *offline* is one that had said goodbye. Half-way, with
sends on their way, and again right after the last answer, the servers are ended and started again.
"""

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.table import Table

from signet.cli import look
from signet.cli.bench_accounts import accounts
from signet.cli.bench_durable_device import Reader, Writer
from signet.cli.failures import Exit, explained
from signet.cli.options import Json
from signet.cli.server_process import ServerProcess
from signet.cluster.cluster import Cluster
from signet.ports.members import Kind

MESSAGES = 2000
QUICK = 60
ENDINGS = ("kill -9", "SIGTERM")
RECEIVERS = ("resumable", "offline")
COUNTS = {Kind.GATEWAY: 2, Kind.ROUTER: 2, Kind.KEYS: 1, Kind.PUSH: 0}
LIMITS_OFF = {
    "SIGNET_REGISTRATIONS_AN_HOUR": "1000000",
    "SIGNET_LOGINS_A_MINUTE": "1000000",
    "SIGNET_SEND_BURST": "1000000",
    "SIGNET_LOG_LEVEL": "warning",
}


class Servers(Protocol):
    """Those under test, all of them ended and started together."""

    @property
    def websocket(self) -> str: ...

    @property
    def keys(self) -> str:
        """Where the keys service answers gRPC."""
        ...

    async def end(self, how: str) -> None:
        """`kill -9` or `SIGTERM` all; started again, and ready, when it returns."""
        ...


class One:
    """The standalone server."""

    def __init__(self, process: ServerProcess) -> None:
        self._process = process

    @property
    def websocket(self) -> str:
        return self._process.addresses.websocket

    @property
    def keys(self) -> str:
        return self._process.addresses.grpc

    async def end(self, how: str) -> None:
        await (self._process.kill() if how == "kill -9" else self._process.stop())
        await self._process.start()


class Many:
    """A cluster: every process of it is ended at the same moment."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @property
    def websocket(self) -> str:
        return self._cluster.entries.websocket[0]

    @property
    def keys(self) -> str:
        return self._cluster.entries.keys_grpc[0]

    async def end(self, how: str) -> None:
        cluster = self._cluster
        end = cluster.kill if how == "kill -9" else cluster.stop
        await asyncio.gather(*(end(name) for name in cluster.names))
        await asyncio.gather(*(cluster.up(name) for name in cluster.names))
        await cluster.ready()


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table."""

    receiver: str
    ended_by: str
    acknowledged: int
    arrived: int
    lost: int
    doubled: int

    @property
    def good(self) -> bool:
        return not self.lost and not self.doubled


def durable(
    quick: Annotated[bool, typer.Option("--quick", help="Few messages: does it run?")] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Gateways, routers and keys as processes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Answered SENT and lost: receivers who resume or were away; servers killed and ended."""
    count = QUICK if quick else MESSAGES
    out = look.console(stderr=as_json)
    with explained(as_json), tempfile.TemporaryDirectory(prefix="signet-bench-") as folder:
        where = "a cluster on one machine" if cluster else "one process"
        out.print(f"[quiet]{where}, twice ended and started again in {count} messages …[/]")
        results = asyncio.run(_durable(Path(folder), count, many=cluster))
    if as_json:
        print(json.dumps([asdict(result) for result in results]))
    else:
        out.print(_table(results), soft_wrap=False)
    if not all(result.good for result in results):
        raise typer.Exit(Exit.FAILED)


async def _durable(folder: Path, count: int, *, many: bool) -> list[Result]:
    async with AsyncExitStack() as stack:
        servers: Servers
        if many:
            made = Cluster(folder / "cluster", COUNTS, settings=LIMITS_OFF)
            servers = Many(await stack.enter_async_context(made))
        else:
            environment: Mapping[str, str] = {**os.environ, **LIMITS_OFF}
            process = ServerProcess(folder / "server", environment=environment)
            servers = One(await stack.enter_async_context(process))
        return [
            await _round(servers, receiver, ending, count)
            for receiver in RECEIVERS
            for ending in ENDINGS
        ]


async def _round(servers: Servers, receiver: str, ending: str, count: int) -> Result:
    """Raises Failed: no stream could be opened, or nothing was answered."""
    one, other = await accounts(servers.keys, 2)
    writer, reader = Writer(one, other), Reader(other)
    try:
        await _meet(servers, writer, reader, back=Writer(other, one))
        await _go_away(servers, writer, reader, receiver, count)
        for part in (count // 2, count):
            await writer.send(until=part)
            await servers.end(ending)
            await writer.connect(servers.websocket)
        reader.acknowledges = True
        await reader.connect(servers.websocket)
        await reader.read(set(writer.acknowledged))
    finally:
        await writer.cut()
        await reader.cut()
    return _result(receiver, ending, writer.acknowledged, reader.got)


async def _meet(servers: Servers, writer: Writer, reader: Reader, back: Writer) -> None:
    """Who has written to somebody is no stranger to them (M10); all are connected once."""
    await back.connect(servers.websocket)
    await back.send(until=1)
    await back.cut()
    reader.counts_from(back)
    await writer.connect(servers.websocket)
    await reader.connect(servers.websocket)


async def _go_away(
    servers: Servers, writer: Writer, reader: Reader, receiver: str, count: int
) -> None:
    """Resumable: cut in the middle of reading, nothing acknowledged. Offline: long gone."""
    if receiver == "offline":
        await reader.leave()
        return
    reader.acknowledges = False
    await writer.send(until=count // 4)
    await reader.until(lambda: bool(reader.got))
    await reader.cut()


def _result(
    receiver: str, ending: str, acknowledged: Sequence[bytes], got: Sequence[bytes]
) -> Result:
    arrived = Counter(got)
    return Result(
        receiver=receiver,
        ended_by=ending,
        acknowledged=len(acknowledged),
        arrived=sum(1 for message_id in acknowledged if message_id in arrived),
        lost=sum(1 for message_id in acknowledged if message_id not in arrived),
        doubled=sum(times - 1 for times in arrived.values()),
    )


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=None, header_style="quiet")
    for head in ("receiver", "servers ended by", "answered SENT", "arrived", "lost", "doubled"):
        table.add_column(head, justify="right", no_wrap=True)
    for one in results:
        style = "copy" if one.good else "bad"
        figures = (one.acknowledged, one.arrived, one.lost, one.doubled)
        table.add_row(one.receiver, one.ended_by, *(f"[{style}]{n}[/]" for n in figures))
    return table
