"""The builders: golden files, and what each branch changes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from signet_operator import names
from signet_operator.desired import objects, service, stateful_set, template
from signet_operator.desired.certificate import host_names
from signet_operator.desired.meta import content_hash, pod_host
from signet_operator.names import STATEFUL, Tier
from signet_operator.observed import Job, Observed, Pool, StatefulSet
from signet_operator.spec import (
    Autoscaling,
    Certificates,
    ClusterSpec,
    Drain,
    Exposure,
    Issuer,
    Mode,
    SecretKey,
)
from tests.unit.operator.clusters import full, plain, secret_stores, tier
from tests.unit.operator.golden_files import CLUSTERS, FOLDER, everything, rendered

NOTHING = Observed(schema="0.1")  # the tables are there, and nothing else


def of_kind(spec: ClusterSpec, kind: str, seen: Observed = NOTHING) -> list[dict[str, Any]]:
    return [one for one in objects(spec, seen) if one["kind"] == kind]


def template_hash(spec: ClusterSpec, kind: Tier) -> str:
    return content_hash(template(spec, kind))


def container(spec: ClusterSpec, kind: Tier) -> Mapping[str, Any]:
    made: Mapping[str, Any] = template(spec, kind)["spec"]["containers"][0]
    return made


def environment(spec: ClusterSpec, kind: Tier) -> dict[str, str]:
    return {one["name"]: one.get("value", "") for one in container(spec, kind)["env"]}


def secrets_of(spec: ClusterSpec, kind: Tier) -> set[str]:
    volumes = template(spec, kind)["spec"]["volumes"]
    return {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}


def with_tier(spec: ClusterSpec, kind: Tier, **changed: Any) -> ClusterSpec:
    return replace(spec, tiers={**spec.tiers, kind: tier(kind, **changed)})


def test_what_is_built_is_what_the_golden_files_say() -> None:
    made = rendered()
    assert set(made) == set(FOLDER.rglob("*.json"))
    for path, text in made.items():
        assert path.read_text() == text, f"{path}: see golden_files.py"


@pytest.mark.parametrize("name", CLUSTERS)
def test_everything_belongs_to_the_cluster_and_has_one_name(name: str) -> None:
    spec = CLUSTERS[name]()
    made = everything(spec)
    for one in made:
        owner = one["metadata"]["ownerReferences"]
        assert [(o["uid"], o["controller"], o["blockOwnerDeletion"]) for o in owner] == [
            (spec.uid, True, True)
        ]
        labels = one["metadata"]["labels"]
        assert labels[names.MANAGED_BY_LABEL] == names.MANAGER
        assert labels[names.INSTANCE_LABEL] == spec.name
    keys = [(one["kind"], one["metadata"]["name"]) for one in made]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("kind", Tier)
def test_a_pod_has_no_privileges_and_no_token(kind: Tier) -> None:
    pod = template(full(), kind)["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    security = pod["containers"][0]["securityContext"]
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


def test_a_pod_mounts_the_secrets_of_its_own_stores_and_no_others() -> None:
    spec = plain(stores=secret_stores(), certificates=Certificates(Issuer.NONE))
    assert secrets_of(spec, Tier.GATEWAY) == {"members-login", "blue-shared"}
    assert secrets_of(spec, Tier.PUSH) == {
        "members-login", "events-login", "push-login", "push-webhook", "blue-shared",
    }  # fmt: skip
    assert secrets_of(spec, Tier.KEYS) == {
        "members-login", "directory-login", "limits-login", "events-login", "blobs-login",
    }  # fmt: skip
    assert environment(spec, Tier.ROUTER)["SIGNET_INBOX_FILE"] == "/etc/signet/stores/inbox/url"
    assert "SIGNET_INBOX_FILE" not in environment(spec, Tier.GATEWAY)


def test_stores_by_url_mount_no_secret() -> None:
    spec = plain(certificates=Certificates(Issuer.NONE))
    assert secrets_of(spec, Tier.ROUTER) == set()
    assert not [name for name in environment(spec, Tier.ROUTER) if name.endswith("_FILE")]


def test_tls_between_pods_is_by_the_operator_by_cert_manager_or_not_at_all() -> None:
    by_operator = plain()
    assert environment(by_operator, Tier.ROUTER)["SIGNET_TLS_CA"] == "/etc/signet/bundle/ca.crt"
    assert "blue-router-tls" in secrets_of(by_operator, Tier.ROUTER)
    assert not of_kind(by_operator, "Certificate")

    ref = {"name": "internal", "kind": "Issuer"}
    by_other = plain(certificates=Certificates(Issuer.CERT_MANAGER, ref))
    assert environment(by_other, Tier.ROUTER)["SIGNET_TLS_CA"] == "/etc/signet/tls/ca.crt"
    made = of_kind(by_other, "Certificate")
    assert {one["spec"]["secretName"] for one in made} == {
        *(f"blue-{kind}-tls" for kind in Tier),
        "blue-operator-tls",
    }

    none = plain(certificates=Certificates(Issuer.NONE))
    assert not [name for name in environment(none, Tier.ROUTER) if "TLS" in name]
    assert not of_kind(none, "Certificate")


@pytest.mark.parametrize("kind", STATEFUL)
def test_a_certificate_names_what_a_pod_advertises(kind: Tier) -> None:
    spec = plain()
    advertised = environment(spec, kind)["SIGNET_ADVERTISE"].replace("$(SIGNET_NAME)", "blue-x-0")
    assert advertised == pod_host(spec, kind, "blue-x-0")
    assert "*." + advertised.partition(".")[2] in host_names(spec, kind)


def test_gateways_have_addresses_of_their_own_only_below_a_wildcard() -> None:
    assert environment(plain(), Tier.GATEWAY)["SIGNET_PUBLIC_WEBSOCKET"] == "-"
    assert len(of_kind(plain(), "Service")) == 5
    spec = full()
    assert environment(spec, Tier.GATEWAY)["SIGNET_PUBLIC_WEBSOCKET"] == (
        "wss://$(SIGNET_NAME).pods.chat.example/v1/connect"
    )
    single = [s for s in of_kind(spec, "Service") if s["metadata"]["name"].startswith("blue-gat")]
    names_of = [one["metadata"]["name"] for one in single]
    assert names_of == ["blue-gateway", *(f"blue-gateway-{n}" for n in range(4))]  # and one surge
    assert all("type" not in s["spec"] or s["spec"]["type"] == "ClusterIP" for s in single)
    hosts = [host for route in of_kind(spec, "HTTPRoute") for host in route["spec"]["hostnames"]]
    assert hosts == [
        "chat.example",
        *(f"blue-gateway-{number}.pods.chat.example" for number in range(4)),
    ]
    without_routes = replace(spec, exposure=replace(spec.exposure, gateway_class=""))
    assert not of_kind(without_routes, "HTTPRoute")


def test_clients_tls_ends_at_gateways_unless_a_gateway_of_the_api_ends_it() -> None:
    exposure = Exposure(tls=SecretKey("clients-tls", "tls.crt"))
    at_gateways, before = plain(exposure=exposure), full()
    assert "clients-tls" in secrets_of(at_gateways, Tier.GATEWAY)
    assert environment(at_gateways, Tier.KEYS)["SIGNET_PUBLIC_WEBSOCKET"].startswith("wss://")
    ports = service.clients(at_gateways)["spec"]["ports"]
    assert [port["appProtocol"] for port in ports] == ["kubernetes.io/wss", "https"]
    assert "clients-tls" not in secrets_of(before, Tier.GATEWAY)
    [gateway] = of_kind(before, "Gateway")
    assert {one["tls"]["certificateRefs"][0]["name"] for one in gateway["spec"]["listeners"]} == {
        "clients-tls"
    }


def test_a_person_sets_what_is_listed_and_never_what_is_ours() -> None:
    theirs = {
        "labels": {"team": "chat", names.TIER_LABEL: "router"},
        "annotations": {"note": "theirs"},
        "nodeSelector": {"pool": "chat"},
        "serviceAccountName": "admin",
        "hostNetwork": True,
        "env": [{"name": "TZ", "value": "UTC"}],
    }
    made = template(with_tier(plain(), Tier.GATEWAY, overrides=theirs), Tier.GATEWAY)
    assert made["metadata"]["labels"]["team"] == "chat"
    assert made["metadata"]["labels"][names.TIER_LABEL] == "gateway"
    assert made["spec"]["nodeSelector"] == {"pool": "chat"}
    assert made["spec"]["serviceAccountName"] == "blue"
    assert "hostNetwork" not in made["spec"]
    assert made["spec"]["containers"][0]["env"][-1] == {"name": "TZ", "value": "UTC"}


def test_a_pod_is_given_its_drain_and_some_seconds_more() -> None:
    usual = template(plain(), Tier.GATEWAY)
    assert usual["spec"]["terminationGracePeriodSeconds"] == 135
    assert environment(plain(), Tier.GATEWAY)["SIGNET_LEAVE_S"] == "120"
    assert "cluster-autoscaler.kubernetes.io/safe-to-evict" not in usual["metadata"]["annotations"]
    long = with_tier(plain(), Tier.GATEWAY, drain=Drain(deadline_s=900, long=True))
    assert (
        template(long, Tier.GATEWAY)["metadata"]["annotations"][
            "cluster-autoscaler.kubernetes.io/safe-to-evict"
        ]
        == "false"
    )


def test_pods_are_spread_as_the_topology_says() -> None:
    spread = {"zones": "DoNotSchedule", "hosts": "Ignore"}
    made = template(with_tier(plain(), Tier.ROUTER, topology=spread), Tier.ROUTER)
    [constraint] = made["spec"]["topologySpreadConstraints"]
    assert constraint["topologyKey"] == "topology.kubernetes.io/zone"
    assert constraint["whenUnsatisfiable"] == "DoNotSchedule"
    assert constraint["labelSelector"]["matchLabels"][names.TIER_LABEL] == "router"


def found(kind: Tier) -> StatefulSet:
    name = f"blue-{kind}"
    return StatefulSet(name, "uid", "1", 1, 1, 2, 0, "hash", "revision", "revision")


def test_what_actions_move_is_made_once_and_never_applied_again() -> None:
    [first, *_] = of_kind(plain(), "StatefulSet")
    assert first["spec"]["replicas"] == 2
    assert first["metadata"]["annotations"][names.TEMPLATE_HASH] == template_hash(
        plain(), Tier.GATEWAY
    )
    pools = {kind: Pool(f"blue-{kind}", "uid", "1", 5) for kind in Tier}
    seen = Observed(sets={kind: found(kind) for kind in STATEFUL}, pools=pools)
    for later in of_kind(plain(), "StatefulSet", seen):
        assert not {"replicas", "template"} & set(later["spec"])
        assert later["spec"]["updateStrategy"] == {"type": "RollingUpdate"}
        assert names.TEMPLATE_HASH not in later["metadata"].get("annotations", {})
    assert [p["spec"].get("replicas") for p in of_kind(plain(), "MessagingPool")] == [2] * 4
    assert all("replicas" not in p["spec"] for p in of_kind(plain(), "MessagingPool", seen))


def test_no_pod_starts_before_the_stores_have_their_tables() -> None:
    kinds = {one["kind"] for one in objects(plain(), Observed())}
    assert not {"StatefulSet", "Deployment"} & kinds
    done = Job("blue-migrate-0-1", "0.1", succeeded=True, failed=False)
    kinds = {one["kind"] for one in objects(plain(), Observed(jobs=(done,)))}
    assert {"StatefulSet", "Deployment"} <= kinds


def test_pods_that_are_there_stay_while_tables_are_changed() -> None:
    sets = {kind: found(kind) for kind in STATEFUL}
    newer = plain(version="0.2.0")
    kinds = [one["kind"] for one in objects(newer, Observed(sets=sets, schema="0.1"))]
    assert kinds.count("StatefulSet") == len(STATEFUL)
    assert kinds.count("Deployment") == 1


def push_workers(spec: ClusterSpec, pool: int) -> int:
    pools = {Tier.PUSH: Pool("blue-push", "uid", "1", pool)}
    made = objects(spec, Observed(pools=pools, schema="0.1"))
    [replicas] = [one["spec"]["replicas"] for one in made if one["kind"] == "Deployment"]
    return int(replicas)


def test_push_has_what_the_cluster_says_where_it_is_fixed() -> None:
    assert push_workers(plain(), 40) == 2
    assert push_workers(with_tier(plain(), Tier.PUSH, replicas=5), 2) == 5
    assert push_workers(replace(plain(), hibernate=True), 2) == 0


@pytest.mark.parametrize("mode", [Mode.BUILTIN, Mode.EXTERNAL])
def test_push_has_what_its_pool_says_within_bounds_where_others_write_it(mode: Mode) -> None:
    scaling = Autoscaling(mode=mode, minimum=1, maximum=8)
    spec = with_tier(plain(), Tier.PUSH, autoscaling=scaling)
    assert [push_workers(spec, pool) for pool in (0, 3, 40)] == [1, 3, 8]
    assert push_workers(replace(spec, hibernate=True), 3) == 0


def test_push_stays_as_it_is_while_the_cluster_is_paused() -> None:
    changed = with_tier(replace(plain(), paused=True), Tier.PUSH, replicas=5)
    assert push_workers(changed, 2) == 2


def test_a_template_changes_with_its_settings_and_its_image_and_not_by_itself() -> None:
    spec = plain()
    hashes = {kind: template_hash(spec, kind) for kind in Tier}
    assert hashes == {kind: template_hash(plain(), kind) for kind in Tier}
    other = replace(spec, settings={**spec.settings, "send_rate": 2.0})
    assert all(template_hash(other, kind) != hashes[kind] for kind in Tier)
    scaled = with_tier(spec, Tier.GATEWAY, replicas=9)
    assert all(template_hash(scaled, kind) == hashes[kind] for kind in Tier)
    paused = replace(spec, paused=True, generation=7)
    assert all(template_hash(paused, kind) == hashes[kind] for kind in Tier)


def test_a_pod_without_a_place_among_its_peers_does_not_keep_them() -> None:
    for budget in of_kind(plain(), "PodDisruptionBudget"):
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert budget["spec"]["maxUnavailable"] == 1


def test_network_policies_are_there_unless_they_are_unwanted() -> None:
    assert len(of_kind(plain(), "NetworkPolicy")) == len(Tier)
    assert not of_kind(plain(network_policy=False), "NetworkPolicy")
    [router] = [p for p in of_kind(plain(), "NetworkPolicy") if "router" in p["metadata"]["name"]]
    link = [rule for rule in router["spec"]["ingress"] if rule["ports"][0]["port"] == 7404]
    assert tiers(link[0]["from"]) == {"gateway", "router", "keys"}


def tiers(peers: Iterable[Mapping[str, Any]]) -> set[str]:
    return {peer["podSelector"]["matchLabels"][names.TIER_LABEL] for peer in peers}


def test_what_is_kept_of_a_stateful_set_is_what_it_was_made_with() -> None:
    for kind in STATEFUL:
        made, kept = stateful_set.stateful_set(plain(), kind, 2), stateful_set.kept(plain(), kind)
        kept["spec"]["updateStrategy"] |= made["spec"]["updateStrategy"]
        assert made["spec"] == made["spec"] | kept["spec"]
        assert made["metadata"] == made["metadata"] | kept["metadata"]
