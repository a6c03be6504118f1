"""One operator and a fleet of clusters on nodes that run nothing (issue 5, "It must show" 3).

Run by hand: `python -m tests.bench.bench_fleet [--clusters 300] [--rest 300]`. A control plane of
its own with kwok, the operator's process, one server that is the admin port of every pod. What it
prints is one table; `docs/kubernetes/fleet.md` says what each line means.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from prometheus_client.parser import text_string_to_metric_families

from signet_operator.names import CLUSTERS
from tests.bench.fleet_pods import FleetPods
from tests.kube.applying import install
from tests.support.crds import cluster
from tests.support.lanes.kube import KubeApi, api
from tests.support.lanes.server import LOOPBACK, Server, accepts, free_port

NAMESPACES = 10
PODS_A_NODE = 400
AT_A_TIME = 50  # clusters in one `kubectl apply`
POLL_S, SAMPLE_S = 2.0, 5.0
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """The operator's process at a time: CPU seconds and counters are since its start."""

    at: float
    cpu_s: float
    rss: int
    writes: float
    dry_runs: float
    looks: float


class Fleet:
    """A control plane, an operator, clusters. `count` of them; every one is like the others, but
    that two of three have a gateway more.
    """

    def __init__(self, kube: KubeApi, operator: Server, pods: FleetPods, count: int) -> None:
        self.kube, self.operator, self.pods, self.count = kube, operator, pods, count
        port = operator.port
        [found] = [c for c in psutil.net_connections("tcp4") if _listens(c, port)]
        self.process = psutil.Process(found.pid)

    # --- clusters -------------------------------------------------------------------------------

    def gateways(self, number: int) -> int:
        return 2 if number % 3 == 2 else 3

    @property
    def pods_asked(self) -> int:
        return sum(self.gateways(number) + 4 for number in range(self.count))

    def resource(self, number: int, gateways: int) -> Mapping[str, Any]:
        tiers = {
            "gateway": {"replicas": gateways, "drain": {"deadlineSeconds": 60}},
            "router": {"replicas": 2},
            "keys": {"replicas": 1},
            "push": {"replicas": 1},
        }
        return cluster(f"chat-{number}", f"fleet-{number % NAMESPACES}", **tiers)

    def apply(self, fewer: int = 0) -> None:
        """All of them, with so many gateways fewer each."""
        made = [self.resource(n, self.gateways(n) - fewer) for n in range(self.count)]
        for first in range(0, self.count, AT_A_TIME):
            self.kube.apply(made[first : first + AT_A_TIME])

    def settled(self, fewer: int = 0) -> int:
        """How many clusters are Ready with the pods that they were asked for."""
        fields = "{.status.phase} {.status.ready} {.status.tiers.gateway.replicas}"
        path = f"jsonpath={{range .items[*]}}{{.metadata.name}} {fields}{{'\\n'}}{{end}}"
        lines = self.kube.kubectl("get", CLUSTERS, "-A", "-o", path).splitlines()
        said = {line.split()[0]: line.split()[1:] for line in lines if line.split()}
        return sum(
            said.get(f"chat-{n}") == _when_settled(self.gateways(n) - fewer)
            for n in range(self.count)
        )

    # --- the operator ---------------------------------------------------------------------------

    def sample(self) -> Sample:
        with urllib.request.urlopen(f"http://{self.operator.url}/metrics", timeout=30) as page:
            text = page.read().decode()
        found = [s for f in text_string_to_metric_families(text) for s in f.samples]
        writes = [s for s in found if s.name == "signet_operator_writes_total"]
        used = self.process.cpu_times()
        return Sample(
            at=time.monotonic(),
            cpu_s=used.user + used.system,
            rss=self.process.memory_info().rss,
            writes=sum(s.value for s in writes if s.labels["verb"] != "dry run"),
            dry_runs=sum(s.value for s in writes if s.labels["verb"] == "dry run"),
            looks=sum(s.value for s in found if s.name == "signet_operator_looks_total"),
        )


def _listens(connection: Any, port: int) -> bool:
    return bool(connection.status == psutil.CONN_LISTEN and connection.laddr.port == port)


def _when_settled(gateways: int) -> list[str]:
    return ["Ready", f"{gateways + 4}/{gateways + 4}", str(gateways)]


# --- what is measured ----------------------------------------------------------------------------


async def until_settled(fleet: Fleet, within_s: float, fewer: int = 0) -> float:
    """Seconds until every cluster is as it was asked. Raises TimeoutError."""
    began = time.monotonic()
    while True:
        done = await asyncio.to_thread(fleet.settled, fewer)
        passed = time.monotonic() - began
        if done == fleet.count:
            return passed
        if passed > within_s:
            raise TimeoutError(f"{done} of {fleet.count} after {passed:.0f} s")
        await asyncio.sleep(POLL_S)


async def phase(fleet: Fleet, work: Callable[[], Awaitable[float]]) -> tuple[float, Sample, Sample]:
    """How long it took, and the operator before and after."""
    before = await asyncio.to_thread(fleet.sample)
    took = await work()
    return took, before, await asyncio.to_thread(fleet.sample)


async def rest(fleet: Fleet, seconds: float) -> list[Sample]:
    """Nothing is asked of anybody."""
    samples = [await asyncio.to_thread(fleet.sample)]
    while samples[-1].at - samples[0].at < seconds:
        await asyncio.sleep(min(SAMPLE_S, seconds))
        samples.append(await asyncio.to_thread(fleet.sample))
    return samples


def slope(samples: Sequence[Sample]) -> float:
    """Of memory, by least squares, in MiB an hour."""
    at = [s.at - samples[0].at for s in samples]
    rss = [s.rss / MIB for s in samples]
    mid, level = sum(at) / len(at), sum(rss) / len(rss)
    moved = sum((x - mid) * (y - level) for x, y in zip(at, rss, strict=True))
    return 3600 * moved / (sum((x - mid) ** 2 for x in at) or 1.0)


def rows(name: str, took: float, before: Sample, after: Sample) -> list[tuple[str, str]]:
    """Of a phase in which something was done."""
    return [
        (f"{name}: s", f"{took:.0f}"),
        (f"{name}: operator's CPU, s", f"{after.cpu_s - before.cpu_s:.1f}"),
        (f"{name}: looks", f"{after.looks - before.looks:.0f}"),
        (f"{name}: writes", f"{after.writes - before.writes:.0f}"),
        (f"{name}: dry runs", f"{after.dry_runs - before.dry_runs:.0f}"),
        (f"{name}: operator's memory after it, MiB", f"{after.rss / MIB:.0f}"),
    ]


def rows_at_rest(samples: Sequence[Sample], calls: int) -> list[tuple[str, str]]:
    """Of minutes in which nothing happened."""
    first, last = samples[0], samples[-1]
    seconds = last.at - first.at
    cpu = 100 * (last.cpu_s - first.cpu_s) / seconds
    return [
        ("at rest: s", f"{seconds:.0f}"),
        ("at rest: writes a minute", f"{60 * (last.writes - first.writes) / seconds:.1f}"),
        ("at rest: dry runs a minute", f"{60 * (last.dry_runs - first.dry_runs) / seconds:.1f}"),
        ("at rest: looks a second", f"{(last.looks - first.looks) / seconds:.1f}"),
        ("at rest: pods asked a second", f"{calls / seconds:.0f}"),
        ("at rest: operator's CPU, % of a core", f"{cpu:.1f}"),
        ("at rest: memory first, last, MiB", f"{first.rss / MIB:.1f}, {last.rss / MIB:.1f}"),
        ("at rest: memory's slope, MiB an hour", f"{slope(samples):+.1f}"),
    ]


def show(table: Sequence[tuple[str, str]]) -> None:
    print("\n| what | measured |\n|---|---|")
    for name, value in table:
        print(f"| {name} | {value} |")


# --- the run -------------------------------------------------------------------------------------


async def build(arguments: argparse.Namespace, folder: Path, stack: AsyncExitStack) -> Fleet:
    kube = await asyncio.to_thread(api.make, folder / "kube", print)
    stack.callback(kube.kill)
    await asyncio.to_thread(kube.start)
    await asyncio.to_thread(install, kube)
    pods = FleetPods(time.monotonic, random.Random(1))
    await pods.start()
    stack.push_async_callback(pods.stop)
    kube.fake_nodes(2 + arguments.clusters * 7 // PODS_A_NODE)
    kube.apply(_namespace(name) for name in [f"fleet-{n}" for n in range(NAMESPACES)])
    operator = _operator(folder, kube, pods.url)
    stack.callback(operator.kill)
    await asyncio.to_thread(operator.start)
    return Fleet(kube, operator, pods, arguments.clusters)


def _operator(folder: Path, kube: KubeApi, admin_url: str) -> Server:
    port = free_port()
    given = {
        "KUBECONFIG": str(kube.kubeconfig),
        "SIGNET_OPERATOR_ADMIN_URL": admin_url,
        "SIGNET_OPERATOR_HOST": LOOPBACK,
        "SIGNET_OPERATOR_PORT": str(port),
        "SIGNET_OPERATOR_NAME": "fleet",
    }
    where, command = folder / "operator", [sys.executable, "-m", "signet_operator"]
    where.mkdir()
    ready = lambda it: accepts(it.host, it.port)  # noqa: E731 - as the lanes' servers have it
    return Server("operator", where, port, command, ready, environment=given)


def _namespace(name: str) -> Mapping[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


async def measure(arguments: argparse.Namespace, fleet: Fleet) -> list[tuple[str, str]]:
    async def made() -> float:
        began = time.monotonic()
        await asyncio.to_thread(fleet.apply)
        applied = time.monotonic() - began
        return applied + await until_settled(fleet, arguments.within)

    async def shrunk() -> float:
        await asyncio.to_thread(fleet.apply, 1)
        return await until_settled(fleet, arguments.within, 1)

    table = rows("made", *await phase(fleet, made))
    await asyncio.sleep(arguments.settle)
    asked = fleet.pods.calls["pod"]
    samples = await rest(fleet, arguments.rest)
    table += rows_at_rest(samples, fleet.pods.calls["pod"] - asked)
    drained = fleet.pods.calls["drain"]
    table += rows("a gateway fewer each, drained", *await phase(fleet, shrunk))
    return [*table, ("drains ordered", f"{fleet.pods.calls['drain'] - drained}")]


async def bench(arguments: argparse.Namespace) -> None:
    """The whole of it."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        async with AsyncExitStack() as stack:
            fleet = await build(arguments, Path(name), stack)
            print(f"{fleet.count} clusters, {fleet.pods_asked} pods; load before {load:.1f}")
            try:
                show(await measure(arguments, fleet))
            except TimeoutError:
                print(fleet.operator.said()[-3000:])
                raise


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--within", type=float, default=1_800.0, help="seconds for each phase")
    parser.add_argument("--settle", type=float, default=60.0, help="seconds before the rest")
    parser.add_argument("--rest", type=float, default=300.0, help="seconds at rest")
    asyncio.run(bench(parser.parse_args()))


if __name__ == "__main__":
    main()
