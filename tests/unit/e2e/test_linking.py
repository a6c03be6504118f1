"""What two devices agree on when one is linked, and what somebody between them cannot do."""

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from signet.e2e import EcKeyPair, InvalidKey, InvalidMessage
from signet.e2e.linking import Agreement, Answer, Shown, agree_as_new, agree_as_old, raw

NEW, OLD, OTHER = (EcKeyPair.generate(os.urandom) for _ in range(3))
ANSWER = Answer(os.urandom(32), os.urandom(32), 4711, "Tablet, küche")
SHOWN = Shown("localhost", os.urandom(32), raw(NEW), ANSWER.commitment())


def both() -> tuple[Agreement, Agreement]:
    new = agree_as_new(SHOWN, NEW, raw(OLD), ANSWER)
    return new, agree_as_old(SHOWN, OLD, ANSWER.to_bytes())


def test_both_see_one_code_of_six_digits_and_share_one_key() -> None:
    new, old = both()
    assert new.code == old.code
    assert len(new.code) == 6
    assert new.code.isdecimal()
    assert new.open(old.seal(b"identity")) == b"identity"


def test_an_answer_is_read_as_it_was_written() -> None:
    assert Answer.from_bytes(ANSWER.to_bytes()) == ANSWER
    for broken in (b"", ANSWER.to_bytes()[:67], ANSWER.to_bytes() + b"\xff"):
        with pytest.raises(InvalidMessage):
            Answer.from_bytes(broken)


def test_an_answer_other_than_what_was_shown_is_refused() -> None:
    for changed in (
        replace(ANSWER, login_public=os.urandom(32)),
        replace(ANSWER, registration_id=4712),
        replace(ANSWER, nonce=os.urandom(32)),
        replace(ANSWER, device_name="another"),
    ):
        with pytest.raises(InvalidMessage):
            agree_as_old(SHOWN, OLD, changed.to_bytes())


@pytest.mark.parametrize(
    "change",
    [
        lambda shown: replace(shown, server_name="other"),
        lambda shown: replace(shown, address=os.urandom(32)),
        lambda shown: replace(shown, public=raw(OTHER)),
    ],
)
def test_what_is_shown_is_bound_into_code_and_key(change: Callable[[Shown], Shown]) -> None:
    new = agree_as_new(SHOWN, NEW, raw(OLD), ANSWER)
    old = agree_as_old(change(SHOWN), OLD, ANSWER.to_bytes())
    assert old.key != new.key
    with pytest.raises(InvalidMessage):
        new.open(old.seal(b"identity"))


def test_somebody_in_the_middle_has_another_key_on_each_side() -> None:
    """They know both secrets, and what each side sees differs, so the codes do."""
    theirs = replace(SHOWN, public=raw(OTHER))
    with_old = agree_as_old(theirs, OLD, ANSWER.to_bytes())
    with_new = agree_as_new(SHOWN, NEW, raw(OTHER), ANSWER)
    assert with_old.key != with_new.key


def test_a_hand_over_that_was_altered_does_not_open() -> None:
    new, old = both()
    sealed = old.seal(b"identity")
    for broken in (b"", sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises(InvalidMessage):
            new.open(broken)


@pytest.mark.parametrize("offer", [bytes(32), bytes(31), b"\x01" + bytes(31)])
def test_keys_that_give_the_secret_away_are_refused(offer: bytes) -> None:
    with pytest.raises(InvalidKey):
        agree_as_new(SHOWN, NEW, offer, ANSWER)
    with pytest.raises(InvalidKey):
        agree_as_old(replace(SHOWN, public=offer), OLD, ANSWER.to_bytes())
