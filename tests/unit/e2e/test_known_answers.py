"""Two conversations that libsignal 0.72.1 once had with us, byte for byte.

Recorded by tests/support/record_libsignal.py; the live one is tests/e2e/test_libsignal_interop.
"""

import json
from base64 import b64decode
from typing import Any

import pytest

from signet.e2e import (
    PRE_KEY,
    WHISPER,
    Address,
    Ciphertext,
    IdentityKeyPair,
    KemPreKey,
    LocalDevice,
    OneTimePreKey,
    SignedPreKey,
    decrypt,
    encrypt,
    safety_number,
)
from tests.support.e2e_people import Keyring, randomness
from tests.support.record_libsignal import PEER, TRANSCRIPTS

transcripts = pytest.mark.parametrize(
    "given", json.loads(TRANSCRIPTS.read_text()), ids=lambda given: f"v{given['version']}"
)


def keyring(keys: dict[str, str]) -> Keyring:
    ring = Keyring()
    signed = SignedPreKey.deserialise(b64decode(keys["signed"]))
    one_time = OneTimePreKey.deserialise(b64decode(keys["one_time"]))
    ring.signed_keys[signed.id], ring.one_time_keys[one_time.id] = signed, one_time
    if "kyber" in keys:
        kyber = KemPreKey.deserialise(b64decode(keys["kyber"]))
        ring.kyber_keys[kyber.id] = kyber
    return ring


def ourselves(keys: dict[str, str]) -> LocalDevice:
    identity = IdentityKeyPair.from_private(b64decode(keys["identity"]))
    return LocalDevice(Address(b64decode(keys["user_id"]), 1), identity, 1)


@transcripts
def test_the_conversation_is_had_again_byte_for_byte(given: dict[str, Any]) -> None:
    local, pre_keys, draw = ourselves(given["keys"]), keyring(given["keys"]), randomness("recorded")
    bodies = {name: b64decode(body) for name, body in given["messages"].items()}

    first = decrypt(
        None,
        Ciphertext(PRE_KEY, bodies["first"]),
        local=local,
        remote=PEER,
        pre_keys=pre_keys,
        now=0,
        randomness=draw,
        allow_x3dh=True,
    )
    assert first.plaintext == b"first, by libsignal"
    assert first.identity_key == b64decode(given["peer_identity"])

    record, answer = encrypt(first.record, b"answer, by us", local=local, remote=PEER, now=0)
    assert answer == Ciphertext(WHISPER, bodies["answer"])

    reply = decrypt(
        record,
        Ciphertext(WHISPER, bodies["reply"]),
        local=local,
        remote=PEER,
        pre_keys=pre_keys,
        now=0,
        randomness=draw,
    )
    assert reply.plaintext == b"reply, by libsignal"


@transcripts
def test_the_safety_number_is_the_recorded_one(given: dict[str, Any]) -> None:
    local = ourselves(given["keys"])
    peer_identity = b64decode(given["peer_identity"])
    number = safety_number(
        local.address.user_id, local.identity.public, PEER.user_id, peer_identity
    )
    assert number == given["safety_number"]
