"""Certificates that somebody has changed or deleted, and what a paused cluster is spared."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from signet_operator import certificates as ca
from signet_operator import names
from signet_operator.apply.leaves import CHECK_S, SUSPECT_S
from signet_operator.names import CLUSTER_KIND, POOL_KIND, Tier
from tests.unit.operator.one_operator import BLUE, NAMESPACE, OneOperator, operating

KEYS = "blue-keys-tls"
JUNK = base64.b64encode(b"junk").decode()


@pytest.fixture
async def one() -> AsyncIterator[OneOperator]:
    async with operating() as made:
        made.ask()
        await made.settle()
        yield made


def shown(one: OneOperator, tier: Tier = Tier.KEYS) -> str:
    data = one.api.get("Secret", NAMESPACE, f"blue-{tier}-tls")["data"]
    return ca.fingerprint(base64.b64decode(data["tls.crt"]))


def events(one: OneOperator) -> list[tuple[str, str]]:
    found = [obj for obj in one.api.objects.values() if obj["kind"] == "Event"]
    return [(event["reason"], event["note"]) for event in found]


def condition(one: OneOperator, kind: str) -> dict[str, Any]:
    status = one.api.get(CLUSTER_KIND, *BLUE)["status"]
    [found] = [c for c in status["conditions"] if c["type"] == kind]
    return dict(found)


async def test_a_certificate_that_was_changed_by_hand_is_made_anew_and_the_others_are_not(
    one: OneOperator,
) -> None:
    before = {tier: shown(one, tier) for tier in Tier}
    one.api.by_hand("Secret", NAMESPACE, KEYS, **{"tls.crt": JUNK})
    await one.look(after=CHECK_S)
    assert shown(one) != before[Tier.KEYS]
    assert {tier: shown(one, tier) for tier in Tier if tier is not Tier.KEYS} == {
        tier: before[tier] for tier in Tier if tier is not Tier.KEYS
    }
    text = "Somebody changed or deleted the certificates of keys: new ones were made."
    assert ("CertificatePutRight", text) in events(one)
    made = shown(one)
    await one.look(after=CHECK_S)
    assert shown(one) == made


@pytest.mark.parametrize("key", ["tls.crt", "tls.key"])
async def test_it_is_noticed_by_who_owns_a_key_and_not_by_what_is_in_it(
    one: OneOperator, key: str
) -> None:
    same = one.api.get("Secret", NAMESPACE, KEYS)["data"][key]
    before = shown(one)
    one.api.by_hand("Secret", NAMESPACE, KEYS, **{key: same})
    await one.look(after=CHECK_S)
    assert shown(one) != before


async def test_a_certificate_that_was_deleted_is_made_anew(one: OneOperator) -> None:
    before = shown(one)
    one.api.delete("Secret", NAMESPACE, KEYS)
    await one.look(after=CHECK_S)
    assert shown(one) not in {"", before}


async def test_it_is_noticed_within_a_minute_where_a_pod_waits_for_its_volume(
    one: OneOperator,
) -> None:
    one.run_pods(tiers=(Tier.KEYS,))
    one.api.delete("Secret", NAMESPACE, KEYS)
    pod = one.api.get("Pod", NAMESPACE, "blue-keys-0")
    waiting = {"state": {"waiting": {"reason": "ContainerCreating"}}}
    pod["status"]["containerStatuses"] = [waiting]
    await one.look(after=SUSPECT_S)
    assert shown(one)


async def test_nothing_is_asked_of_secrets_between_checks(one: OneOperator) -> None:
    await one.look(after=CHECK_S)
    before = len(one.api.sent)
    for _ in range(10):
        await one.look(after=CHECK_S / 20)
    assert [call for call in one.api.sent[before:] if call[1] == "Secret"] == []


async def test_nobody_reads_a_secret_of_the_cluster(one: OneOperator) -> None:
    """What a check is answered with is metadata alone."""
    one.api.by_hand("Secret", NAMESPACE, KEYS, **{"tls.crt": JUNK})
    await one.look(after=CHECK_S)
    read = [where for where in one.api.shown if f"/namespaces/{NAMESPACE}/secrets" in where]
    assert read == []


async def test_one_that_may_not_be_written_is_said_and_keeps_nothing_else(
    one: OneOperator,
) -> None:
    found = one.api.get("Secret", NAMESPACE, KEYS)
    del found["metadata"]["labels"][names.MANAGED_BY_LABEL]
    one.ask(keys={"replicas": 5})
    await one.look(after=CHECK_S)
    said = condition(one, "Degraded")
    assert (said["status"], said["reason"]) == ("True", "Refused")
    assert KEYS in said["message"]
    assert "Refused" in {reason for reason, _ in events(one)}
    assert one.api.get(POOL_KIND, NAMESPACE, "blue-keys")["spec"]["replicas"] == 5
    found["metadata"]["labels"][names.MANAGED_BY_LABEL] = names.MANAGER
    found["metadata"]["managedFields"] = []
    await one.look(after=SUSPECT_S)
    assert condition(one, "Degraded")["status"] == "False"


async def test_a_bundle_that_was_changed_or_deleted_is_put_right_at_the_next_look(
    one: OneOperator,
) -> None:
    before = dict(one.api.get("ConfigMap", NAMESPACE, "blue-bundle")["data"])
    certificates = {tier: shown(one, tier) for tier in Tier}
    one.api.get("ConfigMap", NAMESPACE, "blue-bundle")["data"]["ca.crt"] = "junk"
    await one.look()
    assert one.api.get("ConfigMap", NAMESPACE, "blue-bundle")["data"] == before
    await one.look()
    one.api.delete("ConfigMap", NAMESPACE, "blue-bundle")
    await one.look()
    assert one.api.get("ConfigMap", NAMESPACE, "blue-bundle")["data"] == before
    assert {tier: shown(one, tier) for tier in Tier} == certificates


# --- paused --------------------------------------------------------------------------------------


async def test_of_a_paused_cluster_only_the_status_is_written(one: OneOperator) -> None:
    one.ask(paused=True)
    await one.look()
    before = len(one.api.sent)
    one.ask(paused=True, keys={"replicas": 5}, image={"tag": "other"}, hibernate=True)
    one.api.delete("ConfigMap", NAMESPACE, "blue-bundle")
    one.api.delete("Secret", NAMESPACE, KEYS)
    one.api.get("Service", NAMESPACE, "blue-api")["spec"]["ports"] = []
    for _ in range(3):
        await one.look(after=CHECK_S)
    written = {kind for _, kind, _ in one.writes(before)}
    assert written <= {CLUSTER_KIND, POOL_KIND}
    assert all("/status" in where for where in one.api.wrote[before:])
    assert condition(one, "ReconciliationPaused")["status"] == "True"
    one.ask()
    await one.look()
    assert one.api.get("Service", NAMESPACE, "blue-api")["spec"]["ports"]
    assert one.api.get("ConfigMap", NAMESPACE, "blue-bundle")


async def test_of_a_cluster_that_begins_paused_nothing_is_made() -> None:
    async with operating() as one:
        one.ask(paused=True)
        for _ in range(3):
            await one.look(after=CHECK_S)
        assert {obj["kind"] for obj in one.api.objects.values()} == {CLUSTER_KIND}
        assert condition(one, "ReconciliationPaused")["status"] == "True"
