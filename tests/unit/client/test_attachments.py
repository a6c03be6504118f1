"""What is believed of an attachment that came."""

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signet.client.media.attachment import Attachment, from_wire, harmless_name, to_wire
from signet.core.limits import MAX_FILE_NAME, MAX_THUMBNAIL
from signet.v1 import content_pb2 as pb

WHOLE = Attachment("m0-1", bytes(64), bytes(32), 5, "image/jpeg", "a.jpg", b"small")


def changed(**fields: object) -> pb.Attachment:
    wire = to_wire(WHOLE)
    for name, value in fields.items():
        setattr(wire, name, value)
    return wire


def test_what_was_written_is_read() -> None:
    assert from_wire([to_wire(WHOLE)]) == (WHOLE,)


@pytest.mark.parametrize(
    "fields",
    [
        {"pointer": "../../etc/passwd"},
        {"pointer": "x" * 201},
        {"key": bytes(63)},
        {"digest": b""},
        {"size": 2**63},
    ],
)
def test_what_cannot_be_downloaded_is_left_out(fields: dict[str, object]) -> None:
    assert from_wire([changed(**fields), to_wire(WHOLE)]) == (WHOLE,)


def test_a_type_is_a_word_and_a_thumbnail_is_small() -> None:
    [read] = from_wire([changed(media_type="x\n/y", thumbnail=bytes(MAX_THUMBNAIL + 1))])
    assert (read.media_type, read.thumbnail) == ("", b"")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("../../.bashrc", "bashrc"),
        ("C:\\windows\\a.txt", "a.txt"),
        ("..", ""),
        ("a\nb\u202egpj.exe", "abgpj.exe"),
        ("", ""),
        ("x" * 300 + ".jpg", "x" * 251 + ".jpg"),
    ],
)
def test_a_name_is_never_a_path(said: str, kept: str) -> None:
    assert harmless_name(said) == kept


@given(st.text())
def test_whatever_a_sender_writes_stays_in_its_folder(said: str) -> None:
    name = harmless_name(said)
    assert not name.startswith(".")
    assert len(name.encode()) <= MAX_FILE_NAME
    assert not name or PurePath("/folder", name).parent == PurePath("/folder")


def test_keys_are_not_shown() -> None:
    assert "key" not in repr(WHOLE)
    assert "small" not in repr(WHOLE)
