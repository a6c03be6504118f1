"""Keys on the wire, agreement, KEM and signatures; known answers are those of the RFCs."""

import pytest

from signet.e2e import BadSignature, EcKeyPair, IdentityKeyPair, InvalidKey, KemKeyPair, verify
from signet.e2e.kdf import hkdf, hmac_sha256
from signet.e2e.keys import encapsulate
from tests.support.e2e_people import randomness

draw = randomness("keys")


def test_x25519_gives_the_answers_of_rfc_7748_section_6_1() -> None:
    alice = EcKeyPair.from_private(
        bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    )
    bob = EcKeyPair.from_private(
        bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    )
    assert alice.public.hex() == (
        "058520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    )
    assert bob.public.hex() == (
        "05de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    )
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert alice.agree(bob.public).hex() == bob.agree(alice.public).hex() == shared


def test_hmac_gives_the_answer_of_rfc_4231_case_1() -> None:
    assert hmac_sha256(b"\x0b" * 20, b"Hi There").hex() == (
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    )


def test_hkdf_gives_the_answers_of_rfc_5869_with_salt_and_without() -> None:
    secret = b"\x0b" * 22
    info = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9")
    assert hkdf(secret, info, 42, salt=bytes(range(13))).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    assert hkdf(secret, b"", 42).hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


@pytest.mark.parametrize(
    "public", [b"", b"\x05" + bytes(31), b"\x06" + bytes(32), bytes(33), b"\x05" + bytes(33)]
)
def test_what_is_no_x25519_key_is_refused(public: bytes) -> None:
    with pytest.raises(InvalidKey):
        EcKeyPair.generate(draw).agree(public)


@pytest.mark.parametrize("point", [0, 1])
def test_a_key_of_small_order_is_refused(point: int) -> None:
    with pytest.raises(InvalidKey, match="small order"):
        EcKeyPair.generate(draw).agree(b"\x05" + point.to_bytes(32, "little"))


def test_both_sides_of_the_kem_hold_the_same_secret() -> None:
    pair = KemKeyPair.generate(draw)
    secret, ciphertext = encapsulate(pair.public)
    assert (len(pair.public), len(ciphertext), len(secret)) == (1569, 1569, 32)
    assert pair.public[0] == ciphertext[0] == 8
    assert KemKeyPair.from_seed(pair.seed).decapsulate(ciphertext) == secret


def test_a_changed_kem_ciphertext_gives_another_secret_and_no_error() -> None:
    pair = KemKeyPair.generate(draw)
    secret, ciphertext = encapsulate(pair.public)
    changed = ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])
    assert pair.decapsulate(changed) != secret


def test_what_is_no_kyber_key_or_ciphertext_is_refused() -> None:
    pair = KemKeyPair.generate(draw)
    for wrong in (b"", pair.public[:-1], b"\x05" + pair.public[1:], b"\x08" + b"\xff" * 1568):
        with pytest.raises(InvalidKey):
            encapsulate(wrong)
    for wrong in (b"", bytes(1569)):
        with pytest.raises(InvalidKey):
            pair.decapsulate(wrong)


def test_private_halves_of_the_wrong_size_are_refused() -> None:
    with pytest.raises(InvalidKey):
        EcKeyPair.from_private(bytes(31))
    with pytest.raises(InvalidKey):
        KemKeyPair.from_seed(bytes(63))


def test_a_signature_verifies_only_for_its_key_and_message() -> None:
    identity, other = IdentityKeyPair.generate(draw), IdentityKeyPair.generate(draw)
    signature = identity.sign(b"a key", draw)
    verify(identity.public, b"a key", signature)
    for key, message, given in (
        (other.public, b"a key", signature),
        (identity.public, b"another", signature),
        (identity.public, b"a key", signature[:-1]),
        (identity.public, b"a key", signature[:32] + bytes(32)),
    ):
        with pytest.raises(BadSignature):
            verify(key, message, given)


def test_flipping_the_sign_bit_is_no_second_signature() -> None:
    identity = IdentityKeyPair.generate(draw)
    signature = identity.sign(b"a key", draw)
    flipped = signature[:63] + bytes([signature[63] ^ 0x80])
    with pytest.raises(BadSignature):
        verify(identity.public, b"a key", flipped)


def test_no_private_key_is_printed() -> None:
    identity, kem = IdentityKeyPair.generate(draw), KemKeyPair.generate(draw)
    assert "private" not in repr(identity)
    assert "seed" not in repr(kem)
