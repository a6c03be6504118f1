"""Sessions: opening one from a bundle, and encrypting in it. `receive` is the other half.

Pure functions from a record to a new record; the old one is untouched. The new record must be
durable before a ciphertext leaves: a message key is used once.

Agreements: https://signal.org/docs/specifications/pqxdh/ section 3.3, and /x3dh/ section 3.3.

Sender Keys do not pass here: they are a session kind of their own, keyed by (sender, group).
"""

from signet.e2e import pqxdh, x3dh
from signet.e2e.address import Address, LocalDevice
from signet.e2e.bundle import PreKeyBundle
from signet.e2e.errors import Downgrade, InvalidKey, NoSession, StaleSession
from signet.e2e.keys import EcKeyPair, Randomness, encapsulate
from signet.e2e.message_keys import MessageKeys
from signet.e2e.ratchet import Ratchet, as_initiator, next_to_send
from signet.e2e.record import PendingPreKey, SessionRecord, SessionState
from signet.e2e.wire import (
    PRE_KEY,
    WHISPER,
    Ciphertext,
    PreKeyMessage,
    Version,
    pre_key_body,
    whisper_body,
)


def initiate(
    record: SessionRecord | None,
    bundle: PreKeyBundle,
    *,
    local: LocalDevice,
    remote: Address,
    now: float,
    randomness: Randomness,
    allow_x3dh: bool = False,
    floor: Version = Version.X3DH,
) -> SessionRecord:
    """Open a session from a device's bundle; it is current, the one before is archived.

    `floor` is the newest version that the account ever showed; the record's own memory counts
    too. Raises BadSignature, Downgrade, InvalidKey (also for another device's bundle).
    """
    record = record or SessionRecord()
    if bundle.device_id != remote.device_id:
        raise InvalidKey(f"a bundle of device {bundle.device_id}, not {remote.device_id}")
    bundle.verify()
    version = Version.PQXDH if bundle.kyber_pre_key else Version.X3DH
    refuse_downgrade(version, max(floor, record.shown), allow_x3dh)
    return record.with_new(_initiated(bundle, version, local, now, randomness))


def _initiated(
    bundle: PreKeyBundle, version: Version, local: LocalDevice, now: float, randomness: Randomness
) -> SessionState:
    base, spk = EcKeyPair.generate(randomness), bundle.signed_pre_key
    secrets = x3dh.initiator_secrets(
        local.identity,
        base,
        their_ik=bundle.identity_key,
        spk=spk.public,
        opk=bundle.pre_key.public if bundle.pre_key else None,
    )
    agreed, kyber = x3dh.derive(secrets), None
    if bundle.kyber_pre_key:
        secret, ciphertext = encapsulate(bundle.kyber_pre_key.public)
        agreed, kyber = pqxdh.derive(secrets, secret), (bundle.kyber_pre_key.id, ciphertext)
    return SessionState(
        version,
        local.identity.public,
        bundle.identity_key,
        bundle.registration_id,
        base.public,
        as_initiator(agreed, spk.public, EcKeyPair.generate(randomness)),
        PendingPreKey(bundle.pre_key.id if bundle.pre_key else None, spk.id, kyber, now),
    )


def refuse_downgrade(version: Version, floor: int, allow_x3dh: bool) -> None:
    """Raises Downgrade. X3DH alone is a switch for tests, never what an account falls back to."""
    if version < floor or (version == Version.X3DH and not allow_x3dh):
        raise Downgrade(
            f"version {version} is offered, at least {max(floor, Version.PQXDH)} wanted"
        )


def archive(record: SessionRecord) -> SessionRecord:
    """Give up the current session (a retry request named it); its late messages stay readable."""
    return record.archive()


def encrypt(
    record: SessionRecord, plaintext: bytes, *, local: LocalDevice, remote: Address, now: float
) -> tuple[SessionRecord, Ciphertext]:
    """Encrypt in the current session: type PRE_KEY until the other side has answered.

    Raises NoSession, StaleSession: `initiate` first.
    """
    state = record.current
    if state is None:
        raise NoSession("nothing agreed with that device")
    if not state.usable(now):
        raise StaleSession("unanswered for too long")
    ratchet, body = _seal(state, plaintext, local, remote)
    record = record.with_current(state.after(ratchet, pending=state.pending))
    if state.pending is None:
        return record, Ciphertext(WHISPER, body)
    return record, Ciphertext(PRE_KEY, _in_pre_key(state, state.pending, body, local))


def _seal(
    state: SessionState, plaintext: bytes, local: LocalDevice, remote: Address
) -> tuple[Ratchet, bytes]:
    ratchet, seed = next_to_send(state.ratchet)
    keys, chain = MessageKeys.derive(seed), state.ratchet.sending
    body = whisper_body(
        state.version,
        ratchet_key=chain.pair.public,
        counter=chain.index,
        previous=chain.previous,
        ciphertext=keys.encrypt(plaintext),
        addresses=local.address.to_wire() + remote.to_wire() if state.pending else None,
    )
    return ratchet, body + keys.tag(state.local_identity, state.remote_identity, body)


def _in_pre_key(
    state: SessionState, pending: PendingPreKey, body: bytes, local: LocalDevice
) -> bytes:
    return pre_key_body(
        PreKeyMessage(
            state.version,
            local.registration_id,
            pending.pre_key_id,
            pending.signed_pre_key_id,
            pending.kyber,
            state.base_key,
            state.local_identity,
            body,
        )
    )
