"""One message: encryption, tag, and the order in which they are looked at."""

import pytest

from signet.e2e import InvalidMessage
from signet.e2e.message_keys import MessageKeys

KEYS = MessageKeys.derive(b"seed" * 8)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 159, 1000])
def test_what_is_encrypted_is_decrypted(size: int) -> None:
    ciphertext = KEYS.encrypt(b"x" * size)
    assert len(ciphertext) == (size // 16 + 1) * 16
    assert KEYS.decrypt(ciphertext) == b"x" * size


@pytest.mark.parametrize("ciphertext", [b"", b"x" * 15, b"x" * 33])
def test_broken_blocks_are_refused(ciphertext: bytes) -> None:
    with pytest.raises(InvalidMessage):
        KEYS.decrypt(ciphertext)


def test_broken_padding_is_refused() -> None:
    whole = KEYS.encrypt(b"x" * 32)
    with pytest.raises(InvalidMessage):
        KEYS.decrypt(whole[:32])


@pytest.mark.parametrize("change", ["sender", "receiver", "message", "tag"])
def test_the_tag_covers_both_identities_and_the_message(change: str) -> None:
    given = {"sender": b"a" * 33, "receiver": b"b" * 33, "message": b"m"}
    tag = KEYS.tag(*given.values())
    assert len(tag) == 8
    KEYS.check(tag, *given.values())
    if change == "tag":
        tag = tag[:-1] + bytes([tag[-1] ^ 1])
    else:
        given[change] = b"c" * len(given[change])
    with pytest.raises(InvalidMessage):
        KEYS.check(tag, *given.values())


def test_the_key_of_a_post_quantum_ratchet_changes_all_keys() -> None:
    other = MessageKeys.derive(b"seed" * 8, pq_key=b"q" * 32)
    assert KEYS.cipher_key != other.cipher_key
    assert KEYS.mac_key != other.mac_key
    assert KEYS.iv != other.iv
