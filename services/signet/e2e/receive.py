"""Decrypting: in the session that a message belongs to, or in the one that it opens.

A pure function from a record to a new record: whoever keeps the new one only when all went well
changes state only after the tag verified. The new record must be durable before a plaintext is
shown.

Which session of several is current: https://signal.org/docs/specifications/sesame/ section 3.3,
the one in which a message was last decrypted. So two devices that initiate at once converge.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from signet.e2e.address import Address, LocalDevice
from signet.e2e.errors import DuplicateMessage, InvalidKey, InvalidMessage, NoSession
from signet.e2e.keys import Randomness
from signet.e2e.limits import MAX_ARCHIVED_JUMPS, MAX_FORWARD_JUMPS
from signet.e2e.message_keys import MessageKeys
from signet.e2e.ratchet import knows, next_to_receive
from signet.e2e.record import SessionRecord, SessionState
from signet.e2e.respond import PreKeyLookup, ReplayMark, UsedKeys, respond
from signet.e2e.session import refuse_downgrade
from signet.e2e.wire import (
    PRE_KEY,
    WHISPER,
    Ciphertext,
    PreKeyMessage,
    Version,
    WhisperMessage,
    parse_pre_key,
    parse_whisper,
)


@dataclass(frozen=True, slots=True)
class Decrypted:
    """A message, and all that must be stored in one transaction before it is shown.

    `record` replaces the old one; the one-time keys named here are deleted (a last-resort Kyber
    key is not); `replay`, if any, is stored. `identity_key` is who wrote it: compare it with the
    account's before keeping anything. Ids and `replay` are None when no session was opened.
    """

    record: SessionRecord
    plaintext: bytes = field(repr=False)
    identity_key: bytes
    base_key: bytes
    used_pre_key_id: int | None = None
    used_kyber_pre_key_id: int | None = None
    kyber_is_last_resort: bool = False
    replay: ReplayMark | None = None


Opened = tuple[SessionState, bytes]
Open = Callable[[SessionState, int], Opened]
"""Try a session on the message, allowing so many jumps forward."""


def decrypt(
    record: SessionRecord | None,
    message: Ciphertext,
    *,
    local: LocalDevice,
    remote: Address,
    pre_keys: PreKeyLookup,
    now: float,
    randomness: Randomness,
    allow_x3dh: bool = False,
    floor: Version = Version.X3DH,
) -> Decrypted:
    """Decrypt a message of `remote`, in whichever session it belongs to; that becomes current.

    `floor` is the newest version that the account ever showed; no older session is opened or
    becomes current again. Raises InvalidMessage, DuplicateMessage, NoSession; for a message that
    opens a session also UnknownPreKey, Downgrade. `now` is there for what ages inside a session;
    nothing does yet.
    """
    record = replace(record or SessionRecord(), shown=max(floor, record.shown if record else 0))
    first = parse_pre_key(message.body) if message.type == PRE_KEY else None
    if first is None and message.type != WHISPER:
        raise InvalidMessage(f"message type {message.type} is not known here")
    whisper = parse_whisper(first.message if first else message.body)
    expected = remote.to_wire() + local.address.to_wire()

    def open_in(state: SessionState, jumps: int) -> Opened:
        return _open(state, whisper, expected, jumps, randomness)

    try:
        if first is None:
            return _in_known_session(record, whisper, open_in)
        return _in_named_session(
            record,
            first,
            open_in,
            local=local,
            pre_keys=pre_keys,
            allow_x3dh=allow_x3dh,
        )
    except InvalidKey as error:
        raise InvalidMessage(str(error)) from error


def _open(
    state: SessionState,
    message: WhisperMessage,
    addresses: bytes,
    jumps: int,
    randomness: Randomness,
) -> Opened:
    if message.version != state.version:
        raise InvalidMessage("a message of another version than its session")
    ratchet, seed = next_to_receive(
        state.ratchet, message.ratchet_key, message.counter, jumps=jumps, randomness=randomness
    )
    keys = MessageKeys.derive(seed)
    keys.check(message.tag, state.remote_identity, state.local_identity, message.authenticated)
    if message.addresses not in (None, addresses):
        raise InvalidMessage("written for other addresses")
    return state.after(ratchet, pending=None), keys.decrypt(message.ciphertext)


def _in_known_session(record: SessionRecord, message: WhisperMessage, open_in: Open) -> Decrypted:
    """Sessions that have the message's chain are asked; the others only if none has."""
    current, key = record.current, message.ratchet_key
    if current is not None and knows(current.ratchet, key):
        return _in_current(record, current, open_in)
    archived = [*enumerate(record.archived_states())]
    knowing = [(at, state) for at, state in archived if knows(state.ratchet, key)]
    if knowing:
        return _in_archive(record, knowing, open_in, MAX_FORWARD_JUMPS)
    if current is not None:
        try:
            return _in_current(record, current, open_in)
        except InvalidMessage:
            if not archived:
                raise
    return _in_archive(record, archived, open_in, MAX_ARCHIVED_JUMPS)


def _in_current(record: SessionRecord, current: SessionState, open_in: Open) -> Decrypted:
    state, plaintext = open_in(current, MAX_FORWARD_JUMPS)
    return _decrypted(record.with_current(state), state, plaintext)


def _in_archive(
    record: SessionRecord, states: Iterable[tuple[int, SessionState]], open_in: Open, jumps: int
) -> Decrypted:
    """The first archived session that opens the message becomes current."""
    refused: InvalidMessage | DuplicateMessage | None = None
    for at, old in states:
        if old.version < record.shown:
            refused = refused or InvalidMessage("of no session that may become current again")
            continue
        try:
            state, plaintext = open_in(old, jumps)
        except (InvalidMessage, DuplicateMessage) as error:
            refused = error
            continue
        return _decrypted(record.with_promoted(at, state), state, plaintext)
    raise refused or NoSession("no session with that device")


def _in_named_session(
    record: SessionRecord,
    first: PreKeyMessage,
    open_in: Open,
    *,
    local: LocalDevice,
    pre_keys: PreKeyLookup,
    allow_x3dh: bool,
) -> Decrypted:
    """A PreKey message names its session by base key; one that is not here yet is opened."""
    if record.current is not None and _named(record.current, first):
        return _in_current(record, record.current, open_in)
    named = [(at, s) for at, s in enumerate(record.archived_states()) if _named(s, first)]
    if named:
        return _in_archive(record, named, open_in, MAX_FORWARD_JUMPS)
    refuse_downgrade(first.version, record.shown, allow_x3dh)
    keys = UsedKeys.find(first, pre_keys)
    state, plaintext = open_in(respond(first, keys, local), MAX_FORWARD_JUMPS)
    return replace(
        _decrypted(record.with_new(state), state, plaintext),
        used_pre_key_id=first.pre_key_id,
        used_kyber_pre_key_id=keys.kyber.id if keys.kyber else None,
        kyber_is_last_resort=keys.kyber is not None and keys.kyber.last_resort,
        replay=keys.replay,
    )


def _named(state: SessionState, first: PreKeyMessage) -> bool:
    return (state.version, state.base_key, state.remote_identity) == (
        first.version,
        first.base_key,
        first.identity_key,
    )


def _decrypted(record: SessionRecord, state: SessionState, plaintext: bytes) -> Decrypted:
    return Decrypted(record, plaintext, state.remote_identity, state.base_key)
