"""One operator and a fleet of clusters on nodes that run nothing (issue 5, "It must show" 3).

Run by hand: `python -m tests.bench.bench_fleet [--clusters 300] [--rest 300]`. A control plane of
its own with kwok, the operator's process, one server that is the admin port of every pod. It says
every SAY_S how far it is, and prints the rows of a phase when it ends; `docs/kubernetes/fleet.md`
says what each means. It ends with what it waits for, where nothing goes on any more (Stuck).
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
POLL_S, SAMPLE_S, SAY_S = 2.0, 5.0, 15.0
NAMED = 5  # clusters that are not as they were asked, of which the end says why
MIB = 1 << 20


class Stuck(Exception):
    """Too long without another cluster that is as it was asked, or without the operator."""


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

    def unsettled(self, fewer: int = 0) -> list[int]:
        """The clusters that are not Ready with the pods that they were asked for."""
        fields = "{.status.phase} {.status.ready} {.status.tiers.gateway.replicas}"
        path = f"jsonpath={{range .items[*]}}{{.metadata.name}} {fields}{{'\\n'}}{{end}}"
        lines = self.kube.kubectl("get", CLUSTERS, "-A", "-o", path).splitlines()
        said = {line.split()[0]: line.split()[1:] for line in lines if line.split()}
        return [
            n
            for n in range(self.count)
            if said.get(f"chat-{n}") != _when_settled(self.gateways(n) - fewer)
        ]

    def why(self, number: int) -> str:
        """What is said of one cluster, and its pods that do not run."""
        where = ("-n", f"fleet-{number % NAMESPACES}")
        path = "{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}; {end}"
        shown = ("-o", f"jsonpath={path}")
        said = self.kube.kubectl("get", CLUSTERS, f"chat-{number}", *where, *shown)
        label = f"app.kubernetes.io/instance=chat-{number}"
        pods = self.kube.kubectl("get", "pods", *where, "-l", label, "--no-headers")
        odd = [line for line in pods.splitlines() if " Running " not in line]
        return f"chat-{number}: {said or 'no status'}\n  pods that do not run: {odd or 'none'}"

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


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds for a phase, and without another cluster that is as it was asked."""

    within: float
    stalled: float


async def until_settled(fleet: Fleet, patience: Patience, fewer: int = 0) -> float:
    """Seconds until every cluster is as it was asked. Raises Stuck."""
    began = moved = said = time.monotonic()
    left = fleet.count
    while True:
        missing = await asyncio.to_thread(fleet.unsettled, fewer)
        now = time.monotonic()
        if not missing:
            return now - began
        if len(missing) < left:
            left, moved = len(missing), now
        if now - began > patience.within or now - moved > patience.stalled:
            raise await asyncio.to_thread(_stuck, fleet, missing, now - began, now - moved)
        if now - said > SAY_S:
            said = now
            print(f"  {await asyncio.to_thread(_progress, fleet, left, now - began)}", flush=True)
        await asyncio.sleep(POLL_S)


def _progress(fleet: Fleet, left: int, passed: float) -> str:
    """Raises Stuck: nobody operates."""
    if fleet.process.status() == psutil.STATUS_ZOMBIE:
        raise Stuck("the operator has ended")
    now = fleet.sample()
    used = f"CPU {now.cpu_s:.0f} s, {now.rss / MIB:.0f} MiB"
    return (
        f"{passed:.0f} s: {fleet.count - left} of {fleet.count} clusters; operator: {used},"
        f" {now.looks:.0f} looks, {now.writes:.0f} writes"
    )


def _stuck(fleet: Fleet, missing: Sequence[int], passed: float, still: float) -> Stuck:
    why = "\n".join(fleet.why(number) for number in missing[:NAMED])
    done = fleet.count - len(missing)
    return Stuck(f"{done} of {fleet.count} after {passed:.0f} s, the last {still:.0f} s ago\n{why}")


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
    for name, value in table:
        print(f"| {name} | {value} |", flush=True)


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


async def measure(arguments: argparse.Namespace, fleet: Fleet) -> None:
    patience = Patience(arguments.within, arguments.stalled)

    async def made() -> float:
        began = time.monotonic()
        await asyncio.to_thread(fleet.apply)
        applied = time.monotonic() - began
        return applied + await until_settled(fleet, patience)

    async def shrunk() -> float:
        await asyncio.to_thread(fleet.apply, 1)
        return await until_settled(fleet, patience, 1)

    print("\n| what | measured |\n|---|---|", flush=True)
    show(rows("made", *await phase(fleet, made)))
    await asyncio.sleep(arguments.settle)
    asked = fleet.pods.calls["pod"]
    samples = await rest(fleet, arguments.rest)
    show(rows_at_rest(samples, fleet.pods.calls["pod"] - asked))
    drained = fleet.pods.calls["drain"]
    show(rows("a gateway fewer each, drained", *await phase(fleet, shrunk)))
    show([("drains ordered", f"{fleet.pods.calls['drain'] - drained}")])


async def bench(arguments: argparse.Namespace) -> None:
    """The whole of it."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        async with AsyncExitStack() as stack:
            fleet = await build(arguments, Path(name), stack)
            print(f"{fleet.count} clusters, {fleet.pods_asked} pods; load before {load:.1f}")
            try:
                await measure(arguments, fleet)
            except Exception:
                print(fleet.operator.said()[-3000:])
                raise


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--within", type=float, default=1_800.0, help="seconds for each phase")
    parser.add_argument(  # all take a step before one takes the next: the first is right late
        "--stalled", type=float, default=900.0, help="seconds without another cluster that is right"
    )
    parser.add_argument("--settle", type=float, default=60.0, help="seconds before the rest")
    parser.add_argument("--rest", type=float, default=300.0, help="seconds at rest")
    asyncio.run(bench(parser.parse_args()))


if __name__ == "__main__":
    main()
