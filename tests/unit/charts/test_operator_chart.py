"""What the operator's chart makes of its values."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from signet_operator import names
from signet_operator.health import REGISTRY
from signet_operator.settings import OperatorSettings
from tests.support.crds import CRDS
from tests.support.lanes.helm import HelmFailed, chart, files, lint, render

pytestmark = pytest.mark.lane("helm")

CHART = "signet-operator"
ROOT = Path(__file__).parents[3]
Object = dict[str, Any]


def objects(kind: str, values: Object | None = None, **named: str) -> list[Object]:
    return [found for found in render(CHART, values, **named) if found["kind"] == kind]


def one(kind: str, values: Object | None = None, **named: str) -> Object:
    (found,) = objects(kind, values, **named)
    return found


def container(values: Object | None = None, **named: str) -> Object:
    found: Object = one("Deployment", values, **named)["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(values: Object | None = None, **named: str) -> dict[str, str]:
    return {
        one["name"]: one.get("value", "(from the pod)") for one in container(values, **named)["env"]
    }


def settings_now() -> OperatorSettings:
    """From the environment."""
    return OperatorSettings(**{})


def rules(values: Object | None = None) -> list[Object]:
    """What the operator may do in the namespaces that it watches."""
    return rules_of(values, "Role" if values else "ClusterRole")


def rules_of(values: Object | None, kind: str) -> list[Object]:
    (role,) = [
        found
        for found in objects(kind, values)
        if found["metadata"]["name"] == "default-signet-operator"
    ]
    found: list[Object] = role["rules"]
    return found


def test_lint_finds_nothing() -> None:
    assert lint(chart(CHART), {}) == []


def test_lint_finds_what_is_wrong() -> None:
    assert lint(chart(CHART), {"replicas": "two"}) != []


# --- the process ---------------------------------------------------------------------------------


def test_two_replicas_of_which_one_leads() -> None:
    deployment = one("Deployment", release="signet", namespace="system")
    assert deployment["spec"]["replicas"] == 2
    assert deployment["metadata"]["name"] == "signet-operator"
    assert environment()["SIGNET_OPERATOR_LEASE"] == "signet-operator"
    assert environment()["SIGNET_OPERATOR_IP"] == "(from the pod)"


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_a_starved_node_does_not_fail_a_probe_at_its_first_second(probe: str) -> None:
    assert container()[probe]["timeoutSeconds"] == 3


def test_every_variable_is_a_setting_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is misspelt would be a knob that does nothing."""
    given = environment({"namespaces": ["a", "b"], "operatorClass": "blue"})
    known = {f"SIGNET_OPERATOR_{name.upper()}" for name in OperatorSettings.model_fields}
    assert set(given) <= known
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = settings_now()
    assert settings.watched == ("a", "b")
    assert settings.operator_class == "blue"
    assert settings.port == container()["ports"][0]["containerPort"]


def test_defaults_of_values_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment():
        monkeypatch.delenv(name, raising=False)
    ours, given = settings_now(), environment()
    assert float(given["SIGNET_OPERATOR_LEASE_S"]) == ours.lease_s
    assert float(given["SIGNET_OPERATOR_LOOK_S"]) == ours.look_s
    assert float(given["SIGNET_OPERATOR_CALL_S"]) == ours.call_s
    assert int(given["SIGNET_OPERATOR_CONCURRENCY"]) == ours.concurrency
    assert int(given["SIGNET_OPERATOR_ROLLOUT_BUDGET"]) == ours.rollout_budget
    assert given["SIGNET_OPERATOR_OPERATOR_CLASS"] == ours.operator_class


def test_nothing_of_the_host_and_nothing_to_write() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


def test_an_image_by_digest() -> None:
    digest = "sha256:" + "0" * 64
    image = {"repository": "r.example/op", "digest": digest}
    assert container({"image": image})["image"] == f"r.example/op@{digest}"
    assert container()["image"] == "signet-operator:0.1.0"


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("signet", "signet-operator"),
        ("my-operator", "my-operator"),
        ("a" * 53, f"{'a' * 43}-operator"),
    ],
)
def test_names_say_what_it_is_once(release: str, name: str) -> None:
    assert one("Deployment", release=release)["metadata"]["name"] == name


def test_pods_of_clusters_let_the_operator_in_by_its_label() -> None:
    """desired/network_policy.py looks for it."""
    labels = one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert labels[names.NAME_LABEL] == names.MANAGER


def test_the_service_does_not_choose_the_pod_of_helm_test() -> None:
    chosen = one("Service")["spec"]["selector"].items()
    assert not chosen <= one("Pod")["metadata"]["labels"].items()


# --- what it may do ------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [{}, {"namespaces": ["default"]}])
def test_it_cannot_read_secrets(values: Object) -> None:
    verbs = {v for rule in rules(values) if "secrets" in rule["resources"] for v in rule["verbs"]}
    assert verbs == {"create", "patch"}


def test_it_reads_them_only_where_cert_manager_makes_its_own() -> None:
    found = rules_of({"rbac": {"certManager": True}}, "ClusterRole")
    verbs = {v for rule in found if "secrets" in rule["resources"] for v in rule["verbs"]}
    assert verbs == {"create", "patch", "get"}


def test_authorities_are_in_its_own_namespace_alone() -> None:
    readers = [
        role["metadata"]["namespace"]
        for role in objects("Role", namespace="system")
        for rule in role["rules"]
        if "secrets" in rule["resources"] and "get" in rule["verbs"]
    ]
    assert readers == ["system"]


def test_it_has_no_wild_cards_and_gives_no_rights() -> None:
    every = [
        rule
        for kind in ("Role", "ClusterRole")
        for role in objects(kind)
        for rule in role.get("rules", ())
    ]
    words = [word for rule in every for part in rule.values() for word in part]
    assert "*" not in words
    assert not {"impersonate", "escalate", "bind"} & set(words)
    assert not {
        "roles",
        "clusterroles",
        "rolebindings",
        "pods/exec",
        "serviceaccounts/token",
    } & set(words)


def test_the_clusters_spec_is_peoples() -> None:
    verbs = {
        v for rule in rules() if "messagingclusters" in rule["resources"] for v in rule["verbs"]
    }
    assert verbs == {"get", "list", "watch"}


def test_for_some_namespaces_it_has_rights_in_these_alone() -> None:
    values = {"namespaces": ["blue", "green"]}
    roles = [
        r["metadata"]["namespace"]
        for r in objects("Role", values)
        if r["metadata"]["name"] == "default-signet-operator"
    ]
    assert roles == ["blue", "green"]
    bound = {b["roleRef"]["name"] for b in objects("ClusterRoleBinding", values)}
    assert bound == {"default-signet-operator-nodes"}
    selectors = {
        str(b["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0]["values"])
        for b in objects("ValidatingAdmissionPolicyBinding", values)
        if not b["metadata"]["name"].endswith("own-secrets")
    }
    assert selectors == {"['blue', 'green']"}


def test_who_may_edit_a_namespace_may_scale_its_pools() -> None:
    (edit,) = (r for r in objects("ClusterRole") if r["metadata"]["name"].endswith("-edit"))
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    scales = [r["verbs"] for r in edit["rules"] if r["resources"] == ["messagingpools/scale"]]
    assert scales == [["update", "patch"]]


def test_several_operators_trust_each_other_by_name() -> None:
    policies = objects(
        "ValidatingAdmissionPolicy",
        {"policies": {"operators": ["system:serviceaccount:blue:operator"]}},
    )
    conditions = [
        condition["expression"]
        for policy in policies
        for condition in policy["spec"]["matchConditions"]
        if condition["name"] == "by-another"
    ]
    assert len(conditions) == 3
    for condition in conditions:
        assert "'system:serviceaccount:default:signet-operator'" in condition
        assert "'system:serviceaccount:blue:operator'" in condition


# --- CRDs and what is only there when asked for --------------------------------------------------


def test_the_crds_are_those_of_crds_and_stay() -> None:
    for packaged in objects("CustomResourceDefinition"):
        annotations = packaged["metadata"].pop("annotations")
        assert annotations == {"helm.sh/resource-policy": "keep"}
        source = CRDS / f"{packaged['spec']['names']['plural']}.yaml"
        assert packaged == yaml.safe_load(source.read_text())


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"crds": {"create": False}}, "CustomResourceDefinition"),
        ({"policies": {"create": False}}, "ValidatingAdmissionPolicy"),
        ({"rbac": {"create": False}}, "ClusterRole"),
        ({"podDisruptionBudget": False}, "PodDisruptionBudget"),
        ({"networkPolicy": False}, "NetworkPolicy"),
        ({"serviceAccount": {"create": False, "name": "mine"}}, "ServiceAccount"),
    ],
)
def test_what_can_be_left_out(values: Object, kind: str) -> None:
    assert objects(kind) != []
    assert objects(kind, values) == []


@pytest.mark.parametrize(
    ("value", "kind"), [("podMonitor", "PodMonitor"), ("rules", "PrometheusRule")]
)
def test_what_must_be_asked_for(value: str, kind: str) -> None:
    assert objects(kind) == []
    found = one(kind, {"monitoring": {value: True, "labels": {"team": "chat"}}})
    assert found["metadata"]["labels"]["team"] == "chat"


def test_alerts_are_on_metrics_that_there_are_and_name_a_page_that_there_is() -> None:
    rule = one("PrometheusRule", {"monitoring": {"rules": True}})
    known = {"up", *(sample.name for family in REGISTRY.collect() for sample in family.samples)}
    known |= {f"{family.name}_total" for family in REGISTRY.collect() if family.type == "counter"}
    for alert in rule["spec"]["groups"][0]["rules"]:
        asked = set(re.findall(r"\b(up|signet_operator_\w+)\{", alert["expr"]))
        assert asked
        assert asked <= known
        page, _, section = alert["annotations"]["runbook_url"].partition("#")
        text = (ROOT / page).read_text()
        assert not section or f"## {section.replace('-', ' ').capitalize()}" in text


@pytest.mark.parametrize(
    "values",
    [
        {"replicaCount": 2},
        {"replicas": 0},
        {"operatorClass": "Blue"},
        {"namespaces": "default"},
        {"image": {"digest": "latest"}},
        {"policies": {"operators": ["a'] || true || ['"]}},
        {"logs": {"level": "loud"}},
    ],
)
def test_values_that_cannot_be_are_refused(values: Object) -> None:
    with pytest.raises(HelmFailed):
        render(CHART, values)


def test_notes_show_a_cluster_that_the_api_takes() -> None:
    notes = files(CHART, {"operatorClass": "blue"})["NOTES.txt"]
    shown = notes.partition("<<END\n")[2].partition("  END")[0]
    cluster = yaml.safe_load(shown)
    assert cluster["apiVersion"] == names.API_VERSION
    assert cluster["spec"]["operatorClass"] == "blue"
    assert set(cluster["spec"]["stores"]) == {"inbox", "directory", "members", "presence", "events"}
