"""Safety numbers. That they are libsignal's own is shown in tests/e2e."""

import pytest

from signet.e2e import InvalidKey, safety_number
from tests.support.e2e_people import Person


def number(one: Person, other: Person) -> str:
    return safety_number(
        one.address.user_id,
        one.local.identity.public,
        other.address.user_id,
        other.local.identity.public,
    )


def test_both_sides_read_the_same_sixty_digits() -> None:
    alice, bob = Person("alice"), Person("bob")
    assert number(alice, bob) == number(bob, alice)
    assert len(number(alice, bob)) == 60
    assert number(alice, bob).isdigit()


def test_another_identity_key_is_another_number() -> None:
    alice, bob, mallory = Person("alice"), Person("bob"), Person("mallory")
    forged = safety_number(
        alice.address.user_id,
        alice.local.identity.public,
        bob.address.user_id,
        mallory.local.identity.public,
    )
    assert forged != number(alice, bob)


def test_what_is_no_identity_key_has_no_number() -> None:
    with pytest.raises(InvalidKey):
        safety_number(bytes(16), b"\x05", bytes(16), b"\x05")
