"""What people show of themselves: sealed, and read with distrust."""

import os

from signet.client import profiles
from signet.core.ids import UserId
from signet.e2e import pad
from signet.v1.content_pb2 import ProfileContent

USER, KEY = UserId(os.urandom(16)), os.urandom(32)


def sealed(content: ProfileContent) -> bytes:
    return profiles.sealed(KEY, USER, content, os.urandom)


def test_a_profile_is_read_by_those_who_have_its_key() -> None:
    content = ProfileContent(name="Alice", picture=b"jpeg", media_type="image/jpeg")
    assert profiles.opened(KEY, USER, sealed(content)) == content


def test_another_key_another_user_or_altered_bytes_show_nothing() -> None:
    data = sealed(ProfileContent(name="Alice"))
    other = UserId(os.urandom(16))
    assert profiles.opened(os.urandom(32), USER, data) is None
    assert profiles.opened(KEY, other, data) is None
    for broken in (b"", data[:11], data[:-1], data[:-1] + bytes([data[-1] ^ 1])):
        assert profiles.opened(KEY, USER, broken) is None


def test_a_name_that_would_spoil_a_line_is_shown_without_it() -> None:
    shown = profiles.opened(KEY, USER, sealed(ProfileContent(name="A\x1b[2Jl\nice" + "e" * 100)))
    assert shown is not None
    assert shown.name.isprintable()
    assert len(shown.name) == profiles.MAX_NAME


def test_the_length_of_a_name_is_hidden_by_padding() -> None:
    assert len(sealed(ProfileContent(name="A"))) == len(sealed(ProfileContent(name="Alice")))
    assert len(pad(b"")) > 1
