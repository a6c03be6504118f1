"""The setting `push`: several providers at once, and each mistake said by its name."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signet.adapters import open as adapters
from signet.adapters.push_apns import ApnsPushes
from signet.adapters.push_fcm import FcmPushes
from signet.adapters.push_web import WebPushes
from signet.adapters.push_webhook import WebhookPush
from signet.ports.push_registrations import PushKind


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with `key.pem`, `account.json` and `secret`."""

    def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    (tmp_path / "key.pem").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    account = {
        "project_id": "chat",
        "private_key_id": "1",
        "private_key": pem(rsa.generate_private_key(65537, 2048)).decode(),
        "client_email": "push@example.org",
        "token_uri": "https://example.org/token",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    (tmp_path / "secret").write_bytes(bytes(range(33, 97)))
    return tmp_path


async def test_all_kinds_at_once(files: Path) -> None:
    opened = adapters.open_push(
        f"webhook:https://example.org/?secret_file={files}/secret log:"
        f" web_push:?key_file={files}/key.pem&subject=mailto:ops@example.org"
        f"&loopback_hosts=localhost,push.test"
        f" apns:?key_file={files}/key.pem&key_id=ABC&team_id=DEF&sandbox=https://localhost:1"
        f" fcm:?account_file={files}/account.json&host=https://localhost:2"
    )
    assert set(opened.by_user) == {"webhook", "log"}
    assert isinstance(opened.by_user["webhook"], WebhookPush)
    assert {kind: type(one) for kind, one in opened.by_kind.items()} == {
        PushKind.WEB_PUSH: WebPushes,
        PushKind.APNS: ApnsPushes,
        PushKind.FCM: FcmPushes,
    }
    await opened.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("log: log:", "log: is there twice"),
        ("log:loud", "log: has no options"),
        ("web_push:", "web_push: options follow"),
        ("web_push:?subject=mailto:a", "web_push: needs key_file"),
        ("web_push:?key_file={}/key.pem", "web_push: needs subject"),
        ("web_push:?key_file={}/key.pem&subject=me", "subject is a mailto"),
        ("web_push:?key_file={}/secret&subject=mailto:a", "."),
        ("apns:?key_file={}/key.pem&team_id=T", "apns: needs key_id"),
        ("apns:?key_file={}/key.pem&key_id=K&team_id=T&colour=red", "colour is none of its"),
        ("apns:?key_file={}/key.pem&key_id=K&team_id=T&sandbox=http://x", "sandbox is an https"),
        ("fcm:?account_file={}/key.pem", "service account"),
        ("fcm:?account_file={}/account.json&account_file=x", "each once"),
        ("log: carrier-pigeon:", "nothing is known of 'carrier-pigeon'; there is log, webhook"),
    ],
)
def test_what_cannot_be_is_refused_by_name(files: Path, url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        adapters.open_push(url.replace("{}", str(files)))
