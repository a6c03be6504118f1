"""XEdDSA as the specification has it and as libsignal has it; keys that are none (K1, K4)."""

import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_PRE_KEYS
from signet.keys.signatures import check_identity, check_upload, is_login, is_signed
from signet.ports.pre_keys import (
    KeyUpload,
    PreKey,
)
from tests.support.identities import Identity, NewPerson, ec_public, kem_public

SMALL_ORDER = [
    bytes(32),
    (1).to_bytes(32, "little"),
    (2**255 - 20).to_bytes(32, "little"),  # p - 1
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
]


@pytest.mark.parametrize("sign_bit", [False, True], ids=["specification", "libsignal"])
def test_signatures_of_both_conventions_verify(sign_bit: bool) -> None:
    seen = set()
    for _ in range(20):  # half of all keys have a sign
        identity = Identity(sign_bit=sign_bit)
        signature = identity.sign(b"message")
        seen.add(signature[63] >> 7)
        assert is_signed(identity.public, b"message", signature)
        assert not is_signed(identity.public, b"another", signature)
        assert not is_signed(Identity().public, b"message", signature)
    assert seen == ({0, 1} if sign_bit else {0})


@pytest.mark.parametrize("at", [0, 31, 32, 62, 63])
def test_a_flipped_bit_is_noticed(at: int) -> None:
    identity = Identity()
    signature = bytearray(identity.sign(b"message"))
    signature[at] ^= 1
    assert not is_signed(identity.public, b"message", bytes(signature))


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_has_64_bytes(size: int) -> None:
    assert not is_signed(Identity().public, b"message", bytes(size))


@pytest.mark.parametrize("raw", SMALL_ORDER)
def test_nobody_signs_for_a_key_of_small_order(raw: bytes) -> None:
    public = b"\x05" + raw
    assert not is_signed(public, b"message", bytes(64))
    assert not is_signed(public, b"message", b"\x01" + bytes(63))
    with pytest.raises(SignetError, match="INVALID_ARGUMENT"):
        check_identity(public, bytes(32))


def refused(identity: bytes, keys: KeyUpload) -> Code:
    with pytest.raises(SignetError) as found:
        check_upload(identity, keys)
    return found.value.code


@pytest.mark.parametrize("sign_bit", [False, True], ids=["specification", "libsignal"])
def test_a_whole_upload_is_taken(sign_bit: bool) -> None:
    person = NewPerson(identity=Identity(sign_bit=sign_bit))
    check_upload(person.identity.public, person.upload(MAX_PRE_KEYS, MAX_PRE_KEYS))
    check_upload(person.identity.public, KeyUpload())


def test_one_bad_signature_refuses_the_whole_upload() -> None:
    person, other = NewPerson(), NewPerson()
    keys = person.upload(3, 3)
    for wrong in (
        replace(keys, signed=other.signed()),
        replace(keys, last_resort=other.kem()),
        replace(keys, one_time_kem=(*keys.one_time_kem, other.kem())),
    ):
        assert refused(person.identity.public, wrong) is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    "public",
    [b"", ec_public()[:-1], ec_public() + b"x", b"\x06" + bytes(32), ec_public()[1:] + b"x"],
    ids=["empty", "short", "long", "another type", "no type"],
)
def test_an_ec_key_has_its_form(public: bytes) -> None:
    person = NewPerson()
    signed = PreKey(1, public, person.identity.sign(public))
    for keys in (KeyUpload(one_time=(PreKey(1, public),)), KeyUpload(signed=signed)):
        assert refused(person.identity.public, keys) is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    "public",
    [b"", kem_public()[:-1], b"\x09" + kem_public()[1:], b"\x08" + b"\xff" * 1568],
    ids=["empty", "short", "another type", "no point of the field"],
)
def test_a_kem_key_has_its_form(public: bytes) -> None:
    person = NewPerson()
    key = PreKey(1, public, person.identity.sign(public))
    for keys in (KeyUpload(last_resort=key), KeyUpload(one_time_kem=(key,))):
        assert refused(person.identity.public, keys) is Code.INVALID_ARGUMENT


def test_a_key_of_small_order_is_refused_though_it_is_signed() -> None:
    person, public = NewPerson(), b"\x05" + bytes(32)
    key = PreKey(1, public, person.identity.sign(public))
    for keys in (KeyUpload(signed=key), KeyUpload(one_time=(key,))):
        assert refused(person.identity.public, keys) is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("number", [-1, 2**32])
def test_a_key_id_has_32_bits(number: int) -> None:
    keys = KeyUpload(one_time=(PreKey(number, ec_public()),))
    assert refused(Identity().public, keys) is Code.INVALID_ARGUMENT


def test_an_upload_has_so_many_keys_of_a_kind_and_no_more() -> None:
    person = NewPerson()
    for keys in (person.upload(MAX_PRE_KEYS + 1, 0), person.upload(0, MAX_PRE_KEYS + 1)):
        assert refused(person.identity.public, keys) is Code.INVALID_ARGUMENT


def test_logins_are_signed_by_the_login_key() -> None:
    key = Ed25519PrivateKey.generate()
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"message")
    assert is_login(public, b"message", signature)
    assert not is_login(public, b"another", signature)
    assert not is_login(public, b"message", signature[:-1])
    assert not is_login(os.urandom(31), b"message", signature)
