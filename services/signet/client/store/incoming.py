"""What was taken: ids of messages, counted tries, and events the application has not confirmed."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from signet.client.store.vault import Vault
from signet.core.ids import MessageId, UserId


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that the application has not confirmed. `number` rises."""

    number: int
    kind: str
    body: bytes


class Incoming:
    """The receiving side's memory (O2)."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def seen(self, sender: UserId, device: int, message_id: bytes) -> bool:
        """Whether this message was taken before. Asked before anything is decrypted."""
        found = self._db.execute(
            "SELECT 1 FROM seen WHERE sender = ? AND device = ? AND id = ?",
            (sender, device, message_id),
        )
        return found.fetchone() is not None

    def note_seen(self, sender: UserId, device: int, message_id: bytes, until: float) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", (sender, device, message_id, until)
        )

    def forget_seen(self, now: float) -> None:
        self._db.execute("DELETE FROM seen WHERE until < ?", (now,))

    def count(self, what: str, user: UserId, device: int, message_id: MessageId, now: float) -> int:
        """Count one more try of `what` for a message and device; how many there are now."""
        (count,) = self._db.execute(
            "INSERT INTO tries VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE"
            " SET count = count + 1, at = excluded.at RETURNING count",
            (what, user, device, message_id, now),
        ).fetchone()
        return int(count)

    def forget_tries(self, before: float) -> None:
        self._db.execute("DELETE FROM tries WHERE at < ?", (before,))

    def add_event(self, kind: str, body: bytes) -> int:
        """Keep an event until `confirm`; its number."""
        sealed = self._vault.seal(body, b"event/" + kind.encode())
        cursor = self._db.execute("INSERT INTO events (kind, body) VALUES (?, ?)", (kind, sealed))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def events(self) -> list[Waiting]:
        rows = self._db.execute("SELECT number, kind, body FROM events ORDER BY number").fetchall()
        return [
            Waiting(n, kind, self._vault.open(b, b"event/" + kind.encode())) for n, kind, b in rows
        ]

    def confirm(self, numbers: Sequence[int]) -> None:
        self._db.executemany("DELETE FROM events WHERE number = ?", [(n,) for n in numbers])
