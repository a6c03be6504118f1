"""Record what libsignal answered us once, so that a machine without Node has known answers too.

Run by hand, where the lane "libsignal" runs: `python -m tests.support.record_libsignal`. It
writes tests/unit/e2e/libsignal_transcripts.json: the bytes of two short conversations, and the
private keys of our side of them, made for this file alone.
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from signet.e2e import Address, Ciphertext, LocalDevice
from tests.support.e2e_people import Person, randomness
from tests.support.libsignal_peer import LibsignalPeer, libsignal_peer

TRANSCRIPTS = Path(__file__).parents[1] / "unit" / "e2e" / "libsignal_transcripts.json"
PEER = Address(bytes(range(16)), 2)


def text(value: bytes) -> str:
    return b64encode(value).decode()


def conversation(peer: LibsignalPeer, *, kyber: bool) -> dict[str, Any]:
    """libsignal writes first, we answer, it replies."""
    us = Person(f"recorded {kyber}")
    far = Person("far")
    far.local = LocalDevice(PEER, far.local.identity, 1)
    bundle = us.bundle(kyber=kyber)
    peer.process_bundle(us.address, bundle)
    assert bundle.pre_key is not None
    keys = {
        "user_id": text(us.address.user_id),
        "identity": text(us.local.identity.private),
        "signed": text(us.signed.serialise()),
        "one_time": text(us.keyring.one_time_keys[bundle.pre_key.id].serialise()),
    }
    if bundle.kyber_pre_key is not None:
        keys["kyber"] = text(us.keyring.kyber_keys[bundle.kyber_pre_key.id].serialise())
    us.draw = randomness("recorded")
    first = peer.write(us.address, b"first, by libsignal")
    got = us.take(far, first, allow_x3dh=True)
    answer = us.write(far, b"answer, by us")
    assert peer.read(us.address, answer) == b"answer, by us"
    reply = peer.write(us.address, b"reply, by libsignal")
    number = peer.safety_number(
        us.address.user_id, us.local.identity.public, PEER.user_id, got.identity_key
    )
    messages: dict[str, Ciphertext] = {"first": first, "answer": answer, "reply": reply}
    return {
        "version": 4 if kyber else 3,
        "keys": keys,
        "messages": {name: text(message.body) for name, message in messages.items()},
        "peer_identity": text(got.identity_key),
        "safety_number": number,
    }


def main() -> None:
    made = []
    for kyber in (False, True):
        with libsignal_peer(PEER) as peer:
            made.append(conversation(peer, kyber=kyber))
    TRANSCRIPTS.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
