"""A cluster that runs pods: a control plane and two nodes, each in a network namespace.

Where what is (all of it inside): the control plane, CoreDNS and the stores of tests at 10.250.0.1;
nodes at 10.250.0.10 and on. From there, which is outside of the cluster, pods and NodePorts are
reached, ClusterIPs are not. On this machine's loopback the API has the same port, so that its
kubeconfig is good here, too.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.lanes.cache import Say
from tests.support.lanes.kube import leftovers, programs
from tests.support.lanes.kube.api import DNS, KubeApi
from tests.support.lanes.kube.kubectl import Object
from tests.support.lanes.kube.node import GATEWAY, Node
from tests.support.lanes.kube.programs import FILES, render
from tests.support.lanes.kube.tunnel import Tunnel
from tests.support.lanes.server import PROBE_S, READY_TIMEOUT_S, Server

NODES = 2
READY = ("Ready", "True")


class Kube(KubeApi):
    """`start` it; once in a process at a time."""

    def __init__(self, folder: Path, built: programs.Programs, nodes: int = NODES) -> None:
        leftovers.sweep()
        run = os.getpid()
        network = leftovers.network(run)
        names = [f"node-{number}" for number in range(nodes)]
        super().__init__(folder, built, GATEWAY, network, names)
        self._run = run
        self.nodes = [
            Node(n, folder / name, built, self.pki, network) for n, name in enumerate(names)
        ]
        self.dns = self._coredns()
        self._tunnels: list[Tunnel] = []

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> "Kube":
        """All nodes are Ready when it returns."""
        began = time.monotonic()
        leftovers.remember(self._run, self.folder)
        self._wire()
        self._tunnels.append(Tunnel(self.network, ("127.0.0.1", self.port), self.port))
        super().start()
        self.kubectl("apply", "-f", str(FILES / "rbac.yaml"))
        self.dns.start()
        self._each(Node.start)
        self.load(programs.pause(print))
        self.await_nodes()
        self.started_in_s = time.monotonic() - began
        return self

    def kill(self) -> None:
        """Nothing is left: no process, mount, namespace, cgroup."""
        self._each(Node.kill)
        self.dns.kill()
        super().kill()
        for tunnel in self._tunnels:
            tunnel.close()
        self.network.remove()
        leftovers.forget(self._run)

    end = kill

    # --- what tests do with it ------------------------------------------------------------------

    def load(self, archive: Path) -> None:
        """Images, for all nodes."""
        self._each(lambda node: node.load(archive))

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes if node.name == name)

    def await_nodes(self) -> None:
        """All are Ready when it returns."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while self.ready_nodes() != {node.name for node in self.nodes}:
            if time.monotonic() > deadline:
                raise RuntimeError(self.nodes[0].kubelet.said()[-3000:])
            time.sleep(PROBE_S)

    def ready_nodes(self) -> set[str]:
        """Those of which the cluster hears."""
        nodes = self.kubectl.get("nodes")["items"]
        return {node["metadata"]["name"] for node in nodes if READY in _conditions(node)}

    def tunnel(self, host: str, port: int) -> int:
        """The port of this machine's loopback that leads to an address inside."""
        tunnel = Tunnel(self.network, (host, port))
        self._tunnels.append(tunnel)
        return tunnel.port

    # --- how it is started ----------------------------------------------------------------------

    def _wire(self) -> None:
        network = self.network
        network.make()
        network.ip("link", "add", "nodes", "type", "bridge")
        network.ip("addr", "add", f"{GATEWAY}/24", "dev", "nodes")
        network.ip("addr", "add", f"{DNS}/32", "dev", "nodes")
        network.ip("link", "set", "nodes", "up")
        network.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        for node in self.nodes:
            node.wire()
        for node in self.nodes:
            for other in self.nodes:
                if other is not node:
                    node.network.ip("route", "add", other.pods, "via", other.address)

    def _each(self, work: Callable[[Node], object]) -> None:
        with ThreadPoolExecutor(len(self.nodes)) as threads:
            list(threads.map(work, self.nodes))

    def _coredns(self) -> Server:
        where = self.folder / "coredns"
        where.mkdir()
        values = {"DNS": DNS, "KUBECONFIG": self.kubeconfig}
        file = render("Corefile", where / "Corefile", **values)
        command = [str(self.built.coredns), "-conf", str(file)]
        return self.network.move(Server("coredns", where, 0, command, _serves))


def _conditions(node: Object) -> set[tuple[str, str]]:
    return {(one["type"], one["status"]) for one in node["status"].get("conditions", ())}


def _serves(server: Server) -> bool:
    return "CoreDNS-" in server.said()


def fetch(say: Say) -> programs.Programs:
    built = programs.nodes(say)
    programs.pause(say)
    return built


def make(folder: Path, say: Say) -> Kube:
    return Kube(folder, fetch(say))
