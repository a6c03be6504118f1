"""The operator's process with the rights that its chart gives it, and with its policies: no more.

It runs beside the API server, not in a pod, as its service account.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signet_operator.names import CLUSTERS, STATEFUL, Tier
from tests.support.crds import cluster
from tests.support.kube_objects import Resources
from tests.support.lanes.helm import Releases, chart
from tests.support.lanes.kube import KubeApi, KubectlFailed
from tests.support.lanes.kube.fixtures import namespace as a_namespace
from tests.support.lanes.server import free_port

pytestmark = [pytest.mark.lane("kube-api"), pytest.mark.timeout(300)]

SYSTEM = "signet-system"


@pytest.fixture(scope="module")
def kube(own_kube_api: KubeApi) -> KubeApi:
    kube = own_kube_api
    kube.kubectl("create", "namespace", SYSTEM)
    Releases(kube.kubeconfig, SYSTEM).install(chart("signet-operator"), "signet")
    return kube


@pytest.fixture(scope="module")
def operator(kube: KubeApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its log, while it runs."""
    folder = tmp_path_factory.mktemp("operator")
    token = kube.kubectl("create", "token", "signet-operator", "-n", SYSTEM, "--duration=1h")
    text = kube.kubeconfig.read_text()
    admin = text.split('token: "')[1].split('"')[0]
    config = folder / "kubeconfig"
    config.write_text(text.replace(admin, token.strip()))
    given = {
        "KUBECONFIG": str(config),
        "SIGNET_OPERATOR_NAMESPACE": SYSTEM,
        "SIGNET_OPERATOR_LEASE": "signet-operator",
        "SIGNET_OPERATOR_NAME": "beside",
        "SIGNET_OPERATOR_HOST": "127.0.0.1",
        "SIGNET_OPERATOR_PORT": str(free_port()),
        "SIGNET_OPERATOR_LOOK_S": "2",
    }
    log = folder / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "signet_operator"],
            env={**os.environ, **given},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def namespace(kube: KubeApi) -> Iterator[str]:
    with a_namespace(kube) as name:
        yield name


def until(holds: Callable[[], object], log: Path, within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.3)


def names_of(kube: KubeApi, kind: str, namespace: str) -> set[str]:
    try:
        found = kube.kubectl("get", kind, "-n", namespace, "-o", "name")
    except KubectlFailed:
        return set()
    return {line.partition("/")[2] for line in found.split()}


def end_the_job(kube: KubeApi, namespace: str, log: Path) -> None:
    """Nothing runs here: it is said that the pod of the migration has done its work."""
    until(lambda: names_of(kube, "pod", namespace), log)
    (pod,) = names_of(kube, "pod", namespace)
    done = ("-p", '{"status": {"phase": "Succeeded"}}')
    kube.kubectl("patch", "pod", pod, "-n", namespace, "--subresource=status", *done)


def test_a_cluster_is_made_with_the_rights_of_the_chart(
    kube: KubeApi, operator: Path, namespace: str
) -> None:
    clusters = Resources(kube.kubeconfig, CLUSTERS, namespace)
    clusters.create(cluster(namespace=namespace))
    until(lambda: names_of(kube, "job", namespace), operator)  # the stores get their tables first
    until(lambda: clusters.get("chat").get("status", {}).get("conditions"), operator)
    secrets = {"chat-shared", *(f"chat-{tier}-tls" for tier in Tier)}
    until(lambda: secrets <= names_of(kube, "secret", namespace), operator)
    until(
        lambda: {f"chat-{tier}" for tier in Tier} <= names_of(kube, "messagingpools", namespace),
        operator,
    )
    end_the_job(kube, namespace, operator)
    sets = {f"chat-{tier}" for tier in STATEFUL}
    until(lambda: sets <= names_of(kube, "statefulset", namespace), operator)
    assert names_of(kube, "poddisruptionbudget", namespace)
    assert names_of(kube, "networkpolicy", namespace)


def test_what_it_did_about_certificates_is_told(
    kube: KubeApi, operator: Path, namespace: str
) -> None:
    def told() -> set[str]:
        events = kube.kubectl.get("events.events.k8s.io", "-n", namespace)["items"]
        return {event["reason"] for event in events if event["regarding"]["name"] == "chat"}

    until(lambda: {"AuthorityAdded", "CertificatesRenewed"} <= told(), operator)


def test_who_takes_the_note_of_certificates_away_gets_them_anew(
    kube: KubeApi, operator: Path, namespace: str
) -> None:
    def certificate() -> str:
        found = kube.kubectl.get("secret", "chat-keys-tls", "-n", namespace)
        return str(found["data"]["tls.crt"])

    first = certificate()
    note = "messaging.signet.dev/certificates-"
    kube.kubectl("annotate", "configmap", "chat-bundle", "-n", namespace, note)
    until(lambda: certificate() != first, operator)


def test_nothing_that_it_tried_was_forbidden(kube: KubeApi, operator: Path, namespace: str) -> None:
    clusters = Resources(kube.kubeconfig, CLUSTERS, namespace)
    clusters.merge("chat", {"spec": {"gateway": {"replicas": 3}, "networkPolicy": False}})
    until(lambda: not names_of(kube, "networkpolicy", namespace), operator)  # pruned
    assert "orbidden" not in operator.read_text()
