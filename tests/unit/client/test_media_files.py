"""Encrypting into files and out of them: whole, or not at all."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.client.media import files
from signet.client.media.attachment import Attachment
from signet.e2e.attachments import sealed_size
from signet.e2e.errors import InvalidAttachment


async def sealed(data: bytes, folder: Path) -> tuple[Path, Attachment]:
    source, to = folder / "source", folder / "made" / "sealed"
    source.write_bytes(data)
    made = await files.encrypt(source, to, os.urandom)
    return to, Attachment("m", made.key, made.digest, made.size)


@pytest.mark.parametrize("size", [0, 1, 1_024, files.PIECE, files.PIECE + 1, 3 * files.PIECE + 17])
async def test_a_file_comes_out_as_it_went_in(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    file, attachment = await sealed(data, tmp_path)
    assert attachment.size == size
    assert file.stat().st_size == sealed_size(size)
    assert file.stat().st_mode & 0o777 == 0o600
    files.decrypt([file], attachment, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data
    assert [path.name for path in file.parent.iterdir()] == ["sealed"]


async def test_parts_one_after_the_other_are_the_file(tmp_path: Path) -> None:
    data = os.urandom(700_000)
    file, attachment = await sealed(data, tmp_path)
    whole, parts = file.read_bytes(), []
    for number, start in enumerate(range(0, len(whole), 300_000)):
        parts.append(tmp_path / f"{number:04}")
        parts[-1].write_bytes(whole[start : start + 300_000])
    files.decrypt(parts, attachment, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data


async def test_nothing_is_written_of_what_is_not_right(tmp_path: Path) -> None:
    file, attachment = await sealed(os.urandom(100_000), tmp_path)
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1  # the last byte of all: what is before it would decrypt
    file.write_bytes(whole)
    to = tmp_path / "there" / "out"
    to.parent.mkdir()
    with pytest.raises(InvalidAttachment):
        files.decrypt([file], attachment, to)
    assert list(to.parent.iterdir()) == []


async def test_a_target_that_cannot_be_written_keeps_nothing_half_written(tmp_path: Path) -> None:
    file, attachment = await sealed(b"data", tmp_path)
    to = tmp_path / "there" / "out"
    to.mkdir(parents=True)  # a folder has the name
    with pytest.raises(OSError, match="directory"):
        files.decrypt([file], attachment, to)
    assert [path.name for path in to.parent.iterdir()] == ["out"]


async def test_a_source_that_breaks_off_leaves_no_ciphertext(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"so far"
        raise ConnectionError

    to = tmp_path / "made" / "sealed"
    with pytest.raises(ConnectionError):
        await files.encrypt(broken(), to, os.urandom)
    assert list(to.parent.iterdir()) == []


async def test_two_files_have_two_keys(tmp_path: Path) -> None:
    first = (await sealed(b"the same", tmp_path))[1]
    second = (await sealed(b"the same", tmp_path))[1]
    assert first.key != second.key
    assert first.digest != second.digest
