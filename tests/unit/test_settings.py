from pathlib import Path
from typing import Any

import pytest

from signet import settings, settings_table
from signet.settings import BadSettings, Settings


def test_flags_win_over_the_environment_and_the_environment_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "signet.toml"
    file.write_text("grpc_port = 1\nrest_port = 2\nadmin_port = 3\n")
    monkeypatch.setenv("SIGNET_REST_PORT", "20")
    monkeypatch.setenv("SIGNET_ADMIN_PORT", "30")
    read = settings.load(file, admin_port=300, websocket_port=None)
    assert (read.grpc_port, read.rest_port, read.admin_port) == (1, 20, 300)
    assert read.websocket_port == 7400


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"grpc_port": 70_000}, "grpc_port (SIGNET_GRPC_PORT): input should be less than"),
        ({"drain_s": -1}, "drain_s (SIGNET_DRAIN_S): "),
        ({"grpc_prot": 1}, "grpc_prot: there is no such setting"),
        ({"grpc_port": 7400}, "two services cannot share a port"),
        ({"registration": "identity_provider"}, "needs identity_provider_issuer"),
        ({"identity_provider_issuer": "x"}, "go together"),
        ({"log_level": "loud"}, "log_level (SIGNET_LOG_LEVEL): "),
        ({"proxies": "10.0.0.1, proxy.example"}, "proxies (SIGNET_PROXIES): "),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name_and_reason(
    flags: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadSettings) as refused:
        settings.load(**flags)
    assert said in str(refused.value)


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(BadSettings) as refused:
        settings.load(grpc_port=-1, rest_port="x")
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [("grpc_port = ", "settings file"), ("grpc_prot = 1", "grpc_prot"), (None, "no such file")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "signet.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadSettings, match=said):
        settings.load(file)


def test_every_setting_says_what_it_means_and_stands_in_the_table() -> None:
    table = settings_table.markdown()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"| `{name}` | `SIGNET_{name.upper()}` |" in table


def test_the_table_holds_no_path_of_this_machine() -> None:
    assert str(Path.home()) not in settings_table.markdown()


def test_a_secret_stands_in_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, toml = tmp_path / "secret", tmp_path / "signet.toml"
    secret.write_text("redis://:pass@here\n")
    toml.write_text(f"members_file = '{secret}'\ndirectory = 'postgresql://there'\n")
    monkeypatch.setenv("SIGNET_DIRECTORY_FILE", str(secret))
    secret.with_name("other").write_text("postgresql://:pass@here\n")
    monkeypatch.setenv("SIGNET_DIRECTORY_FILE", str(tmp_path / "other"))
    read = settings.load(toml, presence_file=str(secret))
    assert (read.members, read.presence) == ("redis://:pass@here",) * 2
    assert read.directory == "postgresql://:pass@here"


def test_a_secret_that_cannot_be_is_named_and_never_shown(tmp_path: Path) -> None:
    for flags, said in (
        ({"members": "kafka://:pass@x"}, "members (SIGNET_MEMBERS): nothing is known of 'kafka'"),
        ({"resume_key": "cGFzcw=="}, "resume_key (SIGNET_RESUME_KEY): 32 bytes are needed"),
        ({"inbox_file": tmp_path / "none"}, "inbox_file (SIGNET_INBOX_FILE): "),
        ({"push": "a", "push_file": "b"}, "push: give it or push_file, not both"),
        ({"push": "log: fax:x"}, "push (SIGNET_PUSH): nothing is known of"),
        ({"push_kinds": "fcm, fax"}, "push_kinds (SIGNET_PUSH_KINDS): nothing is known of 'fax'"),
        ({"vapid_public_key": "short"}, "vapid_public_key (SIGNET_VAPID_PUBLIC_KEY): "),
        ({"data_file": "b"}, "data_file: there is no such setting"),
    ):
        with pytest.raises(BadSettings) as refused:
            settings.load(**flags)
        assert said in str(refused.value)
        assert "pass" not in str(refused.value)
        assert "cGFzcw" not in str(refused.value)
    assert "pass" not in repr(settings.load(members="redis://:pass@here"))


def test_certificates_are_given_whole_and_are_there(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="tls_ca, tls_cert, tls_key go together"):
        settings.load(tls_ca=tmp_path)
    with pytest.raises(BadSettings, match=r"tls_ca \(SIGNET_TLS_CA\): .*no such file"):
        settings.load(tls_ca=tmp_path / "a", tls_cert=tmp_path / "b", tls_key=tmp_path / "c")
