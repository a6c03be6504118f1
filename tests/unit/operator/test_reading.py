"""A resource as values."""

from typing import Any

import pytest

from signet.settings import Settings
from signet_operator.names import Tier
from signet_operator.reading import read
from signet_operator.spec import (
    Autoscaling,
    Certificates,
    Drain,
    Exposure,
    Image,
    Issuer,
    Mode,
    Monitoring,
    SecretKey,
    Store,
)
from tests.support.crds import STORES, stored

PROVIDER = {
    "issuer": "https://id.example",
    "audience": "signet",
    "jwks": "https://id.example/jwks",
    "algorithm": "ES256",
}


def test_what_is_not_said_has_the_defaults_of_the_code() -> None:
    spec = read(stored())
    assert {tier.autoscaling for tier in spec.tiers.values()} == {Autoscaling()}
    assert {tier.drain for tier in spec.tiers.values()} == {Drain()}
    assert spec.image == Image("signet", "0.1.0")
    assert spec.exposure == Exposure()
    assert spec.certificates == Certificates()
    assert spec.monitoring == Monitoring()
    assert (spec.shards, spec.paused, spec.hibernate, spec.retain) == (1024, False, False, ())


def test_its_place_in_the_api_goes_with_it() -> None:
    spec = read(stored("talk", "messengers"))
    assert (spec.namespace, spec.name, spec.generation) == ("messengers", "talk", 1)
    assert spec.uid == "11111111-2222-3333-4444-555555555555"


def test_stores_by_url_and_by_secret() -> None:
    inbox = {
        "secretRef": {"name": "stores", "key": "inbox"},
        "caSecretRef": {"name": "authority"},
        "filesSecretRef": {"name": "client"},
    }
    stores = read(stored(stores={**STORES, "inbox": inbox})).stores
    ours, authority = SecretKey("stores", "inbox"), SecretKey("authority", "ca.crt")
    assert stores["inbox"] == Store(secret=ours, ca=authority, files="client")
    assert stores["members"] == Store(url="redis://redis:6379/0")
    assert set(stores) == set(STORES)


def test_a_tier_as_it_is_asked() -> None:
    gateway = {
        "replicas": 5,
        "autoscaling": {"mode": "builtin", "maxReplicas": 9, "targets": {"connections": 100}},
        "drain": {"deadlineSeconds": 900, "allowLong": True, "ratePerSecond": 50},
        "topology": {"zones": "DoNotSchedule"},
        "pod": {"nodeSelector": {"pool": "edge"}},
    }
    tier = read(stored(gateway=gateway)).tiers[Tier.GATEWAY]
    assert tier.replicas == 5
    assert tier.autoscaling == Autoscaling(Mode.BUILTIN, maximum=9, target_connections=100)
    assert tier.drain == Drain(deadline_s=900, rate=50, long=True)
    assert tier.topology == {"zones": "DoNotSchedule", "hosts": "ScheduleAnyway"}
    assert tier.overrides == {"nodeSelector": {"pool": "edge"}}


def test_images_by_tag_and_by_digest() -> None:
    digest = "sha256:" + "a" * 64
    image = read(
        stored(image={"repository": "r.example/signet", "digests": {"keys": digest}})
    ).image
    assert image.of(Tier.GATEWAY) == "r.example/signet-gateway:0.1.0"
    assert image.of(Tier.KEYS) == f"r.example/signet-keys@{digest}"


def test_exposure_certificates_and_monitoring() -> None:
    spec = read(
        stored(
            exposure={"wildcard": "*.chat.example", "tlsSecretRef": {"name": "edge"}},
            certificates={"issuer": "cert-manager", "issuerRef": {"name": "ours"}},
            monitoring={"podMonitor": True, "labels": {"team": "chat"}},
        )
    )
    assert spec.exposure == Exposure(wildcard="*.chat.example", tls=SecretKey("edge", "tls.crt"))
    assert spec.certificates.issuer is Issuer.CERT_MANAGER
    assert spec.certificates.issuer_ref == {
        "name": "ours",
        "kind": "Issuer",
        "group": "cert-manager.io",
    }
    assert spec.monitoring == Monitoring(pod_monitor=True, labels={"team": "chat"})


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"registration": {"mode": "identity_provider", "identityProvider": PROVIDER}},
        {"exposure": {"origins": ["https://chat.example"], "proxies": ["10.0.0.0/8", "::1"]}},
        {"limits": {"sendBurst": 5, "sendRate": 0.5, "holdSeconds": 20}},
        {"limits": {"fileBytes": 2**30, "filesAnHour": 5}},
    ],
)
def test_settings_are_such_that_a_pod_starts_with_them(spec: dict[str, Any]) -> None:
    settings = read(stored(**spec)).settings
    assert set(settings) <= set(Settings.model_fields)
    Settings(**settings)


def test_what_is_said_of_files_is_a_setting_and_what_is_not_is_the_products_own() -> None:
    said = read(stored(limits={"fileBytes": 2**30, "filesAnHour": 5})).settings
    assert (said["media_bytes"], said["media_an_hour"]) == (2**30, 5)
    assert "media_bytes" not in read(stored()).settings


@pytest.mark.parametrize(
    ("drain", "load", "passed", "rate"),
    [
        (Drain(), 1000, 0, 0.0),
        (Drain(rate=50), 1000, 0, 50.0),
        (Drain(period_s=100), 1000, 0, 10.0),
        (Drain(period_s=100), 500, 50, 10.0),
        (Drain(period_s=100), 5, 0, 0.05),
        (Drain(period_s=10, rate=50), 1000, 0, 50.0),
        (Drain(period_s=100, rate=50), 1000, 0, 10.0),
        (Drain(period_s=100), 7, 100, 0.0),
    ],
)
def test_a_drain_asks_at_most_what_its_rate_and_what_is_left_of_its_period_say(
    drain: Drain, load: int, passed: float, rate: float
) -> None:
    assert drain.rate_of(load, passed) == rate
