"""What devices of one person tell each other: who was met, what was read, whom they block (O5).

Only our own devices are believed here: `mailbox` lets nobody else speak for this account, not
the server either.
"""

from collections.abc import Iterator, Sequence

from signet.client import content as contents
from signet.client import sealing
from signet.client.device_store import Tx
from signet.client.sealing import Self
from signet.client.store.messages import Due, ReadLine
from signet.client.store.outgoing import Row
from signet.client.store.profiles import Shown
from signet.core.ids import ID_BYTES, UserId
from signet.v1.content_pb2 import (
    Content,
    KnownPerson,
    ProfileContent,
    Sync,
    SyncBlocked,
    SyncPeople,
)

PEOPLE = 50
"""In one message. Raise: fewer messages to a new device, each nearer to the size limit."""


def has_others(tx: Tx, me: Self) -> bool:
    """Whether this account has devices besides this one, by what was last heard."""
    own = tx.settings.get("own_devices") or b""
    return any(device != me.account.device for device in own)


def tell(tx: Tx, me: Self, sync: Content) -> list[Row]:
    """Queue something for the other devices; nothing where there are none.

    In the transaction of what it tells, so that a crash leaves both or neither.
    """
    if not has_others(tx, me):
        return []
    return [sealing.queue(tx, me, me.user, sync)]


def tell_read(tx: Tx, me: Self, lines: Sequence[ReadLine]) -> list[Row]:
    """Messages were read, of those conversations."""
    rows = []
    due = [line for line in lines if Due.OWN_DEVICES in line.due]
    for peer in dict.fromkeys(line.peer for line in due):
        ids = [line.id for line in due if line.peer == peer]
        rows += tell(tx, me, contents.sync_read(ids, peer))
    return rows


def tell_blocked(tx: Tx, me: Self, user: UserId, blocked: bool) -> list[Row]:
    """Somebody is heard of no more, or again."""
    return tell(tx, me, Content(sync=Sync(blocked=SyncBlocked(user=user, blocked=blocked))))


def tell_people(tx: Tx, me: Self) -> list[Row]:
    """Everybody whose identity key is pinned here: a new device does not begin without trust."""
    rows = []
    for people in _chunks(tx, me):
        rows += tell(tx, me, Content(sync=Sync(people=SyncPeople(people=people))))
    return rows


def _chunks(tx: Tx, me: Self) -> Iterator[list[KnownPerson]]:
    known = [
        KnownPerson(
            user=peer.user,
            name=peer.name,
            identity_key=peer.identity or b"",
            verified=peer.verified,
            timer_seconds=peer.timer,
            profile_key=shown.key if (shown := tx.profiles.get(peer.user)) else b"",
        )
        for peer in tx.peers.pinned()
        if peer.user != me.user
    ]
    for start in range(0, len(known), PEOPLE):
        yield known[start : start + PEOPLE]


def learn_people(tx: Tx, me: Self, people: Sequence[KnownPerson]) -> None:
    """What another device knows of people that this one does not know yet. It replaces nothing."""
    for person in people:
        if len(person.user) != ID_BYTES or person.user == me.user:
            continue
        peer = tx.peers.get(UserId(person.user))
        if person.profile_key and tx.profiles.get(peer.user) is None:
            tx.profiles.put(peer.user, Shown(person.profile_key, 0, ProfileContent()))
        if not peer.name:
            tx.peers.set(peer.user, name=person.name)
        if peer.identity is None and len(person.identity_key) == len(me.local.identity.public):
            tx.peers.set(
                peer.user,
                identity=person.identity_key,
                verified=int(person.verified),
                timer=person.timer_seconds,
            )
        elif peer.identity == person.identity_key and person.verified and peer.pending is None:
            tx.peers.set(peer.user, verified=1)
