"""The metrics of a lane's pods, as an API of Kubernetes: what a test says that they use."""

import json
import ssl
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.kube_messenger import until
from tests.support.lanes.kube import Kube, KubectlFailed
from tests.support.lanes.kube.node import GATEWAY

API = "metrics.k8s.io"
NAME, NAMESPACE = "lane-metrics", "kube-system"


class MetricsApi:
    """Open inside of `with`. All pods that are asked for share `memory_mib` evenly."""

    def __init__(self, kube: Kube) -> None:
        self.memory_mib = 0
        self._kube = kube

    def __enter__(self) -> Self:
        context, pki = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._kube.pki
        context.load_cert_chain(pki.path("front-proxy.crt"), pki.path("front-proxy.key"))
        with self._kube.network.entered():
            self._server = ThreadingHTTPServer((GATEWAY, 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._kube.kubectl.apply(_objects(int(self._server.server_address[1])))
        until("an API of metrics", self._answers)
        return self

    def __exit__(self, *_: object) -> None:
        self._kube.kubectl("delete", "apiservice", f"v1beta1.{API}")
        for kind in ("service", "endpointslice"):
            self._kube.kubectl("delete", "-n", NAMESPACE, kind, NAME)
        self._server.shutdown()
        self._server.server_close()

    def _answers(self) -> bool:
        try:
            self._kube.kubectl("get", "--raw", f"/apis/{API}/v1beta1")
        except KubectlFailed:
            return False
        return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        say = self._say

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(say(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        return Handler

    def _say(self, path: str) -> Any:
        asked = urlsplit(path)
        parts = asked.path.strip("/").split("/")
        if len(parts) < 6:  # apis/metrics.k8s.io/v1beta1/namespaces/<namespace>/pods
            return _resources()
        labels = parse_qs(asked.query).get("labelSelector", [""])[0]
        pods = self._kube.kubectl.get("pods", "-n", parts[4], "-l", labels)["items"]
        each = self.memory_mib * 1024 // max(1, len(pods))
        items = [_metrics(pod, f"{each}Ki") for pod in pods]
        return {"kind": "PodMetricsList", "apiVersion": f"{API}/v1beta1", "items": items}


def _metrics(pod: Any, memory: str) -> Any:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    name = pod["spec"]["containers"][0]["name"]
    return {
        "metadata": {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]},
        "timestamp": now,
        "window": "1s",
        "containers": [{"name": name, "usage": {"cpu": "10m", "memory": memory}}],
    }


def _resources() -> Any:
    pods = {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics"}
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{API}/v1beta1",
        "resources": [{**pods, "verbs": ["get", "list"]}],
    }


def _objects(port: int) -> list[Any]:
    """A Service without pods: the server is outside of the cluster."""
    named = {"name": NAME, "namespace": NAMESPACE}
    ports = [{"name": "https", "port": 443, "targetPort": port}]
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": named, "spec": {"ports": ports}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**named, "labels": {"kubernetes.io/service-name": NAME}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [GATEWAY], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": port}],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"v1beta1.{API}"},
            "spec": {
                "group": API,
                "version": "v1beta1",
                "insecureSkipTLSVerify": True,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": named,
            },
        },
    ]
