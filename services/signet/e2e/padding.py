"""Content is padded before it is encrypted, so that the server sees steps, not lengths.

A 0x80 and zeros behind the content, up to one byte less than a multiple of PADDING_STEP: the
cipher's own padding adds that byte, so the ciphertext has exactly a multiple of it.
"""

from signet.e2e.errors import InvalidMessage
from signet.e2e.limits import PADDING_STEP

_END = b"\x80"


def pad(content: bytes) -> bytes:
    steps = -(-(len(content) + 2) // PADDING_STEP)
    return (content + _END).ljust(steps * PADDING_STEP - 1, b"\x00")


def unpad(padded: bytes) -> bytes:
    """Raises InvalidMessage when it was not padded so."""
    content = padded.rstrip(b"\x00")
    if content[-1:] != _END:
        raise InvalidMessage("content without its padding")
    return content[:-1]
