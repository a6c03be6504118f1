"""What a device keeps about one other device: its current session and the replaced ones.

Immutable. `serialise` gives a version byte and a StoredRecord (protos/signet/e2e/v1); store it
in the transaction that stores what came of the message. Archived sessions stay serialised until
a message needs them, so that a long archive costs a send nothing.

A session that also has a post-quantum ratchet will keep it as one more field of SessionState.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

from google.protobuf.message import DecodeError

from signet.e2e.errors import InvalidRecord
from signet.e2e.keys import EcKeyPair
from signet.e2e.limits import MAX_ARCHIVED_SESSIONS, SECONDS_A_DAY, UNACKNOWLEDGED_DAYS
from signet.e2e.ratchet import Ratchet, ReceivingChain, SendingChain
from signet.e2e.v1.session_pb2 import StoredChain, StoredPending, StoredRecord, StoredSession
from signet.e2e.wire import Version

_STORED_VERSION = b"\x01"
_SEED = 32


@dataclass(frozen=True, slots=True)
class PendingPreKey:
    """What each message repeats until the other side has answered. `since` is in seconds."""

    pre_key_id: int | None
    signed_pre_key_id: int
    kyber: tuple[int, bytes] | None = field(repr=False)
    since: float


@dataclass(frozen=True, slots=True)
class SessionState:
    """One agreement and its ratchet. `base_key` is the initiator's, and names the session."""

    version: Version
    local_identity: bytes
    remote_identity: bytes
    remote_registration_id: int
    base_key: bytes
    ratchet: Ratchet
    pending: PendingPreKey | None = None

    def after(self, ratchet: Ratchet, *, pending: PendingPreKey | None) -> Self:
        """The same session after one message."""
        return type(self)(
            self.version,
            self.local_identity,
            self.remote_identity,
            self.remote_registration_id,
            self.base_key,
            ratchet,
            pending,
        )

    def usable(self, now: float) -> bool:
        """False once nobody answered it for UNACKNOWLEDGED_DAYS."""
        if self.pending is None:
            return True
        return now - self.pending.since <= UNACKNOWLEDGED_DAYS * SECONDS_A_DAY


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """All sessions with one device. `shown` is the newest version it ever agreed with us."""

    current: SessionState | None = None
    archived: tuple[bytes, ...] = field(default=(), repr=False)
    shown: int = 0

    def has_current(self, now: float) -> bool:
        """Whether `encrypt` would work; otherwise fetch a bundle and `initiate`."""
        return self.current is not None and self.current.usable(now)

    @property
    def remote_identity(self) -> bytes | None:
        """The identity key of the current session (33 bytes)."""
        return self.current.remote_identity if self.current else None

    @property
    def remote_registration_id(self) -> int | None:
        """The registration id of the current session: compare with the server's 410 answer."""
        return self.current.remote_registration_id if self.current else None

    @property
    def current_ratchet_key(self) -> bytes | None:
        """Our sending ratchet key: a retry request that names it is about this session."""
        return self.current.ratchet.sending.pair.public if self.current else None

    def ratchet_keys(self) -> frozenset[bytes]:
        """Our latest sending ratchet keys in the current and in all archived sessions."""
        states = [*self.archived_states()] + ([self.current] if self.current else [])
        return frozenset(state.ratchet.sending.pair.public for state in states)

    def archived_states(self) -> Iterator[SessionState]:
        """Newest first. Raises InvalidRecord."""
        return map(_load_session, self.archived)

    def with_new(self, state: SessionState) -> Self:
        """`state` becomes current; what was current goes to the front of the archive."""
        shown = max(self.shown, state.version)
        return type(self)(state, self.archive().archived, shown)

    def with_promoted(self, at: int, state: SessionState) -> Self:
        """`state` comes out of place `at` of the archive and becomes current."""
        rest = self.archived[:at] + self.archived[at + 1 :]
        return replace(self, archived=rest).with_new(state)

    def with_current(self, state: SessionState) -> Self:
        """`state` is what became of the current session."""
        return type(self)(state, self.archived, self.shown)

    def archive(self) -> Self:
        """Nothing is current any more; late messages can still be read."""
        if self.current is None:
            return self
        archived = (_store_session(self.current), *self.archived)
        return type(self)(None, archived[:MAX_ARCHIVED_SESSIONS], self.shown)

    def serialise(self) -> bytes:
        current = _store_session(self.current) if self.current else None
        record = StoredRecord(current=current, archived=self.archived, highest_version=self.shown)
        return _STORED_VERSION + record.SerializeToString()

    @classmethod
    def deserialise(cls, stored: bytes) -> Self:
        """Raises InvalidRecord."""
        if stored[:1] != _STORED_VERSION:
            raise InvalidRecord("not a session record of a version known here")
        try:
            record = StoredRecord.FromString(stored[1:])
        except DecodeError as error:
            raise InvalidRecord("not a session record") from error
        current = _load_session(record.current) if record.HasField("current") else None
        return cls(current, tuple(record.archived), record.highest_version)


def _store_session(state: SessionState) -> bytes:
    sending = state.ratchet.sending
    return StoredSession(
        version=state.version,
        local_identity=state.local_identity,
        remote_identity=state.remote_identity,
        remote_registration_id=state.remote_registration_id,
        base_key=state.base_key,
        root_key=state.ratchet.root_key,
        sending_private=sending.pair.private,
        sending_public=sending.pair.public,
        sending_chain_key=sending.key,
        sending_index=sending.index,
        previous_counter=sending.previous,
        receiving=[_store_chain(chain) for chain in state.ratchet.receiving],
        pending=_store_pending(state.pending) if state.pending else None,
    ).SerializeToString()


def _store_chain(chain: ReceivingChain) -> StoredChain:
    return StoredChain(
        ratchet_key=chain.ratchet_key,
        chain_key=chain.key,
        index=chain.index,
        kept_counters=chain.kept.keys(),
        kept_seeds=b"".join(chain.kept.values()),
    )


def _store_pending(pending: PendingPreKey) -> StoredPending:
    kyber_id, kyber_ciphertext = pending.kyber or (None, None)
    return StoredPending(
        pre_key_id=pending.pre_key_id,
        signed_pre_key_id=pending.signed_pre_key_id,
        kyber_pre_key_id=kyber_id,
        kyber_ciphertext=kyber_ciphertext,
        since=pending.since,
    )


def _load_session(stored: bytes) -> SessionState:
    try:
        session = StoredSession.FromString(stored)
        version = Version(session.version)
    except (DecodeError, ValueError) as error:
        raise InvalidRecord("not a stored session") from error
    pair = EcKeyPair(session.sending_public, session.sending_private)
    return SessionState(
        version,
        session.local_identity,
        session.remote_identity,
        session.remote_registration_id,
        session.base_key,
        Ratchet(
            session.root_key,
            SendingChain(
                pair, session.sending_chain_key, session.sending_index, session.previous_counter
            ),
            tuple(map(_load_chain, session.receiving)),
        ),
        _load_pending(session.pending) if session.HasField("pending") else None,
    )


def _load_chain(stored: StoredChain) -> ReceivingChain:
    seeds = stored.kept_seeds
    kept = {
        counter: seeds[at * _SEED : (at + 1) * _SEED]
        for at, counter in enumerate(stored.kept_counters)
    }
    return ReceivingChain(stored.ratchet_key, stored.chain_key, stored.index, kept)


def _load_pending(stored: StoredPending) -> PendingPreKey:
    has_kyber = stored.HasField("kyber_pre_key_id")
    return PendingPreKey(
        stored.pre_key_id if stored.HasField("pre_key_id") else None,
        stored.signed_pre_key_id,
        (stored.kyber_pre_key_id, stored.kyber_ciphertext) if has_kyber else None,
        stored.since,
    )
