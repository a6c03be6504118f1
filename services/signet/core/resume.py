"""Resume tokens: what spares a login (S4). Bytes that only the servers can make and read.

A token says for which device, registration and authentication generation it is good, with which
connection counter it was issued, and until when. That it is good only once is the owner's to
check: it keeps the counters whose tokens still hold.
"""

import hmac
import struct
from dataclasses import dataclass

from signet.core.errors import Code, SignetError
from signet.core.ids import ID_BYTES, DeviceAddress, DeviceId, SessionId, UserId

_VERSION = 1
_FIELDS = struct.Struct(f">B{ID_BYTES}sBHQQ{ID_BYTES}sQ")
_MAC_BYTES = 16
TOKEN_BYTES = _FIELDS.size + _MAC_BYTES


@dataclass(frozen=True, slots=True)
class Resume:
    """What a token says. `counter`: the connection counter at which it was issued."""

    address: DeviceAddress
    counter: int
    session: SessionId
    expires_ms: int


def issue(resume: Resume, key: bytes) -> bytes:
    """Make the token. `key`: 32 secret bytes that all gateways share."""
    device = resume.address.device
    fields = _FIELDS.pack(
        _VERSION,
        device.user,
        device.device,
        resume.address.registration,
        resume.address.generation,
        resume.counter,
        resume.session,
        resume.expires_ms,
    )
    return fields + _mac(fields, key)


def redeem(token: bytes, key: bytes, now_ms: int) -> Resume:
    """Read a token that was issued with this key.

    Raises:
        SignetError: RESUME_REFUSED, for whatever reason: forged, cut, of another key, or over.
    """
    fields, mac = token[: _FIELDS.size], token[_FIELDS.size :]
    if len(token) != TOKEN_BYTES or not hmac.compare_digest(mac, _mac(fields, key)):
        raise SignetError(Code.RESUME_REFUSED)
    version, user, device, registration, generation, counter, session, expires_ms = _FIELDS.unpack(
        fields
    )
    if version != _VERSION or now_ms >= expires_ms:
        raise SignetError(Code.RESUME_REFUSED)
    address = DeviceAddress(DeviceId(UserId(user), device), registration, generation)
    return Resume(address, counter, SessionId(session), expires_ms)


def _mac(fields: bytes, key: bytes) -> bytes:
    return hmac.digest(key, b"signet-resume-v1" + fields, "sha256")[:_MAC_BYTES]
