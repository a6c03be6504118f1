"""Sends that are not answered, and the log of what was sent, for those who ask again."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from signet.client.store.vault import Vault
from signet.core.ids import MessageId, UserId
from signet.v1.content_pb2 import Content


@dataclass(frozen=True, slots=True)
class Row:
    """One send. `sealed` is a serialised signet.v1.Send without its base; None: to be encrypted.

    With `group` it is for a group, whose id is in `peer`, and `sealed` is a GroupSend.
    """

    peer: UserId
    ordinal: int
    id: MessageId
    queued_at: float  # Unix time, seconds
    content: Content
    only_device: int = 0
    sealed: bytes | None = None
    group: bool = False


@dataclass(frozen=True, slots=True)
class Logged:
    """What was sent, and who was entitled to it: devices, or a group's members of a version."""

    content: Content
    devices: frozenset[int]
    at: float
    membership: int = 0


class Outgoing:
    """Rows leave when they are answered; log entries after 24 hours or when it is full."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def add(self, row: Row) -> None:
        content = self._vault.seal(row.content.SerializeToString(), _label(row.peer, row.id))
        self._db.execute(
            "INSERT INTO outbox VALUES (?, ?, ?, ?, ?, ?, ?)",
            (row.peer, row.ordinal, row.id, row.queued_at, content, row.only_device, row.sealed),
        )

    def all(self) -> list[Row]:
        """Everything that waits, each conversation in its order."""
        return self._rows("1 = 1", ())

    def all_of(self, peer: UserId) -> list[Row]:
        """What waits of one conversation, in its order."""
        return self._rows("peer = ?", (peer,))

    def of(self, peer: UserId, ordinals: tuple[int, ...]) -> list[Row]:
        """Those of the given ordinals that still wait."""
        wanted = set(ordinals)
        return [row for row in self.all_of(peer) if row.ordinal in wanted]

    def put_sealed(self, peer: UserId, ordinal: int, sealed: bytes) -> None:
        self._db.execute(
            "UPDATE outbox SET sealed = ? WHERE peer = ? AND ordinal = ?", (sealed, peer, ordinal)
        )

    def unseal(self) -> None:
        """All that waits is encrypted anew, under the ids that it has."""
        self._db.execute("UPDATE outbox SET sealed = NULL")

    def remove(self, peer: UserId, ordinal: int) -> None:
        self._db.execute("DELETE FROM outbox WHERE peer = ? AND ordinal = ?", (peer, ordinal))

    def make_room(self, peer: UserId, ordinal: int, count: int) -> None:
        """Raise the ordinals of a conversation from one on; those sends are encrypted again."""
        self._db.execute(
            "UPDATE outbox SET ordinal = -(ordinal + ?), sealed = NULL"
            " WHERE peer = ? AND ordinal >= ?",
            (count, peer, ordinal),
        )
        self._db.execute(
            "UPDATE outbox SET ordinal = -ordinal WHERE peer = ? AND ordinal < 0", (peer,)
        )

    def log(self, row: Row, devices: list[int], now: float, *, membership: int = 0) -> None:
        """Remember what goes out, so that it can go again if a device asks."""
        content = self._vault.seal(row.content.SerializeToString(), _label(row.peer, row.id))
        self._db.execute(
            "INSERT OR REPLACE INTO sent_log VALUES (?, ?, ?, ?, ?, ?)",
            (row.id, row.peer, content, bytes(devices), now, membership),
        )

    def logged(self, message_id: MessageId, peer: UserId) -> Logged | None:
        row = self._db.execute(
            "SELECT content, devices, at, membership FROM sent_log WHERE id = ? AND peer = ?",
            (message_id, peer),
        ).fetchone()
        if row is None:
            return None
        content = Content.FromString(self._vault.open(row[0], _label(peer, message_id)))
        return Logged(content, frozenset(row[1]), *row[2:])

    def trim_log(self, before: float, most: int) -> None:
        """Drop entries from before that time, and the oldest above `most`."""
        self._db.execute("DELETE FROM sent_log WHERE at < ?", (before,))
        self._db.execute(
            "DELETE FROM sent_log WHERE (id, peer) IN"
            " (SELECT id, peer FROM sent_log ORDER BY at DESC LIMIT -1 OFFSET ?)",
            (most,),
        )

    def _rows(self, where: str, values: tuple[bytes, ...]) -> list[Row]:
        columns = "*, peer IN (SELECT id FROM groups)"
        query = f"SELECT {columns} FROM outbox WHERE {where} ORDER BY peer, ordinal"  # noqa: S608 # ours
        return [self._row(row) for row in self._db.execute(query, values).fetchall()]

    def _row(self, stored: tuple[Any, ...]) -> Row:
        peer, ordinal, message_id, queued_at, content, only_device, sealed, group = stored
        opened = self._vault.open(content, _label(peer, message_id))
        return Row(
            UserId(peer),
            ordinal,
            MessageId(message_id),
            queued_at,
            Content.FromString(opened),
            only_device,
            sealed,
            bool(group),
        )


def _label(peer: bytes, message_id: bytes) -> bytes:
    return b"send/" + peer + message_id
