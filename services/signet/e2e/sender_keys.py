"""Sender keys: one device encrypts once for all members of a group.

A sender key is a chain that steps once a message and a pair that signs each message. Its owner
hands both to each member's device inside their session (a distribution); so a member can read
what follows, and cannot write in the owner's name. There is no healing within a chain: a new key
is made when a member, or a device of one, has gone.

Everything is immutable: a function returns the next record, and the caller keeps it only when
the function has returned. What a member's device holds of another is found by (sender, device,
distribution id); here the distribution id is the group's id. The caller checks that
a distribution comes from that device, in its session, and that the device is a member's.

https://signal.org/docs/specifications/ has no text on sender keys; the formats are libsignal's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from google.protobuf.message import DecodeError

from signet.e2e import cbc
from signet.e2e.errors import (
    BadSignature,
    DuplicateMessage,
    InvalidMessage,
    InvalidRecord,
    NoSession,
)
from signet.e2e.kdf import hkdf, hmac_sha256
from signet.e2e.keys import Randomness, SigningKeyPair, verify
from signet.e2e.limits import MAX_FORWARD_JUMPS, MAX_KEPT_MESSAGE_KEYS, MAX_SENDER_KEY_STATES
from signet.e2e.sender_key_wire import (
    CHAIN_KEY_SIZE,
    MAX_CHAIN_ID,
    SENDER_KEY,
    Distribution,
    GroupMessage,
    distribution_body,
    group_message_body,
    parse_distribution,
    parse_group_message,
)
from signet.e2e.v1.session_pb2 import StoredSenderKey, StoredSenderKeys
from signet.e2e.wire import Ciphertext

_INFO = b"WhisperGroup"
_STORED_VERSION = b"\x01"
_SEED = 32


@dataclass(frozen=True, slots=True)
class SenderKey:
    """One chain. `iteration` is the next message's; `signing` is there for our own only."""

    chain_id: int
    iteration: int
    chain_key: bytes = field(repr=False)
    signing_key: bytes
    signing: SigningKeyPair | None = None
    kept: Mapping[int, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class SenderKeyRecord:
    """The sender keys of one device in one group, newest first, at most MAX_SENDER_KEY_STATES."""

    states: tuple[SenderKey, ...] = ()

    def find(self, chain_id: int) -> SenderKey | None:
        return next((state for state in self.states if state.chain_id == chain_id), None)

    def with_first(self, state: SenderKey) -> Self:
        """`state` becomes the newest; another of its chain id is gone."""
        others = tuple(other for other in self.states if other.chain_id != state.chain_id)
        return type(self)((state, *others)[:MAX_SENDER_KEY_STATES])

    def with_changed(self, state: SenderKey) -> Self:
        """What became of the state with that chain id, in its place."""
        same = state.chain_id
        return type(self)(tuple(state if old.chain_id == same else old for old in self.states))

    def serialise(self) -> bytes:
        stored = StoredSenderKeys(states=map(_store, self.states))
        return _STORED_VERSION + stored.SerializeToString()

    @classmethod
    def deserialise(cls, stored: bytes) -> Self:
        """Raises InvalidRecord."""
        if stored[:1] != _STORED_VERSION:
            raise InvalidRecord("not sender keys of a version known here")
        try:
            return cls(tuple(map(_load, StoredSenderKeys.FromString(stored[1:]).states)))
        except DecodeError as error:
            raise InvalidRecord("not sender keys") from error


def new_sender_key(randomness: Randomness) -> SenderKeyRecord:
    """Our own key for a group; also the next one when somebody has gone. It is not yet told."""
    pair = SigningKeyPair.generate(randomness)
    chain_id = int.from_bytes(randomness(4), "big") & MAX_CHAIN_ID
    return SenderKeyRecord((SenderKey(chain_id, 0, randomness(CHAIN_KEY_SIZE), pair.public, pair),))


def distribute(record: SenderKeyRecord, distribution_id: bytes) -> bytes:
    """What a member's device needs to read our messages from the next one on.

    Raises NoSession: there is no key yet.
    """
    state = _own(record)
    return distribution_body(
        Distribution(
            distribution_id, state.chain_id, state.iteration, state.chain_key, state.signing_key
        )
    )


def accept_distribution(
    record: SenderKeyRecord | None, distribution_id: bytes, body: bytes
) -> SenderKeyRecord:
    """Take a sender key of another device. One that is known keeps its place in the chain.

    Raises InvalidMessage (also for a key of another group).
    """
    given, record = parse_distribution(body), record or SenderKeyRecord()
    if given.distribution_id != distribution_id:
        raise InvalidMessage("a key of another group")
    known = record.find(given.chain_id)
    if known is not None and known.signing_key == given.signing_key:
        return record.with_first(known)
    state = SenderKey(given.chain_id, given.iteration, given.chain_key, given.signing_key)
    return record.with_first(state)


def group_encrypt(
    record: SenderKeyRecord, distribution_id: bytes, plaintext: bytes, *, randomness: Randomness
) -> tuple[SenderKeyRecord, Ciphertext]:
    """Encrypt once for all who have our key. Raises NoSession: `new_sender_key` first."""
    state = _own(record)
    assert state.signing is not None
    chain_key, seed = _step(state.chain_key)
    iv, key = _message_key(seed)
    body = group_message_body(
        distribution_id, state.chain_id, state.iteration, cbc.encrypt(key, iv, plaintext)
    )
    stepped = replace(state, chain_key=chain_key, iteration=state.iteration + 1)
    signature = state.signing.sign(body, randomness)
    return record.with_changed(stepped), Ciphertext(SENDER_KEY, body + signature)


def group_decrypt(
    record: SenderKeyRecord | None, distribution_id: bytes, message: Ciphertext
) -> tuple[SenderKeyRecord, bytes]:
    """The plaintext, and the sender's keys after it.

    Raises NoSession (the sender's key is not here: ask its device), DuplicateMessage,
    InvalidMessage (also for a message of another group).
    """
    if message.type != SENDER_KEY:
        raise InvalidMessage("not a sender-key message")
    parsed = parse_group_message(message.body)
    if parsed.distribution_id != distribution_id:
        raise InvalidMessage("a message of another group")
    state = record.find(parsed.chain_id) if record else None
    if record is None or state is None:
        raise NoSession("no sender key of that chain")
    _check_signature(state, parsed)
    stepped, seed = _take_seed(state, parsed.iteration)
    iv, key = _message_key(seed)
    return record.with_changed(stepped), cbc.decrypt(key, iv, parsed.ciphertext)


def _own(record: SenderKeyRecord) -> SenderKey:
    if not record.states or record.states[0].signing is None:
        raise NoSession("no sender key of our own")
    return record.states[0]


def _check_signature(state: SenderKey, message: GroupMessage) -> None:
    try:
        verify(state.signing_key, message.signed, message.signature)
    except BadSignature as error:
        raise InvalidMessage("the sender's key did not sign it") from error


def _take_seed(state: SenderKey, iteration: int) -> tuple[SenderKey, bytes]:
    if iteration < state.iteration:
        seed = state.kept.get(iteration)
        if seed is None:
            raise DuplicateMessage(f"message {iteration} of this chain was taken before")
        others = {at: other for at, other in state.kept.items() if at != iteration}
        return replace(state, kept=others), seed
    if iteration - state.iteration > MAX_FORWARD_JUMPS:
        raise InvalidMessage(f"{iteration - state.iteration} messages ahead")
    chain_key, kept = _skip(state, iteration)
    chain_key, seed = _step(chain_key)
    return replace(state, iteration=iteration + 1, chain_key=chain_key, kept=kept), seed


def _skip(state: SenderKey, until: int) -> tuple[bytes, Mapping[int, bytes]]:
    """Step to `until`, keep the newest seeds on the way."""
    if until == state.iteration:
        return state.chain_key, state.kept
    key, kept = state.chain_key, dict(state.kept)
    for at in range(state.iteration, until):
        key, seed = _step(key)
        if until - at <= MAX_KEPT_MESSAGE_KEYS:
            kept[at] = seed
    for at in list(kept)[: max(0, len(kept) - MAX_KEPT_MESSAGE_KEYS)]:
        del kept[at]
    return key, kept


def _step(chain_key: bytes) -> tuple[bytes, bytes]:
    """The next chain key and this message's seed."""
    return hmac_sha256(chain_key, b"\x02"), hmac_sha256(chain_key, b"\x01")


def _message_key(seed: bytes) -> tuple[bytes, bytes]:
    """IV and cipher key."""
    derived = hkdf(seed, _INFO, 48)
    return derived[:16], derived[16:]


def _store(state: SenderKey) -> StoredSenderKey:
    return StoredSenderKey(
        chain_id=state.chain_id,
        iteration=state.iteration,
        chain_key=state.chain_key,
        signing_public=state.signing_key,
        signing_private=state.signing.private if state.signing else None,
        kept_iterations=state.kept.keys(),
        kept_seeds=b"".join(state.kept.values()),
    )


def _load(stored: StoredSenderKey) -> SenderKey:
    private = stored.signing_private if stored.HasField("signing_private") else None
    seeds = stored.kept_seeds
    return SenderKey(
        stored.chain_id,
        stored.iteration,
        stored.chain_key,
        stored.signing_public,
        None if private is None else SigningKeyPair(stored.signing_public, private),
        {at: seeds[n * _SEED :][:_SEED] for n, at in enumerate(stored.kept_iterations)},
    )
