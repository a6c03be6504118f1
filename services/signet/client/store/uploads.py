"""Attachments that are on their way to the store of media: what goes on after a restart."""

import sqlite3
from dataclasses import dataclass, field
from typing import Any

from signet.client.store.vault import Vault
from signet.core.ids import MessageId, UserId
from signet.v1.content_pb2 import Content


@dataclass(frozen=True, slots=True)
class Uploading:
    """A message whose attachment is not put yet; the ciphertext is in a file named by the id."""

    id: MessageId
    peer: UserId
    queued_at: float  # Unix time, seconds
    content: Content
    ticket: str = field(default="", repr=False)  # '' until there is one


class Uploads:
    """Rows leave when the message is queued, or given up."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def add(self, row: Uploading) -> None:
        content = self._vault.seal(row.content.SerializeToString(), _label("content", row.id))
        self._db.execute(
            "INSERT INTO uploads (id, peer, queued_at, ticket, content) VALUES (?, ?, ?, ?, ?)",
            (row.id, row.peer, row.queued_at, self._sealed(row.id, row.ticket), content),
        )

    def all(self) -> list[Uploading]:
        """Oldest first."""
        found = self._db.execute(
            "SELECT id, peer, queued_at, ticket, content FROM uploads ORDER BY number"
        )
        return [self._row(row) for row in found.fetchall()]

    def put_ticket(self, message_id: MessageId, ticket: str) -> None:
        self._db.execute(
            "UPDATE uploads SET ticket = ? WHERE id = ?",
            (self._sealed(message_id, ticket), message_id),
        )

    def remove(self, message_id: MessageId) -> None:
        self._db.execute("DELETE FROM uploads WHERE id = ?", (message_id,))

    def _sealed(self, message_id: MessageId, ticket: str) -> bytes:
        return self._vault.seal(ticket.encode(), _label("ticket", message_id))

    def _row(self, stored: tuple[Any, ...]) -> Uploading:
        message_id, peer, queued_at, ticket, content = stored
        return Uploading(
            MessageId(message_id),
            UserId(peer),
            queued_at,
            Content.FromString(self._vault.open(content, _label("content", message_id))),
            self._vault.open(ticket, _label("ticket", message_id)).decode(),
        )


def _label(what: str, message_id: bytes) -> bytes:
    return f"upload/{what}/".encode() + message_id
