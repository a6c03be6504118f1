"""A group's name opens with its own key only, and for its own group only."""

import pytest

from signet.e2e import InvalidMessage
from signet.e2e.group_profile import fits, open_profile, seal_profile
from tests.support.e2e_people import randomness

GROUP, OTHER = bytes(16), bytes(range(16))
draw = randomness("profiles")


def test_a_profile_opens_with_the_key_that_came_of_sealing_it() -> None:
    key, sealed = seal_profile(b"Chess club", GROUP, draw)
    assert open_profile(key, sealed, GROUP) == b"Chess club"
    assert fits(key, sealed)
    assert b"Chess" not in sealed


def test_each_profile_has_a_key_of_its_own() -> None:
    first, second = (seal_profile(b"same", GROUP, draw) for _ in range(2))
    assert first[0] != second[0]
    assert not fits(first[0], second[1])
    with pytest.raises(InvalidMessage):
        open_profile(first[0], second[1], GROUP)


def test_lengths_say_little() -> None:
    assert len(seal_profile(b"a", GROUP, draw)[1]) == len(seal_profile(b"a" * 100, GROUP, draw)[1])


def test_an_altered_profile_or_one_of_another_group_does_not_open() -> None:
    key, sealed = seal_profile(b"Chess club", GROUP, draw)
    with pytest.raises(InvalidMessage):
        open_profile(key, sealed, OTHER)
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(InvalidMessage):
            open_profile(key, bytes(changed), GROUP)
    for short in (b"", sealed[:40], sealed[:-1]):
        with pytest.raises(InvalidMessage):
            open_profile(key, short, GROUP)
