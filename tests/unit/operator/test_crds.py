"""What is true of the CRDs without an API server: bounds, words, defaults."""

from dataclasses import fields
from typing import Any

import pytest

from signet.settings import Settings
from signet_operator.names import Tier
from signet_operator.reading import TARGETS
from signet_operator.spec import Autoscaling, Certificates, ClusterSpec, Drain, Image, Monitoring
from tests.support.crds import crd, defaulted, node, nodes, schema

PLURALS = ("messagingclusters", "messagingpools")
KNOWN = {
    "type",
    "description",
    "properties",
    "required",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "additionalProperties",
    "maxProperties",
    "anyOf",
    "x-kubernetes-validations",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string",
}
PARTS = [(plural, path, part) for plural in PLURALS for path, part in nodes(schema(plural))]
SPEC = [(plural, path, part) for plural, path, part in PARTS if path.startswith(".spec")]
OPEN = {".spec." + tier + ".pod.affinity" for tier in Tier}


@pytest.mark.parametrize("plural", PLURALS)
def test_a_schema_has_only_words_that_the_api_knows(plural: str) -> None:
    """A comma in a text without quotes makes a keyword of its end."""
    strange = {path: set(part) - KNOWN for path, part in nodes(schema(plural))}
    assert {path: words for path, words in strange.items() if words} == {}


def test_everything_that_may_grow_has_a_bound() -> None:
    """CEL is refused on what it cannot bound, and an object of megabytes is nobody's wish."""
    bounds = {"string": "maxLength", "array": "maxItems"}
    unbounded = [
        f"{plural}{path}"
        for plural, path, part in SPEC
        if (part.get("type") in bounds and bounds[part["type"]] not in part and "enum" not in part)
        or ("additionalProperties" in part and "maxProperties" not in part)
    ]
    assert unbounded == []


def test_every_number_has_both_ends() -> None:
    ends = [
        f"{plural}{path}"
        for plural, path, part in SPEC
        if part.get("type") in {"integer", "number"} and not {"minimum", "maximum"} <= set(part)
    ]
    assert [end for end in ends if not end.endswith("tolerationSeconds")] == []


def test_every_field_of_ours_says_what_it_is() -> None:
    silent = [
        f"{plural}{path}"
        for plural, path, part in PARTS
        if path
        and not path.endswith("[]")
        and path not in {".apiVersion", ".kind", ".metadata"}
        and ".tolerations[]" not in path
        and ".env[]" not in path
        and not part.get("description")
    ]
    assert silent == []


def test_times_are_whole_seconds() -> None:
    times = [(path, part) for _, path, part in SPEC if path.endswith("Seconds")]
    assert times
    assert {part["type"] for _, part in times} == {"integer"}


def test_whatever_is_unknown_is_dropped_but_for_affinity_and_memory() -> None:
    kept = {path for _, path, part in PARTS if part.get("x-kubernetes-preserve-unknown-fields")}
    assert kept == {*OPEN, ".status.memory"}


def test_a_default_of_an_object_says_all_that_is_in_it() -> None:
    """A default that leaves nested ones out is refused beside CEL rules."""
    short = {
        f"{plural}{path}": part["default"]
        for plural, path, part in PARTS
        if isinstance(part.get("default"), dict)
        and defaulted(part["default"], part) != part["default"]
    }
    assert short == {}


def test_a_pods_overrides_are_the_listed_set() -> None:
    for tier in Tier:
        assert set(node("messagingclusters", f".spec.{tier}.pod")["properties"]) == {
            "labels",
            "annotations",
            "nodeSelector",
            "tolerations",
            "affinity",
            "priorityClassName",
            "runtimeClassName",
            "env",
        }


def test_the_scale_subresource_is_where_autoscalers_look() -> None:
    (version,) = crd("messagingpools")["spec"]["versions"]
    assert version["subresources"]["scale"] == {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    assert node("messagingpools", ".status.selector")["type"] == "string"


def test_a_pools_replicas_have_no_default() -> None:
    """What its only owner lets go of must not become a number that nobody wrote."""
    assert "default" not in node("messagingpools", ".spec.replicas")


@pytest.mark.parametrize("plural", PLURALS)
def test_conditions_are_a_map_by_type(plural: str) -> None:
    conditions = node(plural, ".status.conditions")
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


# --- one set of defaults -------------------------------------------------------------------------


def defaults(of: type) -> dict[str, Any]:
    return {field.name: field.default for field in fields(of)}


@pytest.mark.parametrize("tier", list(Tier))
def test_defaults_of_a_drain_are_those_of_the_code(tier: Tier) -> None:
    asked = node("messagingclusters", f".spec.{tier}.drain")["default"]
    assert defaults(Drain) == {
        "period_s": asked["periodSeconds"],
        "deadline_s": asked["deadlineSeconds"],
        "rate": asked["ratePerSecond"],
        "max_concurrent": asked["maxConcurrent"],
        "long": asked["allowLong"],
    }


@pytest.mark.parametrize("tier", list(Tier))
def test_defaults_of_autoscaling_are_those_of_the_code(tier: Tier) -> None:
    asked, ours = node("messagingclusters", f".spec.{tier}.autoscaling"), defaults(Autoscaling)
    assert asked["default"]["mode"] == ours["mode"]
    assert asked["default"]["minReplicas"] == ours["minimum"]
    assert asked["default"]["maxReplicas"] == ours["maximum"]
    assert asked["default"]["upStabilizationSeconds"] == ours["up_stabilization_s"]
    assert asked["default"]["downStabilizationSeconds"] == ours["down_stabilization_s"]
    for name, value in asked["default"]["targets"].items():
        assert value == ours[TARGETS[name]], name


def test_every_target_of_the_code_can_be_asked_of_some_tier() -> None:
    asked = {
        TARGETS[name]
        for tier in Tier
        for name in node("messagingclusters", f".spec.{tier}.autoscaling.targets")["properties"]
    }
    assert asked == {name for name in defaults(Autoscaling) if name.startswith("target_")}


def test_other_defaults_are_those_of_the_code() -> None:
    spec, ours = node("messagingclusters", ".spec")["properties"], defaults(ClusterSpec)
    assert spec["networkPolicy"]["default"] == ours["network_policy"]
    assert spec["paused"]["default"] == ours["paused"]
    assert spec["hibernate"]["default"] == ours["hibernate"]
    assert spec["operatorClass"]["default"] == ours["operator_class"]
    assert tuple(spec["retain"]["default"]) == ours["retain"]
    assert spec["image"]["default"]["pullPolicy"] == defaults(Image)["pull_policy"]
    certificates = spec["certificates"]["default"]
    assert certificates["issuer"] == defaults(Certificates)["issuer"]
    assert certificates["lifetimeSeconds"] == defaults(Certificates)["lifetime_s"]
    assert certificates["renewBeforeSeconds"] == defaults(Certificates)["renew_before_s"]
    assert spec["monitoring"]["default"] == {
        "podMonitor": defaults(Monitoring)["pod_monitor"],
        "rules": defaults(Monitoring)["rules"],
    }


@pytest.mark.parametrize(
    ("path", "setting"),
    [
        (".spec.shards", "shards"),
        (".spec.registration.mode", "registration"),
        (".spec.registration.proofOfWorkBits", "proof_of_work_bits"),
        (".spec.registration.registrationsAnHour", "registrations_an_hour"),
        (".spec.registration.loginsAMinute", "logins_a_minute"),
        (".spec.registration.identityProvider.algorithm", "identity_provider_algorithm"),
        (".spec.limits.sendBurst", "send_burst"),
        (".spec.limits.sendRate", "send_rate"),
        (".spec.limits.holdSeconds", "hold_s"),
        (".spec.logs.level", "log_level"),
    ],
)
def test_a_default_is_that_of_the_setting_that_it_becomes(path: str, setting: str) -> None:
    assert node("messagingclusters", path)["default"] == Settings.model_fields[setting].default
