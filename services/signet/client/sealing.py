"""Encrypting a send for every device of a person, in the transaction that keeps the ratchets.

A bundle whose identity key is not the pinned one opens no session: the change is reported, and
sends to that person wait for consent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from signet.client import content as contents
from signet.client.device_store import Tx
from signet.client.environment import Environment
from signet.client.errors import IdentityNotTrusted
from signet.client.store.outgoing import Row
from signet.client.store.peers import Peer
from signet.client.store.settings import Account
from signet.core.ids import MessageId, UserId
from signet.e2e import Address, LocalDevice, PreKeyBundle, archive, encrypt, initiate
from signet.v1.content_pb2 import Content
from signet.v1.messaging_pb2 import DeviceContent, DeviceMismatch, Send


@dataclass(frozen=True, slots=True)
class Self:
    """This device, with its clock and chance: what jobs need besides the transaction."""

    account: Account
    local: LocalDevice
    environment: Environment

    @property
    def user(self) -> UserId:
        return self.account.user_id


@dataclass(frozen=True, slots=True)
class Bundles:
    """What the keys service says of a person now."""

    user: UserId
    identity: bytes
    devices: tuple[PreKeyBundle, ...]


def queue(
    tx: Tx,
    me: Self,
    to: UserId,
    content: Content,
    *,
    message_id: MessageId | None = None,
    only_device: int = 0,
) -> Row:
    """Give a send its ordinal and keep it; encrypted at once where every session is there.

    With `only_device` the person's other devices get a message that says nothing (M7 wants all).
    """
    message_id = message_id or me.environment.message_id()
    now = me.environment.now()
    stamped = contents.stamped(content, message_id, int(now * 1000))
    row = Row(to, tx.peers.next_ordinal(to), message_id, now, stamped, only_device)
    tx.outgoing.add(row)
    try:
        return seal(tx, me, row) or row
    except IdentityNotTrusted:
        return row


def seal(tx: Tx, me: Self, row: Row) -> Row | None:
    """Encrypt a send for all devices we know of; None: bundles must be fetched first.

    Raises:
        IdentityNotTrusted: the identity key changed, and nobody consented.
    """
    peer = tx.peers.get(row.peer)
    if peer.pending is not None:
        raise IdentityNotTrusted
    devices = tx.peers.devices(row.peer)
    if peer.stale or (not devices and row.peer != me.user):
        return None
    parts = _encrypted(tx, me, row.peer, devices, content=row.content, only=row.only_device)
    if parts is None:
        return None
    send = Send(message_id=row.id, to=row.peer, ordinal=row.ordinal, contents=parts)
    send.urgent, send.quiet = contents.is_urgent(row.content), contents.is_quiet(row.content)
    sealed = send.SerializeToString()
    tx.outgoing.put_sealed(row.peer, row.ordinal, sealed)
    if row.content.WhichOneof("body") not in ("retry_request", "no_message"):
        tx.outgoing.log(row, devices, me.environment.now())
    return Row(row.peer, row.ordinal, row.id, row.queued_at, row.content, row.only_device, sealed)


def seal_fleeting(tx: Tx, me: Self, to: UserId, content: Content) -> Send | None:
    """Encrypt what is not worth waiting for (M9): None where a session is missing."""
    peer, devices = tx.peers.get(to), tx.peers.devices(to)
    if peer.pending is not None or peer.stale or not devices:
        return None
    message_id = me.environment.message_id()
    stamped = contents.stamped(content, message_id, me.environment.now_ms())
    parts = _encrypted(tx, me, to, devices, content=stamped, only=0)
    if parts is None:
        return None
    return Send(message_id=message_id, to=to, contents=parts, fleeting=True)


def _encrypted(
    tx: Tx, me: Self, to: UserId, devices: Sequence[int], *, content: Content, only: int
) -> list[DeviceContent] | None:
    now = me.environment.now()
    records = {device: tx.peers.session(to, device) for device in devices}
    if not all(record is not None and record.has_current(now) for record in records.values()):
        return None
    plaintext = contents.to_plaintext(content)
    nothing = plaintext
    if only:
        empty = contents.stamped(
            contents.no_message(), MessageId(content.message_id), content.clock_ms
        )
        nothing = contents.to_plaintext(empty)
    parts = []
    for device, record in records.items():
        assert record is not None
        body = plaintext if only in (0, device) else nothing
        after, message = encrypt(record, body, local=me.local, remote=Address(to, device), now=now)
        tx.peers.put_session(to, device, after)
        parts.append(
            DeviceContent(
                device_id=device,
                registration_id=after.remote_registration_id or 0,
                type=message.type,
                content=message.body,
            )
        )
    return parts


def correct(tx: Tx, me: Self, to: UserId, devices: DeviceMismatch) -> None:
    """WRONG_DEVICES: retire what is extra, give up what is stale, ask for what is missing."""
    for device in devices.extra:
        tx.peers.retire(to, device, me.environment.now())
    for device in devices.stale:
        give_up(tx, to, device)
    tx.peers.set(to, stale=int(bool(devices.missing or devices.stale)))


def give_up(tx: Tx, to: UserId, device: int) -> None:
    """Archive the session with a device; the next send opens a new one from a fresh bundle."""
    record = tx.peers.session(to, device)
    if record is not None:
        tx.peers.put_session(to, device, archive(record))
    tx.peers.set(to, stale=1)


def learn_identity(tx: Tx, peer: Peer, identity: bytes) -> bool:
    """Pin a first identity key; note another one. True: it is new, and must be reported."""
    if peer.identity in (None, identity):
        tx.peers.set(peer.user, identity=identity)
        return False
    if identity == peer.pending:
        return False
    tx.peers.set(peer.user, pending=identity, verified=0)
    return True


def learn_bundles(tx: Tx, me: Self, bundles: Bundles) -> bool:
    """Open the sessions that are missing. True: the identity key changed, and nothing was opened.

    Raises:
        E2eError: a signature does not verify, or the version is below what was shown before.
    """
    peer = tx.peers.get(bundles.user)
    own = bundles.user == me.user
    identity = me.local.identity.public if own else peer.identity
    if identity not in (None, bundles.identity):
        if own:
            raise IdentityNotTrusted("the server shows another identity key for this account")
        return learn_identity(tx, peer, bundles.identity)
    tx.peers.set(bundles.user, identity=bundles.identity, stale=0)
    listed = {b.device_id: b for b in bundles.devices}
    if own:
        listed.pop(me.account.device, None)
    for device in tx.peers.devices(bundles.user):
        if device not in listed:
            tx.peers.retire(bundles.user, device, me.environment.now())
    for bundle in listed.values():
        _open(tx, me, peer, bundle)
    return False


def _open(tx: Tx, me: Self, peer: Peer, bundle: PreKeyBundle) -> None:
    now = me.environment.now()
    record = tx.peers.session(peer.user, bundle.device_id)
    tx.peers.revive(peer.user, bundle.device_id)
    if (
        record is not None
        and record.has_current(now)
        and record.remote_registration_id == bundle.registration_id
        and record.remote_identity == bundle.identity_key
    ):
        return
    record = initiate(
        record,
        bundle,
        local=me.local,
        remote=Address(peer.user, bundle.device_id),
        now=now,
        randomness=me.environment.randomness,
        floor=peer.version_floor,
    )
    tx.peers.put_session(peer.user, bundle.device_id, record)
    tx.peers.set(peer.user, floor=max(peer.floor, record.shown))


def consent(tx: Tx, user: UserId) -> bool:
    """Take the changed identity key as the peer's; False where none waits."""
    peer = tx.peers.get(user)
    if peer.pending is None:
        return False
    for device in tx.peers.devices(user):
        record = tx.peers.session(user, device)
        if record is not None and record.remote_identity != peer.pending:
            tx.peers.put_session(user, device, archive(record))
    tx.peers.set(user, identity=peer.pending, pending=None, verified=0, stale=1)
    return True
