"""Proof of work: what a server may ask of those who register, so that a flood of them costs.

Pure but for `prove`, which works beside the event loop in slices, so that it can be cancelled.
"""

import asyncio
from hashlib import sha256

from signet.client.errors import refusal
from signet.core.errors import Code
from signet.core.limits import MAX_WORK_BITS

_LABEL = b"signet-work-v1"
_SLICE = 1 << 16  # tries between two looks at whether somebody still wants it


async def prove(server_name: str, identity_key: bytes, bits: int) -> str:
    """A text after which the digest begins with `bits` zero bits; '' where none are asked for.

    Takes 2^bits tries on average, about a million a second.

    Raises:
        SignetError: REGISTRATION_REFUSED, above MAX_WORK_BITS.
    """
    if bits <= 0:
        return ""
    if bits > MAX_WORK_BITS:
        raise refusal(Code.REGISTRATION_REFUSED, f"the server asks for {bits} bits of work")
    start = 0
    while (
        found := await asyncio.to_thread(search, server_name, identity_key, bits, start)
    ) is None:
        start += _SLICE
    return found


def search(server_name: str, identity_key: bytes, bits: int, start: int) -> str | None:
    """The first of a slice of numbers that is a proof, in decimal."""
    begun = sha256(_LABEL + server_name.encode() + identity_key)
    below = 1 << (256 - bits)
    for number in range(start, start + _SLICE):
        tried = begun.copy()
        tried.update(b"%d" % number)
        if int.from_bytes(tried.digest(), "big") < below:
            return str(number)
    return None
