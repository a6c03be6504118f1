"""X3DH and PQXDH: both sides derive the same, and every input matters."""

import pytest

from signet.e2e import EcKeyPair, pqxdh, x3dh
from tests.support.e2e_people import randomness

draw = randomness("agreement")
ALICE, EPHEMERAL, BOB, SPK, OPK = (EcKeyPair.generate(draw) for _ in range(5))


def alices(opk: EcKeyPair | None) -> bytes:
    return x3dh.initiator_secrets(
        ALICE, EPHEMERAL, their_ik=BOB.public, spk=SPK.public, opk=opk.public if opk else None
    )


def bobs(opk: EcKeyPair | None) -> bytes:
    return x3dh.responder_secrets(BOB, spk=SPK, opk=opk, their_ik=ALICE.public, ek=EPHEMERAL.public)


@pytest.mark.parametrize("opk", [OPK, None], ids=["with one-time key", "without"])
def test_both_sides_compute_the_same_secrets(opk: EcKeyPair | None) -> None:
    assert alices(opk) == bobs(opk)
    assert len(alices(opk)) == 32 * (5 if opk else 4)
    assert alices(opk).startswith(b"\xff" * 32)


def test_the_one_time_key_and_the_kem_secret_change_everything() -> None:
    derived = [
        x3dh.derive(alices(OPK)),
        x3dh.derive(alices(None)),
        pqxdh.derive(alices(OPK), bytes(32)),
        pqxdh.derive(alices(OPK), b"\x01" * 32),
    ]
    keys = [key for agreed in derived for key in (agreed.root_key, agreed.chain_key)]
    assert len(set(keys)) == len(keys)


def test_only_pqxdh_has_a_key_for_the_post_quantum_ratchet() -> None:
    assert x3dh.derive(alices(OPK)).pq_ratchet_key is None
    agreed = pqxdh.derive(alices(OPK), bytes(32))
    assert agreed.pq_ratchet_key is not None
    assert len(agreed.pq_ratchet_key) == 32
