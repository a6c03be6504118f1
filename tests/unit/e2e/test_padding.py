"""Lengths say as little as possible."""

import pytest

from signet.e2e import InvalidMessage, pad, unpad
from signet.e2e.message_keys import MessageKeys

KEYS = MessageKeys.derive(bytes(32))


@pytest.mark.parametrize(
    ("size", "ciphertext"), [(0, 160), (1, 160), (158, 160), (159, 320), (318, 320), (319, 480)]
)
def test_ciphertexts_have_whole_steps_of_160_bytes(size: int, ciphertext: int) -> None:
    content = b"\x00" * size
    assert len(KEYS.encrypt(pad(content))) == ciphertext
    assert unpad(pad(content)) == content


@pytest.mark.parametrize("padded", [b"", b"\x00" * 159, b"text", b"text\x81\x00"])
def test_content_without_padding_is_refused(padded: bytes) -> None:
    with pytest.raises(InvalidMessage):
        unpad(padded)
