"""Sender-key messages as bytes: libsignal's formats, described in protos/signet/e2e/v1/wire.proto.

Parsing checks the form only (InvalidMessage); the signature is checked by `sender_keys`, which
knows whose it must be.
"""

from dataclasses import dataclass, field

from google.protobuf.message import DecodeError, Message

from signet.e2e.errors import InvalidKey, InvalidMessage
from signet.e2e.keys import SIGNATURE_SIZE, raw_ec_public
from signet.e2e.v1.wire_pb2 import SenderKeyDistributionMessage, SenderKeyMessage

SENDER_KEY = 7
DISTRIBUTION_ID_SIZE = 16
CHAIN_KEY_SIZE = 32
MAX_CHAIN_ID = 0x7FFFFFFF
_VERSION = b"\x33"


@dataclass(frozen=True, slots=True)
class GroupMessage:
    """A parsed SenderKey message. `signature` covers `signed`, all that stood before it."""

    distribution_id: bytes
    chain_id: int
    iteration: int
    ciphertext: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A sender key on its way to a member: reads messages from `iteration` on."""

    distribution_id: bytes
    chain_id: int
    iteration: int
    chain_key: bytes = field(repr=False)
    signing_key: bytes


def group_message_body(
    distribution_id: bytes, chain_id: int, iteration: int, ciphertext: bytes
) -> bytes:
    """Version byte and fields; the signature over them comes behind."""
    fields = SenderKeyMessage(
        distribution_uuid=distribution_id,
        chain_id=chain_id,
        iteration=iteration,
        ciphertext=ciphertext,
    )
    return _VERSION + fields.SerializeToString()


def distribution_body(distribution: Distribution) -> bytes:
    fields = SenderKeyDistributionMessage(
        distribution_uuid=distribution.distribution_id,
        chain_id=distribution.chain_id,
        iteration=distribution.iteration,
        chain_key=distribution.chain_key,
        signing_key=distribution.signing_key,
    )
    return _VERSION + fields.SerializeToString()


def parse_group_message(body: bytes) -> GroupMessage:
    """Raises InvalidMessage."""
    signed, signature = body[:-SIGNATURE_SIZE], body[-SIGNATURE_SIZE:]
    fields = SenderKeyMessage()
    _parse(fields, signed, "distribution_uuid", "chain_id", "iteration", "ciphertext")
    _check_id(fields.distribution_uuid)
    return GroupMessage(
        fields.distribution_uuid,
        fields.chain_id,
        fields.iteration,
        fields.ciphertext,
        signed,
        signature,
    )


def parse_distribution(body: bytes) -> Distribution:
    """Raises InvalidMessage."""
    fields = SenderKeyDistributionMessage()
    wanted = ("distribution_uuid", "chain_id", "iteration", "chain_key", "signing_key")
    _parse(fields, body, *wanted)
    _check_id(fields.distribution_uuid)
    if fields.chain_id > MAX_CHAIN_ID or len(fields.chain_key) != CHAIN_KEY_SIZE:
        raise InvalidMessage("a chain key has 32 bytes, its id 31 bits")
    try:
        raw_ec_public(fields.signing_key)
    except InvalidKey as error:
        raise InvalidMessage("its signing key is no key") from error
    return Distribution(
        fields.distribution_uuid,
        fields.chain_id,
        fields.iteration,
        fields.chain_key,
        fields.signing_key,
    )


def _parse(fields: Message, body: bytes, *required: str) -> None:
    if body[:1] != _VERSION:
        raise InvalidMessage("not a sender-key message of version 3")
    try:
        fields.ParseFromString(body[1:])
    except DecodeError as error:
        raise InvalidMessage("not a protobuf message") from error
    missing = [name for name in required if not fields.HasField(name)]
    if missing:
        raise InvalidMessage(f"without {', '.join(missing)}")


def _check_id(distribution_id: bytes) -> None:
    if len(distribution_id) != DISTRIBUTION_ID_SIZE:
        raise InvalidMessage("a distribution id has 16 bytes")
