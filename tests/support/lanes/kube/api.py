"""A control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler. No root needed.

Nothing is kept: etcd does not fsync, and all ends by SIGKILL with the test run at the latest.
"""

import ssl
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.lanes.cache import Say
from tests.support.lanes.kube import programs
from tests.support.lanes.kube.kubectl import Kubectl, KubectlFailed, Object
from tests.support.lanes.kube.kwok import Kwok
from tests.support.lanes.kube.network import Network
from tests.support.lanes.kube.pki import Pki
from tests.support.lanes.server import LOOPBACK, PROBE_S, READY_TIMEOUT_S, Server, free_port

SERVICES = "10.96.0.0/16"
FIRST_SERVICE, DNS = "10.96.0.1", "10.96.0.10"
# How soon the death of a node is noticed, and its pods are marked as gone: both are minutes by
# default. The scale of an HPA moves within seconds, too.
NODE_GRACE_S, EVICT_AFTER_S = 12, 5


class KubeApi:
    """`start` it; `kubeconfig` is the administrator's. `network`: where it runs."""

    def __init__(
        self,
        folder: Path,
        built: programs.Programs,
        address: str = LOOPBACK,
        network: Network = Network(),  # noqa: B008 - a value
        nodes: Iterable[str] = (),
    ) -> None:
        self.folder, self.built, self.network = folder, built, network
        self.port, etcd, peers = free_port(), free_port(), free_port()
        self.pki = Pki(folder / "pki", self.port).write(address, FIRST_SERVICE, list(nodes))
        self.kubeconfig = self.pki.kubeconfig("admin")
        self.started_in_s = 0.0
        self.etcd = self._server("etcd", etcd, _etcd(etcd, peers))
        self.api = self._server("kube-apiserver", self.port, self._api(etcd, address))
        self.controllers = self._server("kube-controller-manager", 0, self._controllers())
        self.scheduler = self._server("kube-scheduler", 0, self._client())
        self.kubectl = Kubectl([*network.prefix, built.path("kubectl")], self.kubeconfig)
        self._kwok: list[Kwok] = []

    # --- life -----------------------------------------------------------------------------------

    def start(self) -> "KubeApi":
        """Pods can be made when it returns."""
        began = time.monotonic()
        self.etcd.start()
        self.api.start()
        self.controllers.start()
        self.scheduler.start()
        self.await_account()
        self.started_in_s = time.monotonic() - began
        return self

    def kill(self) -> None:
        """SIGKILL, all of it: it is thrown away."""
        for server in (*self._kwok, self.scheduler, self.controllers, self.api, self.etcd):
            server.kill()

    end = kill

    def restart(self) -> None:
        """On the same data and ports."""
        self.kill()
        self.start()

    def stop_api(self) -> None:
        """Nobody answers until `start_api`: connections are refused."""
        self.api.kill()

    def start_api(self) -> None:
        """Answers when it returns."""
        self.api.start()

    @contextmanager
    def without_api(self) -> Iterator[None]:
        """The API server is away inside."""
        self.stop_api()
        try:
            yield
        finally:
            self.start_api()

    def fake_nodes(self, count: int) -> Kwok:
        """Nodes on which pods are Ready at once and run nothing (kwok). For tests of that lane."""
        kwok = Kwok(self.folder / f"kwok-{len(self._kwok)}", self.kubeconfig)
        self._kwok.append(kwok.start())
        self.apply(kwok.nodes(count))
        return kwok

    # --- what tests do with it ------------------------------------------------------------------

    def apply(self, objects: Iterable[Object]) -> None:
        """Raises KubectlFailed."""
        self.kubectl.apply(objects, "--force-conflicts")

    # --- how it is started ----------------------------------------------------------------------

    def _server(self, name: str, port: int, options: list[str]) -> Server:
        where = self.folder / name
        where.mkdir(parents=True)
        ready = {"etcd": _healthy, "kube-apiserver": self._api_ready}.get(name, lambda it: True)
        command = [self.built.path(name), *options]
        return self.network.move(Server(name, where, port, command, ready))

    def _api(self, etcd: int, address: str) -> list[str]:
        pki, alone = self.pki, address == LOOPBACK
        return [
            f"--etcd-servers=http://{LOOPBACK}:{etcd}",
            f"--bind-address={LOOPBACK if alone else '0.0.0.0'}",
            f"--advertise-address={address}",
            f"--secure-port={self.port}",
            *(["--endpoint-reconciler-type=none"] if alone else []),
            f"--tls-cert-file={pki.path('kube-apiserver.crt')}",
            f"--tls-private-key-file={pki.path('kube-apiserver.key')}",
            f"--client-ca-file={pki.path('ca.crt')}",
            f"--token-auth-file={pki.path('tokens.csv')}",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki.path('sa.key')}",
            f"--service-account-signing-key-file={pki.path('sa.key')}",
            f"--requestheader-client-ca-file={pki.path('ca.crt')}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki.path('front-proxy.crt')}",
            f"--proxy-client-key-file={pki.path('front-proxy.key')}",
            # an API of pods (metrics, webhooks) is reached at its pods: there is no kube-proxy here
            "--enable-aggregator-routing=true",
            "--kubelet-preferred-address-types=InternalIP",
            f"--default-not-ready-toleration-seconds={EVICT_AFTER_S}",
            f"--default-unreachable-toleration-seconds={EVICT_AFTER_S}",
        ]

    def _client(self) -> list[str]:
        config = self.kubeconfig
        return [
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--secure-port=0",
            "--leader-elect=false",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]

    def _controllers(self) -> list[str]:
        pki = self.pki
        return [
            *self._client(),
            f"--service-account-private-key-file={pki.path('sa.key')}",
            f"--root-ca-file={pki.path('ca.crt')}",
            "--use-service-account-credentials",
            f"--cluster-signing-cert-file={pki.path('ca.crt')}",
            f"--cluster-signing-key-file={pki.path('ca.key')}",
            "--horizontal-pod-autoscaler-sync-period=2s",
            "--horizontal-pod-autoscaler-downscale-stabilization=5s",
            f"--node-monitor-grace-period={NODE_GRACE_S}s",
            "--node-monitor-period=1s",
        ]

    # --- readiness ------------------------------------------------------------------------------

    def _api_ready(self, server: Server) -> bool:
        trust = ssl.create_default_context(cafile=self.pki.path("ca.crt"))
        token = self.kubeconfig.read_text().split('token: "')[1].split('"')[0]
        request = urllib.request.Request(
            f"https://{server.url}/readyz", headers={"Authorization": f"Bearer {token}"}
        )
        with suppress(OSError), urllib.request.urlopen(request, timeout=5, context=trust) as said:
            return bool(said.status == 200)
        return False

    def await_account(self, namespace: str = "default") -> None:
        """No pod is made before the namespace has its service account."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            try:
                self.kubectl("get", "serviceaccount", "default", "-n", namespace)
                return
            except KubectlFailed:
                if time.monotonic() > deadline:
                    raise RuntimeError(self.controllers.said()[-3000:]) from None
                time.sleep(PROBE_S)


def _etcd(port: int, peers: int) -> list[str]:
    clients, others = f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{peers}"
    return [
        "--data-dir=data",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={clients}",
        f"--advertise-client-urls={clients}",
        f"--listen-peer-urls={others}",
        f"--initial-advertise-peer-urls={others}",
        f"--initial-cluster=default={others}",
    ]


def _healthy(server: Server) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://{server.url}/health", timeout=2) as it:
        return bool(it.status == 200)
    return False


def fetch(say: Say) -> programs.Programs:
    return programs.control(say)


def make(folder: Path, say: Say) -> KubeApi:
    return KubeApi(folder, fetch(say))
