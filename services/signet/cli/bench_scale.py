"""`signet bench scale`: what a message costs with one, two and three routers, and what moves.

A cluster of processes on this machine; the load is steady, at a rate that one router carries, so
that the figures are of the same work. Each router joins while people write.
"""

import asyncio
import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from signet import settings as table
from signet.adapters import open as adapters
from signet.cli import look
from signet.cli.bench_accounts import accounts
from signet.cli.bench_load import Plan
from signet.cli.bench_measure import LIMITS_OFF, load, machine
from signet.cli.bench_person import Account
from signet.cli.cluster import Kept, stores_of
from signet.cli.failures import Exit, explained
from signet.cli.options import Json
from signet.cluster.cluster import Cluster
from signet.cluster.state import PodState
from signet.core.ids import ShardId, UserId
from signet.core.ring import Ring
from signet.core.shards import place
from signet.data_folder import DataFolder
from signet.ports.members import Kind

CONNECTIONS = 1000  # more than a device opens in one phase
LOOK_EVERY = 0.2  # seconds between two looks at whether shards have come to rest
SETTLES_WITHIN = 120.0
GATEWAYS = 2

Owners = Mapping[ShardId, str]


@dataclass(frozen=True, slots=True)
class Size:
    """People, messages a second, seconds of a phase; `join_s` of one in which a router joins."""

    people: int
    rate: int
    seconds: float
    join_s: float
    routers: int


def scale(
    rate: Annotated[int, typer.Option(min=1, help="Messages a second, at each size.")] = 300,
    stores: Annotated[
        Kept, typer.Option(help="SQLite files that all share, or the servers that are named.")
    ] = Kept.EMBEDDED,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings: stores.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small and short: does it run?")] = False,
    as_json: Json = False,
) -> None:
    """CPU a message and p99 with 1, 2 and 3 routers; which shards move when one joins."""
    out = look.console(stderr=as_json)
    size = Size(200, rate, seconds=10, join_s=20, routers=3)
    if quick:
        size = Size(20, min(rate, 50), seconds=1, join_s=2, routers=2)
    with explained(as_json), tempfile.TemporaryDirectory(prefix="signet-bench-") as folder:
        urls = stores_of(stores, table.load(config), {})
        result = asyncio.run(_scale(Path(folder), size, urls, out.print))
    if as_json:
        print(json.dumps(result))
    else:
        _show(result)
    if any("failed" in one or not one.get("settled", True) for one in result["sizes"]):
        raise typer.Exit(Exit.FAILED)


async def _scale(
    folder: Path, size: Size, urls: Mapping[str, str], say: Callable[[str], None]
) -> dict[str, Any]:
    say("[quiet]how fast is this disk? …[/]")
    result: dict[str, Any] = {"machine": machine(folder), "rate": size.rate, "sizes": []}
    counts = {Kind.GATEWAY: GATEWAYS, Kind.ROUTER: 1, Kind.KEYS: 1}
    cluster = Cluster(folder / "cluster", counts, stores=urls, settings=LIMITS_OFF)
    async with cluster:
        say(f"[quiet]{size.people} people register …[/]")
        people = await accounts(cluster.entries.keys_grpc[0], size.people)
        bench = Scale(cluster, people, size)
        for routers in range(1, size.routers + 1):
            if routers > 1:
                say(f"[quiet]router {routers} joins …[/]")
                result["sizes"].append(await bench.grow())
            say(f"[quiet]{routers} router{'s' if routers > 1 else ''} …[/]")
            result["sizes"].append({"routers": str(routers), **await bench.measure()})
        result["restarts"] = await bench.restarts()
    return result


class Scale:
    """A cluster that grows. Figures are those of bench_load.Figures, or `failed`."""

    def __init__(self, cluster: Cluster, people: Sequence[Account], size: Size) -> None:
        self._cluster, self._people, self._size = cluster, people, size
        self._phases = 0

    async def measure(self) -> dict[str, Any]:
        """One phase of steady load; `gateway_cpu` and `router_cpu` are of those kinds alone."""
        pods = await self._pods()
        figures = await self._load(pods, self._size.seconds)
        cpu: Counter[str] = Counter()
        for pod, spent in zip(pods, figures.get("cpus", ()), strict=False):
            cpu[f"{pod.kind}_cpu"] += spent
        return {**figures, **cpu}

    async def grow(self) -> dict[str, Any]:
        """A router joins under load: how many shards moved, and whence; how late messages were."""
        before = await self._owners()
        pods = await self._pods()
        load, join = self._load(pods, self._size.join_s), self._join()
        figures, (name, settled) = await asyncio.gather(load, join)
        after = await self._owners()
        figures.pop("server_cpu", None)  # without the new one's it would be of half the work
        moved = [shard for shard, owner in after.items() if owner != before[shard]]
        return {
            **figures,
            "routers": f"{len(set(before.values()))} → {len(set(after.values()))}",
            "settled": settled,
            "shards": len(after),
            "moved": len(moved),
            "moved_to_the_new": sum(after[shard] == name for shard in moved),
        }

    async def _pods(self) -> Sequence[PodState]:
        """Gateways and routers, once all of them answer."""
        kinds = {Kind.GATEWAY, Kind.ROUTER}
        async with asyncio.timeout(SETTLES_WITHIN):
            while True:
                pods = [pod for pod in await self._cluster.pods() if pod.kind in kinds]
                if all(pod.status for pod in pods):
                    return pods
                await asyncio.sleep(LOOK_EVERY)

    async def restarts(self) -> int:
        """Pods that ended by themselves, and were started again."""
        return sum(pod.restarts for pod in await self._cluster.pods())

    async def _load(self, pods: Sequence[PodState], seconds: float) -> dict[str, Any]:
        """Everybody at the gateway where the ring has them, so that nobody is asked to move."""
        gateways = {pod.name: pod.addresses["websocket"] for pod in pods if pod.kind == "gateway"}
        ring = Ring(gateways)
        places = [gateways[ring.at(UserId(one.user)) or ""] for one in self._people]
        self._phases += 1
        first, *others = [pod.pid for pod in pods]
        plan = Plan(
            transport="websocket",
            address="",
            server_pid=first,
            accounts=self._people,
            rates=(self._size.rate,),
            seconds=seconds,
            closed=0,
            counter=self._phases * CONNECTIONS,
            places=places,
            others=others,
            steady=True,
        )
        measured = await load(plan)
        phase: dict[str, Any] = next(iter(measured["phases"]), {})
        return phase | ({"failed": measured["failed"]} if "failed" in measured else {})

    async def _join(self) -> tuple[str, bool]:
        """Add a router; its name, and whether each router came to hold what is placed on it."""
        name = self._cluster.add(Kind.ROUTER)
        await self._cluster.up(name)
        await self._cluster.ready(name)
        shards = table.load().shards
        wanted = Counter(place(shards, self._cluster.of(Kind.ROUTER)).values())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLES_WITHIN):
                while True:
                    if wanted == await self._holding():
                        return name, True
                    await asyncio.sleep(LOOK_EVERY)
        return name, False

    async def _holding(self) -> dict[str, int]:
        pods = await self._cluster.pods()
        return {pod.name: pod.load for pod in pods if pod.kind is Kind.ROUTER}

    async def _owners(self) -> Owners:
        """By the rows of the inbox store, which are the truth (L6)."""
        names = {pod.status["incarnation"]: pod.name for pod in await self._pods()}
        embedded = f"sqlite:///{DataFolder(self._cluster.data).inbox}"
        store = adapters.open_inbox(
            self._cluster.stores.get("inbox") or embedded, table.load().shards
        )
        try:
            rows = await store.shards()
        finally:
            await store.close()
        return {row.shard: names.get(row.owner.hex() if row.owner else "", "") for row in rows}


COLUMNS = (
    ("routers", "[copy]{routers}[/]"),
    ("/s", "{rate:.0f}"),
    ("SENT 50", "{sent_p50:.1f}"),
    ("99", "{sent_p99:.1f}"),
    ("there 50", "{received_p50:.1f}"),
    ("99", "{received_p99:.1f}"),
    ("gate", "{gateway_cpu:.2f}"),
    ("route", "{router_cpu:.2f}"),
    ("both", "[copy]{server_cpu:.2f}[/]"),
    ("busy", "{busy:.0f} %"),
)


def _show(result: dict[str, Any]) -> None:
    out, of = look.console(), result["machine"]
    out.print(
        f"[quiet]{of['cores']} cores, {of['busy_before']:.0f} % busy before; fsync p50"
        f" {of['fsync_p50_ms']:.2f} ms, p99 {of['fsync_p99_ms']:.2f} ms; {GATEWAYS} gateways,"
        f" {result['rate']} messages a second of 300 bytes.\n"
        "From send to SENT, and to the other device: p50 and p99 in ms. CPU seconds of gateways,\n"
        "routers and both for 1,000 messages. How busy the whole machine was, the load with it.[/]"
    )
    shown = Table(box=None, header_style="quiet")
    for head, _ in COLUMNS:
        shown.add_column(head, justify="right", no_wrap=True)
    for one in result["sizes"]:
        if "phase" in one:
            shown.add_row(*(_cell(cell, one) for _, cell in COLUMNS))
    out.print(shown, soft_wrap=False)
    for one in result["sizes"]:
        if "moved" in one:
            share = 100 * one["moved"] / one["shards"]
            out.print(
                f"  {one['routers']} routers: [copy]{one['moved']}[/] of {one['shards']} shards"
                f" moved ({share:.0f} %), {one['moved_to_the_new']} of them to the new one"
            )
        if not one.get("settled", True):
            out.print(f"  {one['routers']} routers: [bad]not at rest[/] after {SETTLES_WITHIN:g} s")
        if "failed" in one:
            out.print(f"  {one['routers']} routers: [bad]failed[/]: {one['failed']}")
    if result["restarts"]:
        out.print(f"  [bad]{result['restarts']}[/] pods ended meanwhile, and were started again")


def _cell(cell: str, figures: dict[str, Any]) -> str:
    """A dash for what is not known: the CPU while a router joins."""
    try:
        return cell.format(**figures)
    except KeyError:
        return "–"
