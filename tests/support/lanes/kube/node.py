"""A node: containerd, kubelet and kube-proxy in a network namespace, wired to the control plane.

Pods get addresses of the node's own range; every node and the control plane reach them directly.
"""

import contextlib
import json
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.lanes.kube import leftovers
from tests.support.lanes.kube.api import DNS
from tests.support.lanes.kube.network import Network
from tests.support.lanes.kube.pki import Pki
from tests.support.lanes.kube.programs import Programs, render
from tests.support.lanes.server import Server

CONTAINERD, CTR = "/usr/bin/containerd", "/usr/bin/ctr"
OPEN_FILES = 20_000
GATEWAY = "10.250.0.1"  # the control plane's own address, on the bridge `nodes`


class Node:
    """Number `n` is `node-n`, at 10.250.0.(10+n), with pods in 10.244.n.0/24."""

    def __init__(
        self, number: int, folder: Path, built: Programs, pki: Pki, control: Network
    ) -> None:
        self.name, self.number, self.folder = f"node-{number}", number, folder
        self.address, self.pods = f"10.250.0.{10 + number}", f"10.244.{number}.0/24"
        self.network, self._control = Network(f"{control.name}-{number}"), control
        folder.mkdir()
        self._render(pki)
        self.containerd = self._server(
            "containerd", [CONTAINERD, "-c", str(folder / "containerd.toml")], self._answers
        )
        self.kubelet = self._server("kubelet", [built.path("kubelet"), *self._kubelet(pki)])
        proxy = [built.path("kube-proxy"), "--config", str(folder / "proxy.yaml")]
        self.proxy = self._server("kube-proxy", proxy)

    # --- life -----------------------------------------------------------------------------------

    def wire(self) -> None:
        """Make its network, and the control plane's way into it."""
        network, control, name = self.network, self._control, f"node{self.number}"
        network.make()
        control.ip("link", "add", name, "type", "veth", "peer", "eth0", "netns", network.name)
        control.ip("link", "set", name, "master", "nodes", "up")
        network.ip("addr", "add", f"{self.address}/24", "dev", "eth0")
        network.ip("link", "set", "eth0", "up")
        network.ip("route", "add", "default", "via", GATEWAY)
        control.ip("route", "add", self.pods, "via", self.address)
        network.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        network.run("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")

    def start(self) -> None:
        self.containerd.start()
        self.kubelet.start()
        self.proxy.start()

    def stop_kubelet(self) -> None:
        """Its pods go on; the cluster hears nothing more of the node until `start_kubelet`."""
        self.kubelet.kill()

    def start_kubelet(self) -> None:
        self.kubelet.start()

    def cut_off(self) -> None:
        """Nobody reaches the node or its pods, and they nobody, until `join`."""
        self._control.ip("link", "set", f"node{self.number}", "down")

    def join(self) -> None:
        """The end of `cut_off`."""
        self._control.ip("link", "set", f"node{self.number}", "up")

    def load(self, archive: Path) -> None:
        """Import the images of an archive (docker's or OCI's)."""
        self._ctr("-n", "k8s.io", "images", "import", str(archive))

    def digest(self, image: str) -> str:
        """Of an image that is here: `sha256:…`."""
        listed = self._ctr("-n", "k8s.io", "images", "list", f"name=={image}").splitlines()
        return listed[1].split()[2]

    def name_image(self, image: str, name: str) -> None:
        """Give an image that is here another name, too."""
        self._ctr("-n", "k8s.io", "images", "tag", "--force", image, name)

    def kill(self) -> None:
        """SIGKILL, pods included; what they had mounted is given back."""
        for server in (self.kubelet, self.proxy, self.containerd):
            server.kill()
        leftovers.end_pods(self.folder)
        leftovers.remove_networks(self.network)
        # a hundred thousand small files: Python takes half a minute for them
        subprocess.run(["rm", "-rf", str(self.folder / "images")], check=False, capture_output=True)

    # --- how it is started ----------------------------------------------------------------------

    def _server(
        self, name: str, command: list[str], ready: Callable[[Server], bool] = lambda it: True
    ) -> Server:
        where = self.folder / name
        where.mkdir()
        return self.network.move(Server(name, where, 0, command, ready))

    def _answers(self, server: Server) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._ctr("version")
            return True
        return False

    def _ctr(self, *arguments: str) -> str:
        return _output(CTR, "-a", str(self.folder / "cd.sock"), *arguments)

    def _render(self, pki: Pki) -> None:
        folder = self.folder
        (folder / "cni").mkdir()
        values = {
            "LANE": folder,
            "NAME": self.name,
            "ADDRESS": self.address,
            "PODS": self.pods,
            "DNS": DNS,
            "KUBECONFIG": pki.kubeconfig("proxy"),
        }
        for name in ("containerd.toml", "kubelet.yaml", "proxy.yaml"):
            render(name, folder / name, **values)
        render("pods.conflist", folder / "cni" / "pods.conflist", **values)
        (folder / "base-spec.json").write_text(_spec())

    def _kubelet(self, pki: Pki) -> list[str]:
        return [
            f"--config={self.folder / 'kubelet.yaml'}",
            f"--kubeconfig={pki.kubeconfig('kubelet-' + self.name)}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--cert-dir={self.folder / 'kubelet/pki'}",
            f"--hostname-override={self.name}",
            f"--node-ip={self.address}",
            f"--node-labels=topology.kubernetes.io/zone=zone-{self.number}",
        ]


def _spec() -> str:
    """A container's, with as many open files as may be had here: runc fails with more."""
    spec = json.loads(_output(CTR, "oci", "spec"))
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], OPEN_FILES)
    spec["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": hard, "hard": hard}]
    spec["process"].pop("oomScoreAdj", None)
    return json.dumps(spec)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
