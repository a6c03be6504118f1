"""Whether an object is as it is wanted, without asking; and what may be pruned."""

from collections.abc import Mapping
from typing import Any

import pytest

from signet_operator import names
from signet_operator.apply.drift import differs, fingerprint, overlaid
from signet_operator.apply.kinds import APPLIED, Key, key_of
from signet_operator.apply.objects import OLD_SETTINGS, superfluous
from signet_operator.apply.statuses import urgent
from signet_operator.desired import objects
from signet_operator.desired.config_map import PURPOSE
from signet_operator.observe import trim
from signet_operator.observed import Observed
from tests.unit.operator.clusters import full, plain

WANTED: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"ports": [{"port": 1}], "limits": {"cpu": "0.5", "memory": "1Gi"}, "on": False},
}


def changed(**spec: Any) -> Mapping[str, Any]:
    return {**WANTED, "spec": {**WANTED["spec"], **spec}}


@pytest.mark.parametrize(
    "live",
    [
        WANTED,
        changed(clusterIP="10.0.0.1"),
        changed(ports=[{"port": 1, "protocol": "TCP"}]),
        changed(limits={"cpu": "500m", "memory": "1073741824"}),
        {**WANTED, "metadata": {"labels": {"a": "b", "theirs": "too"}, "uid": "1"}},
        {**WANTED, "spec": {k: v for k, v in WANTED["spec"].items() if k != "on"}},
    ],
)
def test_what_others_add_and_what_the_api_writes_otherwise_is_no_drift(
    live: Mapping[str, Any],
) -> None:
    assert differs(WANTED, live) == ""


@pytest.mark.parametrize(
    ("live", "where"),
    [
        (changed(ports=[{"port": 2}]), ".spec.ports[0].port"),
        (changed(ports=[{"port": 1}, {"port": 2}]), ".spec.ports"),
        (changed(limits={"cpu": "1", "memory": "1Gi"}), ".spec.limits.cpu"),
        (changed(limits={"cpu": "0.5"}), ".spec.limits.memory"),
        (changed(on=True), ".spec.on"),
        ({**WANTED, "metadata": {"labels": {}}}, ".metadata.labels.a"),
        ({"metadata": WANTED["metadata"]}, ".spec"),
    ],
)
def test_what_was_changed_by_hand_is_found(live: Mapping[str, Any], where: str) -> None:
    assert differs(WANTED, live) == where


def test_what_is_overlaid_is_as_it_is_wanted_and_keeps_what_others_added() -> None:
    ports = [{"port": 9, "protocol": "TCP"}, {"port": 2}]
    live = changed(ports=ports[:1], clusterIP="10.0.0.1", on=True)
    made = overlaid(WANTED, live)
    assert differs(WANTED, made) == ""
    assert made["spec"]["clusterIP"] == "10.0.0.1"
    assert made["spec"]["ports"] == [{"port": 1, "protocol": "TCP"}]
    assert overlaid(WANTED, changed(ports=ports))["spec"]["ports"] == [{"port": 1}]


def test_a_fingerprint_is_of_what_was_written_not_of_what_happens() -> None:
    meta = {"name": "x", "resourceVersion": "1", "generation": 1, "managedFields": []}
    one = {"metadata": meta, "spec": {"a": 1}, "status": {"ready": 1}}
    later = {**one, "metadata": {**meta, "resourceVersion": "2"}, "status": {"ready": 2}}
    assert fingerprint(one) == fingerprint(later)
    assert fingerprint(one) != fingerprint({**one, "spec": {"a": 2}})
    assert fingerprint(one) != fingerprint({**one, "metadata": {**meta, "labels": {"a": "b"}}})


def test_what_a_watch_keeps_of_an_object_is_enough_to_know_it_again() -> None:
    for one in (*objects(full(), Observed(schema="0.1")), *objects(plain(), Observed())):
        told = {**one, "metadata": {**one["metadata"], "uid": "1", "resourceVersion": "2"}}
        kept = trim({**told, "status": {"of": "no interest"}})
        assert differs(one, kept) == ""
        assert fingerprint(kept) == fingerprint(told)


# --- pruning -------------------------------------------------------------------------------


def there(made: Any) -> dict[Key, dict[str, Any]]:
    return {key_of(one): one for one in made}


def pruned(live: Mapping[Key, Any], known: Any = APPLIED, keep: Any = ()) -> set[Key]:
    found = superfluous(plain(), objects(plain(), Observed()), live, known, keep)
    return {key_of(one) for one in found}


def test_only_what_the_spec_does_not_ask_for_any_more_is_pruned() -> None:
    live = there(objects(full(), Observed(schema="0.1")))
    gone = pruned(live)
    kinds = {kind for kind, _ in gone}
    assert kinds == {
        "Service",
        "HTTPRoute",
        "Gateway",
        "Certificate",
        "PodMonitor",
        "PrometheusRule",
    }
    assert ("Service", "blue-gateway-0") in gone
    assert ("Service", "blue-gateway") not in gone


def test_a_stateful_set_is_never_pruned() -> None:
    live = there(objects(plain(), Observed(schema="0.1")))
    assert superfluous(plain(), [], live, APPLIED, []) != []
    assert "StatefulSet" not in {one["kind"] for one in superfluous(plain(), [], live, APPLIED, [])}


def test_what_lacks_our_label_or_our_owner_is_left_alone() -> None:
    [service] = [o for o in objects(plain(), Observed()) if o["metadata"]["name"] == "blue-api"]
    service["metadata"]["name"] = "blue-old"
    assert pruned(there([service])) == {("Service", "blue-old")}
    unlabelled = {**service, "metadata": {**service["metadata"], "labels": {}}}
    assert pruned(there([unlabelled])) == set()
    owners = [{**service["metadata"]["ownerReferences"][0], "uid": "another cluster of this name"}]
    foreign = {**service, "metadata": {**service["metadata"], "ownerReferences": owners}}
    assert pruned(there([foreign])) == set()
    assert pruned(there([service]), known=["ConfigMap"]) == set()
    assert pruned(there([service]), keep=[("Service", "blue-old")]) == set()


def test_settings_of_earlier_pods_are_kept_for_a_while() -> None:
    [made] = [o for o in objects(plain(), Observed()) if o["kind"] == "ConfigMap"]
    assert made["metadata"]["labels"][PURPOSE] == "settings"
    old = [
        {
            **made,
            "metadata": {
                **made["metadata"],
                "name": f"blue-settings-{number}",
                "creationTimestamp": f"2026-01-0{number + 1}T00:00:00Z",
            },
        }
        for number in range(OLD_SETTINGS + 2)
    ]
    keep = [("ConfigMap", "blue-settings-0")]
    assert pruned(there(old), keep=keep) == {("ConfigMap", "blue-settings-1")}


# --- status --------------------------------------------------------------------------------


def test_conditions_that_turn_and_notes_are_urgent_and_counts_are_not() -> None:
    ready = {"type": names.Condition.READY, "status": "True", "reason": "All", "message": "3 of 3"}
    status = {"conditions": [ready], "memory": {"surge": {"gateway": 3}, "load": {"gateway": [1]}}}
    same = {
        "conditions": [{**ready, "message": "2 of 3"}],
        "memory": {"surge": {"gateway": 3}, "load": {"gateway": [2]}},
        "tiers": {"gateway": {"load": 40_000}},
    }
    assert urgent(status) == urgent(same)
    turned = {**status, "conditions": [{**ready, "status": "False"}]}
    noted = {**status, "memory": {"surge": {}}}
    assert urgent(status) != urgent(turned)
    assert urgent(status) != urgent(noted)
