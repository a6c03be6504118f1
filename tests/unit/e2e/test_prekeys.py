"""The life of pre-keys: when more are made, when old ones may go, what both sides compare."""

from hashlib import sha256

import pytest

from signet.e2e import (
    Due,
    InvalidRecord,
    KemPreKey,
    OneTimePreKey,
    SignedPreKey,
    Stock,
    check_digest,
    due,
    ids_from,
    may_delete,
    verify,
)
from tests.support.e2e_people import Person

DAY = 86_400.0
NOTHING_DUE = Due(0, 0, signed=False, last_resort=False)


def stock(
    *, one_time: int = 50, kem: int = 50, signed: float | None = 0, last: float | None = 0
) -> Stock:
    return Stock(one_time, kem, signed, last)


def test_a_fresh_full_stock_needs_nothing() -> None:
    assert due(stock(one_time=10, kem=10), now=DAY) == NOTHING_DUE
    assert not due(stock(), now=DAY)


def test_below_ten_a_hundred_are_made_of_the_kind_that_is_low() -> None:
    assert due(stock(one_time=9), now=0) == Due(100, 0, signed=False, last_resort=False)
    assert due(stock(kem=0), now=0) == Due(0, 100, signed=False, last_resort=False)


def test_signed_and_last_resort_keys_are_replaced_after_two_days() -> None:
    assert due(stock(signed=DAY, last=0), now=2 * DAY) == Due(0, 0, signed=False, last_resort=True)
    assert due(stock(signed=0, last=DAY), now=2 * DAY) == Due(0, 0, signed=True, last_resort=False)
    assert due(stock(signed=0, last=0), now=2 * DAY - 1) == NOTHING_DUE


def test_a_new_device_needs_everything() -> None:
    new = stock(one_time=0, kem=0, signed=None, last=None)
    assert due(new, now=0) == Due(100, 100, signed=True, last_resort=True)


def test_replaced_private_keys_are_kept_for_thirty_days() -> None:
    assert not may_delete(replaced=DAY, now=31 * DAY)
    assert may_delete(replaced=DAY, now=31 * DAY + 1)


def test_ids_wrap_round_and_are_never_zero() -> None:
    assert ids_from(0xFFFFFE, 4) == [0xFFFFFE, 0xFFFFFF, 1, 2]


def test_the_digest_is_over_identity_and_both_long_lived_keys() -> None:
    bob = Person("bob")
    signed, last = bob.signed.published(), bob.last_resort.published()
    digest = check_digest(bob.local.identity.public, signed, last)
    expected = (
        bob.local.identity.public
        + bytes(7)
        + bytes([signed.id])
        + signed.public
        + bytes(7)
        + bytes([last.id])
        + last.public
    )
    assert digest == sha256(expected).digest()


def test_all_but_one_time_ec_keys_are_signed() -> None:
    bob = Person("bob")
    for key in (bob.signed, bob.last_resort, bob.add_kyber()):
        verify(bob.local.identity.public, key.pair.public, key.signature)


def test_stored_pre_keys_come_back_as_they_were() -> None:
    bob = Person("bob", now=12.5)
    one_time, kem = bob.add_one_time(), bob.add_kyber()
    assert SignedPreKey.deserialise(bob.signed.serialise()) == bob.signed
    assert OneTimePreKey.deserialise(one_time.serialise()) == one_time
    assert KemPreKey.deserialise(kem.serialise()) == kem
    assert KemPreKey.deserialise(bob.last_resort.serialise()).last_resort


@pytest.mark.parametrize("stored", [b"", b"\x02", b"\x01\xff"])
def test_what_is_no_stored_pre_key_is_refused(stored: bytes) -> None:
    with pytest.raises(InvalidRecord):
        SignedPreKey.deserialise(stored)
