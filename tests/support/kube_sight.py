"""Gateways of a messenger on Kubernetes, looked at some times a second while something happens."""

import http.client
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise
from typing import Any
from urllib.parse import quote

from tests.support.kube_messenger import RATE, Messenger
from tests.support.lanes.kube import Kube
from tests.support.lanes.server import LOOPBACK

PERIOD_S = 0.25
CALL_S = 3.0
WINDOW_S = 3.0
PROBES = 7405
GATEWAYS = "app.kubernetes.io/instance=chat,messaging.signet.dev/tier=gateway"
METRIC = re.compile(r"^(signet_streams(?:_opened_total)?)(?:\{[^}]*\})? ([0-9.e+]+)$", re.M)


@dataclass(frozen=True, slots=True)
class Streams:
    """Of one gateway, by its own metrics."""

    open: float
    opened: float  # since its process began


@dataclass(frozen=True, slots=True)
class Sample:
    """`replicas` of the StatefulSet, read before `streams` (by the pod's name) were.

    `at` is between the two, `ended` after them.
    """

    at: float
    replicas: int
    streams: dict[str, Streams]
    ended: float


class Sight:
    """What was seen, the oldest first."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def shrunk_under_streams(self) -> list[tuple[Sample, str]]:
        """Pods that the StatefulSet did not want any more while streams were open on them."""
        return [
            (sample, pod)
            for sample in self.samples
            for pod, streams in sample.streams.items()
            if int(pod.rpartition("-")[2]) >= sample.replicas and streams.open
        ]

    def took(self, replicas: int) -> float:
        """Seconds from the first look until the StatefulSet had so many."""
        there = next(sample.at for sample in self.samples if sample.replicas == replicas)
        return there - self.samples[0].at

    def most_opened(self, window_s: float) -> float:
        """Streams a second that were opened at all gateways together, over the worst window.

        A window is `window_s` long or longer. What two looks see of each other was opened after the
        earlier one began and before the later one ended, however slow they were: so long it lasted.
        One stream may be at each edge.
        """
        steps = [self._opened(a, b) for a, b in pairwise(self.samples)]
        until = list(accumulate(steps, initial=0.0))
        worst = 0.0
        for first, last in combinations(range(len(self.samples)), 2):
            lasted = self.samples[last].ended - self.samples[first].at
            if lasted >= window_s:
                worst = max(worst, (until[last] - until[first] - 1) / lasted)
        return worst

    @staticmethod
    def _opened(earlier: Sample, later: Sample) -> float:
        """Between two looks. A process that is new began with none."""
        total = 0.0
        for pod, now in later.streams.items():
            before = earlier.streams[pod].opened if pod in earlier.streams else 0.0
            total += now.opened - before if now.opened >= before else now.opened
        return total


def drained_at_its_pace(sight: Sight) -> None:
    """It shrank after its pods were empty, and nobody came back faster than was asked for."""
    assert {sample.replicas for sample in sight.samples} == {3, 2, 1}
    assert sight.shrunk_under_streams() == []
    seen = sight.most_opened(WINDOW_S)
    print(f"{seen:.2f} reconnects a second, {RATE} asked for; one is left in {sight.took(1):.0f} s")
    assert seen <= RATE


@contextmanager
def watched(chat: Messenger) -> Iterator[Sight]:
    """Look until the end of the block."""
    sight, ending = Sight(), threading.Event()

    def look() -> None:
        with chat.kube.network.entered():
            while not ending.wait(PERIOD_S):
                with suppress(Exception):  # the API is away, a pod is: there will be another look
                    sight.samples.append(_look(chat.kube, chat.namespace))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield sight
    finally:
        ending.set()
        thread.join()


def _look(kube: Kube, namespace: str) -> Sample:
    found = _get(kube, f"/apis/apps/v1/namespaces/{namespace}/statefulsets/chat-gateway")
    at = time.monotonic()
    pods = _get(kube, f"/api/v1/namespaces/{namespace}/pods?labelSelector={quote(GATEWAYS)}")
    streams = {pod["metadata"]["name"]: _streams(pod) for pod in pods["items"]}
    answered = {name: said for name, said in streams.items() if said is not None}
    return Sample(at, found["spec"]["replicas"], answered, time.monotonic())


def _get(kube: Kube, path: str) -> Any:
    trust = ssl.create_default_context(cafile=kube.pki.path("ca.crt"))
    token = kube.kubeconfig.read_text().split('token: "')[1].split('"')[0]
    connection = http.client.HTTPSConnection(LOOPBACK, kube.port, timeout=CALL_S, context=trust)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _streams(pod: Any) -> Streams | None:
    """None: it does not answer."""
    address = (pod.get("status") or {}).get("podIP")
    if not address:
        return None
    connection = http.client.HTTPConnection(address, PROBES, timeout=CALL_S)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    except OSError:
        return None
    finally:
        connection.close()
    values = {"signet_streams": 0.0, "signet_streams_opened_total": 0.0}
    for name, value in METRIC.findall(text):
        values[name] += float(value)
    return Streams(values["signet_streams"], values["signet_streams_opened_total"])
