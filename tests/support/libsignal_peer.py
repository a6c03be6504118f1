"""The lane "libsignal": a device that runs libsignal 0.72.1, in a Node process of its own.

libsignal is AGPL: it is installed outside the tree, run by tests, and part of nothing we ship.
"""

import contextlib
import json
import shutil
import subprocess
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from signet.e2e import (
    Address,
    Ciphertext,
    PreKeyBundle,
    PublicPreKey,
    SignedPublicPreKey,
)

VERSION = "0.72.1"
HERE = Path(__file__).parent / "libsignal"
LANE = Path.home() / ".cache" / "signet" / "lanes" / f"libsignal-{VERSION}"


def installed() -> Path:
    """The folder with libsignal in its node_modules; skips the test when it cannot be had."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if not LANE.exists():
        _install()
    return LANE


def _install() -> None:
    LANE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=LANE.parent) as folder:
        making = Path(folder) / "lane"
        making.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, making)
        _npm_ci(making)
        with contextlib.suppress(OSError):  # another run was faster
            making.rename(LANE)


def _npm_ci(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=45
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm could not install libsignal {VERSION} in 45 seconds")
    if done.returncode != 0:
        why = next((line for line in done.stderr.splitlines() if "npm error" in line), "no reason")
        pytest.skip(f"npm could not install libsignal {VERSION}: {why}")


class LibsignalPeer:
    """A libsignal device at `address`; it knows the other side by user id, as a phone does."""

    def __init__(self, process: "subprocess.Popen[str]", address: Address) -> None:
        self.process = process
        self.address = address
        self.identity_key = b""

    def bundle(self, *, kyber: bool) -> PreKeyBundle:
        given = self._ask("bundle", kyber=kyber)
        self.identity_key = b64decode(given["identity_key"])
        signed, kem, one_time = (
            given["signed_pre_key"],
            given["kyber_pre_key"],
            given["pre_key"],
        )
        return PreKeyBundle(
            given["registration_id"],
            self.address.device_id,
            self.identity_key,
            _signed(signed),
            PublicPreKey(one_time["id"], b64decode(one_time["public"])),
            _signed(kem) if kem else None,
        )

    def process_bundle(self, of: Address, bundle: PreKeyBundle) -> None:
        kem, one_time = bundle.kyber_pre_key, bundle.pre_key
        self._ask(
            "process",
            **{"from": _name(of)},
            bundle={
                "registration_id": bundle.registration_id,
                "identity_key": _text(bundle.identity_key),
                "signed_pre_key": _plain(bundle.signed_pre_key),
                "kyber_pre_key": _plain(kem) if kem else None,
                "pre_key": one_time and {"id": one_time.id, "public": _text(one_time.public)},
            },
        )

    def write(self, to: Address, text: bytes) -> Ciphertext:
        given = self._ask("encrypt", to=_name(to), plaintext=_text(text))
        return Ciphertext(given["type"], b64decode(given["body"]))

    def read(self, of: Address, message: Ciphertext) -> bytes:
        given = {"from": _name(of), "type": message.type, "body": _text(message.body)}
        return b64decode(self._ask("decrypt", **given))

    def distribute(self, group: bytes) -> bytes:
        """Its sender key for a group, as it goes to a member; made when there is none."""
        given = {"me": _name(self.address), "group": str(UUID(bytes=group))}
        return b64decode(self._ask("distribute", **given))

    def accept_distribution(self, of: Address, distribution: bytes) -> None:
        given = {"from": _name(of), "distribution": _text(distribution)}
        self._ask("accept_distribution", **given)

    def write_to_group(self, group: bytes, text: bytes) -> Ciphertext:
        given = {"me": _name(self.address), "group": str(UUID(bytes=group))}
        told = self._ask("group_encrypt", **given, plaintext=_text(text))
        return Ciphertext(told["type"], b64decode(told["body"]))

    def read_of_group(self, of: Address, message: Ciphertext) -> bytes:
        given = {"from": _name(of), "body": _text(message.body)}
        return b64decode(self._ask("group_decrypt", **given))

    def ratchet_key_matches(self, of: Address, key: bytes) -> bool:
        """Whether libsignal would archive its session for a retry request with that key."""
        return bool(self._ask("ratchet_key_matches", **{"from": _name(of)}, key=_text(key)))

    def verifies(self, key: bytes, message: bytes, signature: bytes) -> bool:
        given = {"key": key, "message": message, "signature": signature}
        return bool(self._ask("verify", **{name: _text(value) for name, value in given.items()}))

    def safety_number(
        self, our_id: bytes, our_key: bytes, their_id: bytes, their_key: bytes
    ) -> str:
        given = {"our_id": our_id, "our_key": our_key, "their_id": their_id, "their_key": their_key}
        return str(
            self._ask("safety_number", **{name: _text(value) for name, value in given.items()})
        )

    def _ask(self, command: str, **given: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": command, **given}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise LibsignalRefusal(answer["error"])
        return answer["ok"]


class LibsignalRefusal(Exception):
    """libsignal raised; the text is its own."""


@contextlib.contextmanager
def libsignal_peer(address: Address) -> Iterator[LibsignalPeer]:
    """A fresh device for one test; its process ends with the block."""
    command = ["node", str(HERE / "peer.mjs"), str(installed())]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield LibsignalPeer(process, address)
        finally:
            process.kill()


def _name(address: Address) -> dict[str, Any]:
    digits = address.user_id.hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return {"name": "-".join(parts), "device": address.device_id}


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def _plain(key: SignedPublicPreKey) -> dict[str, Any]:
    return {"id": key.id, "public": _text(key.public), "signature": _text(key.signature)}


def _signed(key: dict[str, Any]) -> SignedPublicPreKey:
    return SignedPublicPreKey(key["id"], b64decode(key["public"]), b64decode(key["signature"]))
