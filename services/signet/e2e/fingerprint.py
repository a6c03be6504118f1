"""Safety numbers: 60 digits that two people compare to know that nobody stands between them.

libsignal's numeric fingerprint, version 2: for each side 30 digits of an iterated SHA-512 over
the identity key and a stable identifier (here: the 16 bytes of the user id), the smaller first,
so that both read the same. Linear in FINGERPRINT_ITERATIONS: some milliseconds; not for a loop.
"""

from hashlib import sha512

from signet.e2e.keys import raw_ec_public
from signet.e2e.limits import FINGERPRINT_ITERATIONS

_FORMAT = b"\x00\x00"


def safety_number(
    our_user_id: bytes, our_identity: bytes, their_user_id: bytes, their_identity: bytes
) -> str:
    """60 digits, the same for both sides. Raises InvalidKey."""
    sides = (_digits(our_user_id, our_identity), _digits(their_user_id, their_identity))
    return "".join(sorted(sides))


def _digits(user_id: bytes, identity: bytes) -> str:
    raw_ec_public(identity)
    digest = _FORMAT + identity + user_id
    for _ in range(FINGERPRINT_ITERATIONS):
        digest = sha512(digest + identity).digest()
    chunks = (digest[at : at + 5] for at in range(0, 30, 5))
    return "".join(f"{int.from_bytes(chunk, 'big') % 100_000:05}" for chunk in chunks)
