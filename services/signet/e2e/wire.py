"""Messages as bytes: libsignal's formats, described in protos/signet/e2e/v1/wire.proto.

Parsing checks the form only (InvalidMessage); whether a message is genuine is the session's
affair. Sender-key messages (0x33) are in `sender_key_wire`.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from google.protobuf.message import DecodeError, Message

from signet.e2e.errors import InvalidKey, InvalidMessage
from signet.e2e.keys import raw_ec_public
from signet.e2e.message_keys import TAG_SIZE
from signet.e2e.v1.wire_pb2 import PreKeySignalMessage, SignalMessage

WHISPER = 2
PRE_KEY = 3


class Version(IntEnum):
    """Message versions; a higher one is never given up for a lower one."""

    X3DH = 3
    PQXDH = 4


HIGHEST_VERSION = Version.PQXDH


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """What is handed to a device: `type` is WHISPER (2) or PRE_KEY (3)."""

    type: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WhisperMessage:
    """A parsed Whisper message. `tag` covers `authenticated`, which is all that stood before it."""

    version: Version
    ratchet_key: bytes
    counter: int
    ciphertext: bytes = field(repr=False)
    addresses: bytes | None
    authenticated: bytes = field(repr=False)
    tag: bytes


@dataclass(frozen=True, slots=True)
class PreKeyMessage:
    """A parsed PreKey message; `kyber` is (pre-key id, ciphertext) and stands in version 4."""

    version: Version
    registration_id: int
    pre_key_id: int | None
    signed_pre_key_id: int
    kyber: tuple[int, bytes] | None
    base_key: bytes
    identity_key: bytes
    message: bytes = field(repr=False)


def whisper_body(
    version: Version,
    *,
    ratchet_key: bytes,
    counter: int,
    previous: int,
    ciphertext: bytes,
    addresses: bytes | None,
) -> bytes:
    """Version byte and fields; the tag over it comes behind."""
    message = SignalMessage(
        ratchet_key=ratchet_key,
        counter=counter,
        previous_counter=previous,
        ciphertext=ciphertext,
        addresses=addresses,
    )
    return _version_byte(version) + message.SerializeToString()


def pre_key_body(message: PreKeyMessage) -> bytes:
    kyber_id, kyber_ciphertext = message.kyber or (None, None)
    fields = PreKeySignalMessage(
        pre_key_id=message.pre_key_id,
        base_key=message.base_key,
        identity_key=message.identity_key,
        message=message.message,
        registration_id=message.registration_id,
        signed_pre_key_id=message.signed_pre_key_id,
        kyber_pre_key_id=kyber_id,
        kyber_ciphertext=kyber_ciphertext,
    )
    return _version_byte(message.version) + fields.SerializeToString()


def parse_whisper(body: bytes) -> WhisperMessage:
    """Raises InvalidMessage."""
    version = _version_of(body)
    authenticated, tag = body[:-TAG_SIZE], body[-TAG_SIZE:]
    fields = SignalMessage()
    _parse(fields, authenticated[1:], "ratchet_key", "counter", "ciphertext")
    _check_keys(fields.ratchet_key)
    return WhisperMessage(
        version,
        fields.ratchet_key,
        fields.counter,
        fields.ciphertext,
        fields.addresses if fields.HasField("addresses") else None,
        authenticated,
        tag,
    )


def parse_pre_key(body: bytes) -> PreKeyMessage:
    """Raises InvalidMessage, also when the version and the presence of Kyber disagree."""
    version = _version_of(body)
    fields = PreKeySignalMessage()
    _parse(fields, body[1:], "base_key", "identity_key", "message", "signed_pre_key_id")
    _check_keys(fields.base_key, fields.identity_key)
    has_kyber = fields.HasField("kyber_pre_key_id") and fields.HasField("kyber_ciphertext")
    if has_kyber != (version >= Version.PQXDH):
        raise InvalidMessage("the version says otherwise about Kyber")
    return PreKeyMessage(
        version,
        fields.registration_id,
        fields.pre_key_id if fields.HasField("pre_key_id") else None,
        fields.signed_pre_key_id,
        (fields.kyber_pre_key_id, fields.kyber_ciphertext) if has_kyber else None,
        fields.base_key,
        fields.identity_key,
        fields.message,
    )


def message_ratchet_key(message: Ciphertext) -> bytes:
    """The sender's ratchet key of a message that could not be decrypted: goes into a retry request.

    Raises InvalidMessage when there is none to read.
    """
    inner = parse_pre_key(message.body).message if message.type == PRE_KEY else message.body
    return parse_whisper(inner).ratchet_key


def _version_byte(version: Version) -> bytes:
    return bytes([version << 4 | HIGHEST_VERSION])


def _version_of(body: bytes) -> Version:
    if len(body) <= 1 + TAG_SIZE:
        raise InvalidMessage("too short")
    try:
        return Version(body[0] >> 4)
    except ValueError:
        raise InvalidMessage(f"message version {body[0] >> 4} is not known here") from None


def _parse(fields: Message, body: bytes, *required: str) -> None:
    try:
        fields.ParseFromString(body)
    except DecodeError as error:
        raise InvalidMessage("not a protobuf message") from error
    missing = [name for name in required if not fields.HasField(name)]
    if missing:
        raise InvalidMessage(f"without {', '.join(missing)}")


def _check_keys(*keys: bytes) -> None:
    try:
        for key in keys:
            raw_ec_public(key)
    except InvalidKey as error:
        raise InvalidMessage("a key in it is no key") from error
