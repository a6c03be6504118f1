"""Encrypted files: any split of the stream is the same file, and any change is found out."""

import os
from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signet.e2e.attachments import (
    AttachmentKey,
    Checker,
    Decryptor,
    Encryptor,
    padded_size,
    sealed_size,
)
from signet.e2e.errors import InvalidAttachment

KEY = AttachmentKey.generate(os.urandom)
contents = st.binary(max_size=5_000)
cuts = st.lists(st.integers(0, 7_000), max_size=8)


def split(data: bytes, at: list[int]) -> Iterator[bytes]:
    edges = [0, *sorted(at), len(data)]
    for start, end in pairwise(edges):
        yield data[start:end]


def seal(content: bytes, at: list[int]) -> tuple[bytes, bytes]:
    """Ciphertext and digest."""
    encryptor = Encryptor(KEY, os.urandom)
    pieces = [encryptor.update(piece) for piece in split(content, at)]
    sealed = b"".join([*pieces, *encryptor.finish()])
    assert encryptor.size == len(content)
    return sealed, encryptor.digest


def check(sealed: bytes, size: int, digest: bytes, at: list[int], key: AttachmentKey = KEY) -> None:
    checker = Checker(key, size, digest)
    for piece in split(sealed, at):
        checker.update(piece)
    checker.finish()


def decrypt(sealed: bytes, size: int, at: list[int]) -> bytes:
    decryptor = Decryptor(KEY, size)
    return b"".join(decryptor.update(piece) for piece in split(sealed, at))


@given(content=contents, written=cuts, checked=cuts, read=cuts)
def test_any_split_of_the_stream_is_the_same_file(
    content: bytes, written: list[int], checked: list[int], read: list[int]
) -> None:
    sealed, digest = seal(content, written)
    assert digest == sha256(sealed).digest()
    assert len(sealed) == sealed_size(len(content))
    check(sealed, len(content), digest, checked)
    assert decrypt(sealed, len(content), read) == content


@given(content=contents, at=st.integers(0, 10**9), bit=st.integers(0, 7), read=cuts)
def test_any_flipped_bit_is_found_out(content: bytes, at: int, bit: int, read: list[int]) -> None:
    sealed, digest = seal(content, [])
    changed = bytearray(sealed)
    changed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(InvalidAttachment):
        check(bytes(changed), len(content), digest, read)
    with pytest.raises(InvalidAttachment):  # the MAC, where a sender is told of another digest
        check(bytes(changed), len(content), sha256(changed).digest(), read)


@given(content=contents, keep=st.floats(0, 1, exclude_max=True), more=st.binary(min_size=1))
def test_what_is_cut_off_or_longer_is_refused(content: bytes, keep: float, more: bytes) -> None:
    sealed, digest = seal(content, [])
    for changed in (sealed[: int(len(sealed) * keep)], sealed + more):
        for named in (digest, sha256(changed).digest()):
            with pytest.raises(InvalidAttachment):
                check(changed, len(content), named, [])


@given(content=contents)
def test_another_key_or_another_size_class_is_refused(content: bytes) -> None:
    sealed, digest = seal(content, [])
    with pytest.raises(InvalidAttachment):
        check(sealed, len(content), digest, [], AttachmentKey(bytes(64)))
    with pytest.raises(InvalidAttachment):
        check(sealed, padded_size(len(content)) + 1, digest, [])


@given(size=st.integers(0, 2**40))
def test_a_size_class_is_whole_blocks_and_at_most_a_sixteenth_more(size: int) -> None:
    padded = padded_size(size)
    assert padded >= size
    assert padded % 16 == 0
    assert padded_size(padded) == padded
    assert padded <= max(1_024, size + size // 16)


def test_lengths_of_one_class_look_the_same() -> None:
    assert len({len(seal(bytes(size), [])[0]) for size in range(1_025, 1_089)}) == 1


def test_a_key_has_64_bytes_and_says_none_of_them() -> None:
    with pytest.raises(InvalidAttachment):
        AttachmentKey(bytes(63))
    assert "raw" not in repr(KEY)
