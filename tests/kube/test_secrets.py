"""Secrets that the operator makes, on a real API server; what it never reads."""

import base64
import json
import ssl
from typing import Any

import pytest

from signet_operator import certificates as ca
from signet_operator.apply import Trust, Writer
from signet_operator.apply.kinds import Object
from signet_operator.apply.leaves import CHECK_S
from signet_operator.apply.secrets import LOOK_S
from signet_operator.certificates import PodTrust
from signet_operator.names import Tier
from tests.kube.applying import OneCluster, blue, by, crds, writer

__all__ = ["blue", "by", "crds"]
pytestmark = pytest.mark.lane("kube-api")
NOW = 1_800_000_000.0
DAY = 86_400


class Looks:
    """What a process does about Secrets, and the bundle as it then is in the API."""

    def __init__(self, blue: OneCluster, by: Writer) -> None:
        self.blue, self.by = blue, by
        self.noted: Object | None = None

    async def __call__(self, now: float, *pods: PodTrust, by: Writer | None = None) -> Trust:
        trust = await (by or self.by).secrets.look(self.blue.spec, pods, self.noted, now)
        [self.noted] = trust.objects
        return trust

    @property
    def bundle(self) -> bytes:
        assert self.noted is not None
        text: str = self.noted["data"]["ca.crt"]
        return text.encode()


@pytest.fixture
def look(blue: OneCluster, by: Writer) -> Looks:
    return Looks(blue, by)


def data(blue: OneCluster, name: str) -> dict[str, bytes]:
    found = blue.get("secret", name)["data"]
    return {key: base64.b64decode(value) for key, value in found.items()}


def reasons(trust: Trust) -> list[str]:
    return [told.reason for told in trust.changed]


def leaf(blue: OneCluster, tier: Tier = Tier.ROUTER) -> str:
    return ca.fingerprint(data(blue, f"blue-{tier}-tls")["tls.crt"])


def authorities(blue: OneCluster) -> list[str]:
    kept = data(blue, f"signet-authority-{blue.spec.uid}")
    return [ca.fingerprint(kept[f"{number}.crt"]) for number in range(len(kept) // 2)]


async def test_a_cluster_gets_keys_and_certificates_once(
    blue: OneCluster, by: Writer, look: Looks
) -> None:
    trust = await look(NOW)
    assert reasons(trust) == ["AuthorityAdded", "CertificatesRenewed"]
    assert isinstance(trust.client, ssl.SSLContext)
    assert len(authorities(blue)) == 1
    assert ca.fingerprint(look.bundle) == authorities(blue)[0]
    shared, before = data(blue, "blue-shared"), leaf(blue)
    assert {len(base64.b64decode(key)) for key in shared.values()} == {32}
    sent = dict(by.calls.sent)
    for now in (NOW + 1, NOW + LOOK_S + 1):
        assert (await look(now)).changed == ()
    assert by.calls.sent == sent
    async with writer(blue.kube, blue.namespace) as next_life:
        assert (await look(NOW, by=next_life)).changed == ()
    assert (data(blue, "blue-shared"), leaf(blue)) == (shared, before)


async def test_a_certificate_is_renewed_before_its_end(blue: OneCluster, look: Looks) -> None:
    await look(NOW)
    first = leaf(blue)
    await look(NOW + 59 * DAY)
    assert leaf(blue) == first
    await look(NOW + 61 * DAY)
    assert leaf(blue) != first


async def test_who_changes_or_deletes_a_certificate_gets_another_one(
    blue: OneCluster, by: Writer, look: Looks
) -> None:
    await look(NOW)
    others = {tier: leaf(blue, tier) for tier in (Tier.GATEWAY, Tier.PUSH)}
    first = {tier: leaf(blue, tier) for tier in (Tier.KEYS, Tier.ROUTER)}
    blue.by_hand("delete", "secret", f"blue-{Tier.ROUTER}-tls")
    other = data(blue, f"blue-{Tier.GATEWAY}-tls")
    theirs = {"data": {key: base64.b64encode(value).decode() for key, value in other.items()}}
    change = ("patch", "secret", f"blue-{Tier.KEYS}-tls", "--type=merge", "-p", json.dumps(theirs))
    blue.by_hand(*change)
    assert leaf(blue, Tier.KEYS) == others[Tier.GATEWAY]
    assert reasons(await look(NOW + CHECK_S)) == ["CertificatePutRight"]
    assert all(leaf(blue, tier) not in {was, others[Tier.GATEWAY]} for tier, was in first.items())
    assert {tier: leaf(blue, tier) for tier in others} == others
    sent = len(by.calls.sent), by.calls.sent["PATCH"]
    assert (await look(NOW + 2 * CHECK_S)).changed == ()
    assert (len(by.calls.sent), by.calls.sent["PATCH"]) == sent


async def test_what_others_note_on_a_certificate_is_no_change_of_it(
    blue: OneCluster, look: Looks
) -> None:
    await look(NOW)
    blue.by_hand("annotate", "secret", f"blue-{Tier.KEYS}-tls", "backup=yes")
    blue.by_hand("label", "secret", f"blue-{Tier.KEYS}-tls", "team=chat")
    assert (await look(NOW + CHECK_S)).changed == ()


async def test_while_it_is_paused_nothing_is_made(
    blue: OneCluster, by: Writer, look: Looks
) -> None:
    await look(NOW)
    blue.change(paused=True)
    blue.by_hand("delete", "secret", f"blue-{Tier.ROUTER}-tls")
    sent = dict(by.calls.sent)
    trust = await by.secrets.look(blue.spec, [], look.noted, NOW + 70 * DAY)
    assert (trust.objects, trust.changed, by.calls.sent) == ((), (), sent)
    assert isinstance(trust.client, ssl.SSLContext)


def without_note(noted: Object | None, version: str) -> Object:
    """As a person leaves the bundle, and a watch then tells it."""
    assert noted is not None
    meta = {**noted["metadata"], "annotations": {}, "resourceVersion": version}
    return {**noted, "metadata": meta}


async def test_who_takes_the_note_away_gets_all_certificates_anew_and_once(
    blue: OneCluster, by: Writer, look: Looks
) -> None:
    await look(NOW)
    first = {tier: leaf(blue, tier) for tier in Tier}
    noted = look.noted
    look.noted = without_note(noted, "7")
    assert reasons(await look(NOW + 2)) == ["CertificatesRenewed"]
    second = {tier: leaf(blue, tier) for tier in Tier}
    assert not set(first.values()) & set(second.values())
    look.noted = without_note(noted, "7")  # the watch is late
    assert (await look(NOW + 3)).changed == ()
    look.noted = without_note(noted, "7")
    assert (await look(NOW + 3 + LOOK_S + 1)).changed == ()
    async with writer(blue.kube, blue.namespace) as next_life:
        look.noted = without_note(noted, "9")
        assert reasons(await look(NOW + 4, by=next_life)) == ["CertificatesRenewed"]


async def test_a_new_authority_is_in_the_bundle_before_it_signs_and_the_old_one_goes_last(
    blue: OneCluster, look: Looks
) -> None:
    await look(NOW)
    old = authorities(blue)
    now = NOW + 9.5 * ca.YEAR_S
    silent = PodTrust(Tier.ROUTER, "", "")
    # certificates are due, too, and are of the older one
    assert reasons(await look(now, silent)) == ["AuthorityAdded", "CertificatesRenewed"]
    assert len(authorities(blue)) == 2
    assert authorities(blue)[0] == old[0]
    signed = leaf(blue)
    assert (await look(now + 1, silent)).changed == ()

    await look(now + 2, PodTrust(Tier.ROUTER, ca.bundle_hash(look.bundle), signed))
    assert leaf(blue) != signed
    assert len(authorities(blue)) == 2
    shows = PodTrust(Tier.ROUTER, ca.bundle_hash(look.bundle), leaf(blue))
    assert reasons(await look(now + 3, shows)) == ["AuthorityRemoved"]
    [left] = authorities(blue)
    assert left != old[0]
    assert ca.fingerprint(look.bundle) == left
    assert (await look(now + 4, shows)).changed == ()


async def test_two_operators_do_not_make_two_authorities(blue: OneCluster, look: Looks) -> None:
    async with writer(blue.kube, blue.namespace) as other, writer(blue.kube, blue.namespace) as by:
        await look(NOW, by=other)
        kept, look.noted = look.noted, None
        before = authorities(blue)
        await look(NOW, by=by)
        assert kept is not None
        assert ca.fingerprint(look.bundle) == before[0]
    assert authorities(blue) == before


async def test_an_authority_goes_with_its_cluster(
    blue: OneCluster, by: Writer, look: Looks
) -> None:
    await look(NOW)

    def there() -> bool:
        kept: list[Any] = blue.by_kind("secrets")
        return f"signet-authority-{blue.spec.uid}" in {one["metadata"]["name"] for one in kept}

    await by.secrets.sweep()
    assert there()
    blue.by_hand("delete", "messagingcluster", "blue")
    await by.secrets.sweep()
    assert not there()


async def test_shared_keys_that_were_retained_are_taken_up_again(
    blue: OneCluster, look: Looks
) -> None:
    blue.change(retain=["Secret"])
    await look(NOW)
    kept = blue.get("secret", "blue-shared")
    assert "ownerReferences" not in kept["metadata"]
    blue.by_hand("delete", "messagingcluster", "blue")
    blue.change(retain=["Secret"])
    await look(NOW)
    assert blue.get("secret", "blue-shared")["data"] == kept["data"]
