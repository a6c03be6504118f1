"""Both charts by Helm on a real API server: installed, upgraded, gone back, uninstalled, again.

Nothing runs here: what is shown is what the API server takes, and what stays.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from signet_operator.apply.kinds import APPLIED, KINDS, PRUNED
from signet_operator.handlers import CHILDREN
from signet_operator.names import CLUSTERS, GROUP, POOLS
from tests.support.crds import cluster
from tests.support.kube_objects import Resources, may
from tests.support.lanes.helm import HelmFailed, Releases, chart
from tests.support.lanes.kube import KubeApi
from tests.support.lanes.kube.fixtures import namespace as a_namespace

pytestmark = pytest.mark.lane("kube-api")

SYSTEM, RELEASE = "signet-system", "signet"
OPERATOR = f"system:serviceaccount:{SYSTEM}:signet-operator"
CRD = f"{CLUSTERS}.{GROUP}"


@pytest.fixture(scope="module")
def kube(own_kube_api: KubeApi) -> KubeApi:
    own_kube_api.kubectl("create", "namespace", SYSTEM)
    return own_kube_api


@pytest.fixture
def releases(kube: KubeApi) -> Releases:
    return Releases(kube.kubeconfig, SYSTEM)


@pytest.fixture
def installed(releases: Releases) -> Iterator[Releases]:
    releases.install(chart("signet-operator"), RELEASE)
    yield releases
    releases.uninstall(RELEASE)


@pytest.fixture
def namespace(kube: KubeApi) -> Iterator[str]:
    with a_namespace(kube) as name:
        yield name


def of_the_release(kube: KubeApi) -> set[str]:
    """Kinds and names of what is there of the release besides the CRDs."""
    kinds = "deployment,service,serviceaccount,role,rolebinding,pdb,networkpolicy"
    wide = (
        "clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding"
    )
    label = f"--selector=app.kubernetes.io/instance={RELEASE}"
    found = kube.kubectl("get", kinds, "-n", SYSTEM, label, "-o", "name")
    return {*found.split(), *kube.kubectl("get", wide, label, "-o", "name").split()}


def test_uninstalled_and_installed_again_with_messengers_present(
    releases: Releases, kube: KubeApi, namespace: str
) -> None:
    releases.install(chart("signet-operator"), RELEASE)
    whole = of_the_release(kube)
    assert "deployment.apps/signet-operator" in whole
    clusters = Resources(kube.kubeconfig, CLUSTERS, namespace)
    made = clusters.create(cluster(namespace=namespace))
    releases.uninstall(RELEASE)
    assert of_the_release(kube) == set()
    assert clusters.get("chat")["metadata"]["uid"] == made["metadata"]["uid"]
    releases.install(chart("signet-operator"), RELEASE)
    assert of_the_release(kube) == whole
    assert clusters.get("chat")["metadata"]["uid"] == made["metadata"]["uid"]
    releases.uninstall(RELEASE)


def next_version(folder: Path) -> Path:
    """The chart as it may be one version later: its CRD has a field more."""
    copied = folder / "signet-operator"
    shutil.copytree(chart("signet-operator"), copied)
    about = copied / "Chart.yaml"
    about.write_text(about.read_text().replace("0.1.0", "0.2.0"))
    crd = copied / "templates/crd-messagingclusters.yaml"
    field = "paused: {type: boolean"
    new = "motto: {type: string, maxLength: 64, default: none}\n                "
    text = crd.read_text()
    assert text.count(field) == 1
    crd.write_text(text.replace(field, new + field))
    return copied


def test_a_version_up_and_down_again_with_messengers_present(
    installed: Releases, kube: KubeApi, namespace: str, tmp_path: Path
) -> None:
    clusters = Resources(kube.kubeconfig, CLUSTERS, namespace)
    made = clusters.create(cluster(namespace=namespace))
    assert "motto" not in made["spec"]

    installed.upgrade(next_version(tmp_path), RELEASE)
    until_spec_has(clusters, "motto", there=True)
    clusters.merge("chat", {"spec": {"motto": "e2e"}})
    assert clusters.get("chat")["spec"]["motto"] == "e2e"
    image = ("deployment", "signet-operator", "-n", SYSTEM, "-o", "jsonpath={..image}")
    assert kube.kubectl("get", *image) == "signet-operator:0.2.0"

    installed.rollback(RELEASE, 1)
    until_spec_has(clusters, "motto", there=False)
    clusters.merge("chat", {"spec": {"gateway": {"replicas": 3}}})
    now = clusters.get("chat")
    assert now["metadata"]["uid"] == made["metadata"]["uid"]
    assert now["spec"]["gateway"]["replicas"] == 3
    assert kube.kubectl("get", *image) == "signet-operator:0.1.0"


def until_spec_has(clusters: Resources, field: str, *, there: bool) -> None:
    """The API server takes a moment to go over to a changed CRD."""
    deadline = time.monotonic() + 30
    while (field in clusters.get("chat")["spec"]) is not there:
        assert time.monotonic() < deadline, f"{field}: the CRD has not changed"
        time.sleep(0.1)


def test_an_operator_of_another_class_may_be_installed_beside_it(
    installed: Releases, kube: KubeApi, namespace: str
) -> None:
    values = {"operatorClass": "blue", "namespaces": [namespace], "crds": {"create": False}}
    blue = Releases(kube.kubeconfig, namespace)
    blue.install(chart("signet-operator"), RELEASE, values)
    user = f"system:serviceaccount:{namespace}:signet-operator"
    assert may(kube.kubeconfig, user, namespace, "patch", "apps", "statefulsets")
    assert not may(kube.kubeconfig, user, SYSTEM, "patch", "apps", "statefulsets")
    blue.uninstall(RELEASE)
    assert "deployment.apps/signet-operator" in of_the_release(kube)


def test_the_operator_may_do_what_it_does_and_no_more(
    installed: Releases, kube: KubeApi, namespace: str
) -> None:
    """Asked of the API server, for what the operator's own tables say that it writes."""

    def allowed(verb: str, group: str, resource: str) -> bool:
        return may(kube.kubeconfig, OPERATOR, namespace, verb, group, resource)

    needed = [
        (verb, *api_of(kind))
        for kinds, verbs in (
            (APPLIED, ("create", "patch", "get", "list")),
            (PRUNED, ("delete",)),
            (("Secret", "Job", "Event"), ("create", "patch")),
            (("Pod",), ("delete",)),
        )
        for kind in kinds
        for verb in verbs
    ]
    needed += [
        (verb, group, resource)
        for group, _version, resource in CHILDREN.values()
        for verb in ("get", "list", "watch")
    ]
    needed += [
        ("patch", GROUP, f"{CLUSTERS}/status"),
        ("patch", GROUP, f"{POOLS}/status"),
        ("update", GROUP, f"{CLUSTERS}/finalizers"),
        ("list", GROUP, CLUSTERS),
        ("watch", GROUP, CLUSTERS),
    ]
    assert [asked for asked in needed if not allowed(*asked)] == []
    forbidden = [
        ("patch", GROUP, CLUSTERS),
        ("delete", GROUP, CLUSTERS),
        ("create", "", "pods"),
        ("create", "", "pods/exec"),
        ("create", "", "serviceaccounts/token"),
        ("watch", "", "secrets"),
        ("delete", "", "secrets"),
        ("create", "rbac.authorization.k8s.io", "roles"),
        ("update", "apps", "statefulsets/scale"),
    ]
    assert [asked for asked in forbidden if allowed(*asked)] == []


def api_of(kind: str) -> tuple[str, str]:
    api, plural = KINDS[kind]
    return api.rpartition("/")[0], plural


# --- a messenger ----------------------------------------------------------------------------------


def test_a_messenger_with_stores_for_trying_out_and_gone_again(
    installed: Releases, kube: KubeApi, namespace: str
) -> None:
    chat = Releases(kube.kubeconfig, namespace)
    chat.install(chart("signet"), "chat", {"dev": {"enabled": True}})
    clusters = Resources(kube.kubeconfig, CLUSTERS, namespace)
    stores = clusters.get("chat")["spec"]["stores"]
    assert stores["inbox"]["url"].startswith("cassandra://chat-dev-cassandra")
    sets = kube.kubectl("get", "statefulset", "-n", namespace, "-o", "name").split()
    assert len(sets) == 4
    chat.upgrade(chart("signet"), "chat", {"dev": {"enabled": True}, "spec": {"paused": True}})
    assert clusters.get("chat")["spec"]["paused"] is True
    chat.uninstall("chat")
    left = kube.kubectl(
        "get", f"{CLUSTERS},statefulset,networkpolicy", "-n", namespace, "-o", "name"
    )
    assert left == ""


def test_what_the_api_server_refuses_installs_nothing(
    installed: Releases, kube: KubeApi, namespace: str
) -> None:
    chat = Releases(kube.kubeconfig, namespace)
    values = {"dev": {"enabled": True}, "spec": {"gateway": {"drain": {"deadlineSeconds": 900}}}}
    with pytest.raises(HelmFailed, match=r"drain.deadlineSeconds over 570 needs drain.allowLong"):
        chat.install(chart("signet"), "chat", values)
    assert kube.kubectl("get", CLUSTERS, "-n", namespace, "-o", "name") == ""
