"""The settings that pods are given, read by the product itself; metrics that alerts name."""

import base64
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from signet import settings as product
from signet.core import limits
from signet.telemetry import metrics
from signet_operator.desired import config_map, job, prometheus_rule, secret, template
from signet_operator.names import Tier
from signet_operator.spec import Certificates, ClusterSpec, Exposure, Issuer, SecretKey, Store
from tests.unit.operator.clusters import full, plain, secret_stores

POD = {"metadata.name": "blue-gateway-0", "status.podIP": "10.0.0.7"}
URLS = {
    "inbox": "cassandra+ssl://u:p@cassandra/signet?dc=dc1",
    "directory": "postgresql://u:p@postgres/signet",
    "members": "rediss://redis",
    "presence": "rediss://redis/1",
    "limits": "rediss://redis/2",
    "events": "kafka+ssl://u:p@kafka:9093",
    "blobs": "s3://key:secret@media?endpoint=https://s3.example",
    "push": "webhook:https://push.example?secret_file=/etc/signet/store-files/push/key",
}
BY_CERT_MANAGER = Certificates(Issuer.CERT_MANAGER, {"name": "internal"})
PUSHING = {**plain().settings, "push_kinds": "web_push", "vapid_public_key": "B" * 87}
SPECS = {
    "plain": plain(),
    "full": full(),
    "secrets": plain(stores=secret_stores()),
    "devices register": plain(stores=secret_stores(), settings=PUSHING),
    "no TLS": plain(certificates=Certificates(Issuer.NONE)),
    "cert-manager": plain(certificates=BY_CERT_MANAGER),
    "TLS at gateways": plain(exposure=Exposure(tls=SecretKey("clients", "tls.crt"))),
}


class Machine:
    """A folder in place of a pod's root: what is mounted is there, and nothing else."""

    def __init__(self, root: Path, pod: Mapping[str, Any], spec: ClusterSpec) -> None:
        self._root, self._pod = root, pod["spec"]
        self._volumes = {volume["name"]: volume for volume in self._pod["volumes"]}
        self._settings = config_map.config_map(spec)
        for mount in self._pod["containers"][0]["volumeMounts"]:
            self._mount(mount["mountPath"], self._volumes[mount["name"]])

    def _mount(self, path: str, volume: Mapping[str, Any]) -> None:
        folder = self.at(path)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self._contents(path, volume).items():
            (folder / name).write_text(text)

    def _contents(self, path: str, volume: Mapping[str, Any]) -> dict[str, str]:
        if "configMap" in volume:
            name = volume["configMap"]["name"]
            if name == self._settings["metadata"]["name"]:
                text = self._settings["data"]["signet.toml"]
                return {"signet.toml": re.sub(r'"(/(?:etc|var)/[^"]*)"', self._moved, text)}
            return {"ca.crt": "authorities"}
        if "secret" not in volume:
            return {}
        whole = [{"path": name} for name in ("tls.crt", "tls.key", "ca.crt")]
        items = volume["secret"].get("items", whole)
        return {item["path"]: self._value(path, item["path"]) for item in items}

    def _value(self, path: str, key: str) -> str:
        if key.endswith("_key"):
            data = secret.shared(plain(), b"r" * 32, b"p" * 32)["data"]
            return base64.b64decode(data[key]).decode()
        return URLS.get(Path(path).name, "PEM")

    def _moved(self, match: "re.Match[str]") -> str:
        return f'"{self.at(match[1])}"'

    def at(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def environment(self) -> dict[str, str]:
        """As a kubelet makes it: $(NAME) is a variable that was named before."""
        found: dict[str, str] = {}
        for one in self._pod["containers"][0]["env"]:
            if "valueFrom" in one:
                found[one["name"]] = POD[one["valueFrom"]["fieldRef"]["fieldPath"]]
                continue
            value = re.sub(r"\$\((\w+)\)", lambda m: found[m[1]], one["value"])
            found[one["name"]] = str(self.at(value)) if value.startswith("/etc/") else value
        return found

    def read(self, monkeypatch: pytest.MonkeyPatch) -> product.Settings:
        for name, value in self.environment().items():
            monkeypatch.setenv(name, value)
        return product.load(self.at("/etc/signet/settings/signet.toml"))


@pytest.mark.parametrize("kind", Tier)
@pytest.mark.parametrize("name", SPECS)
def test_a_pod_accepts_the_settings_that_it_is_given(
    name: str, kind: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SPECS[name]
    read = Machine(tmp_path, template(spec, kind), spec).read(monkeypatch)
    assert read.name == "blue-gateway-0"
    assert (read.shards, read.server_name, read.probe_port) == (1024, "chat.example", 7405)
    assert read.send_rate == 1.5
    assert (read.tls_ca is None) == (spec.certificates.issuer is Issuer.NONE)
    assert read.leave_s == spec.tiers[kind].drain.deadline_s
    assert read.members
    with_blobs = "blobs" in spec.stores  # without it clients send no files
    assert (read.blobs == "none:") == (not with_blobs)
    assert (read.blobs == URLS["blobs"]) == (with_blobs and kind is Tier.KEYS)
    assert (kind is Tier.GATEWAY) == bool(read.resume_key)
    assert read.push_kinds == spec.settings.get("push_kinds", "")


@pytest.mark.parametrize("name", SPECS)
def test_push_may_read_the_directory_only_where_devices_register(name: str) -> None:
    spec = SPECS[name]
    secrets = [one for one in template(spec, Tier.PUSH)["spec"]["volumes"] if "secret" in one]
    mounted = "directory-login" in {one["secret"]["secretName"] for one in secrets}
    registers = bool(spec.settings.get("push_kinds"))
    assert mounted == (registers and spec.stores["directory"].secret is not None)


@pytest.mark.parametrize("name", SPECS)
def test_a_migration_accepts_its_settings_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SPECS[name]
    read = Machine(tmp_path, job.job(spec, "7")["spec"]["template"], spec).read(monkeypatch)
    assert all((read.inbox, read.directory, read.events))


def test_every_setting_that_the_product_does_not_know_would_be_refused(tmp_path: Path) -> None:
    spec = plain(settings={"sendrate": 2})
    file = tmp_path / "signet.toml"
    file.write_text(config_map.config_map(spec)["data"]["signet.toml"])
    with pytest.raises(product.BadSettings, match="sendrate: there is no such setting"):
        product.load(file)


def test_toml_says_the_same_values_again() -> None:
    values = {"text": 'a "b" \\ \n\t\x7f é 💬', "yes": True, "no": False, "n": 3, "x": 1.5}
    assert tomllib.loads(config_map.toml(values)) == values
    with pytest.raises(TypeError):
        config_map.toml({"list": [1]})


def test_a_persons_settings_do_not_replace_ours() -> None:
    assert config_map.settings(plain(settings={"shards": 3, "host": "::1"}))["shards"] == 1024


def test_the_authority_of_a_store_is_named_in_its_url_once() -> None:
    ca = SecretKey("ca", "ca.crt")
    path = "cafile=/etc/signet/store-ca/inbox/ca.crt"
    assert config_map.url("inbox", Store("cassandra+ssl://c/k?dc=1", ca=ca)).endswith(f"&{path}")
    assert config_map.url("inbox", Store("rediss://c", ca=ca)) == f"rediss://c?{path}"
    named = "rediss://c?cafile=/elsewhere"
    assert config_map.url("inbox", Store(named, ca=ca)) == named


def test_other_settings_are_another_config_map_which_its_templates_name() -> None:
    one, other = plain(), plain(settings={"log_level": "debug"})
    assert config_map.name(one) != config_map.name(other)
    assert config_map.used([template(one, Tier.GATEWAY)]) == {config_map.name(one), "blue-bundle"}
    assert config_map.config_map(one)["immutable"]


@pytest.mark.parametrize("alert", prometheus_rule.ALERTS, ids=lambda alert: alert.name)
def test_an_alert_names_metrics_that_there_are_and_a_page_of_the_documents(
    alert: prometheus_rule.Alert,
) -> None:
    known = {family.name for family in REGISTRY.collect()}
    known |= {f"{name}_total" for name in known}
    expression = prometheus_rule.expression(replace(plain(), shards=limits.SHARDS), alert)
    named = set(re.findall(r"signet_\w+", expression))
    assert named
    assert named <= known, metrics.__doc__
    documents = Path(__file__).parents[3] / "docs" / "operations"
    assert (documents / alert.runbook).is_file()
