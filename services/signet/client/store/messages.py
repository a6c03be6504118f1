"""The history: messages, their states, reactions. Text is sealed, the rest is in the clear."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

from signet.client.events import Kind, Message, Status
from signet.client.media.attachment import from_wire
from signet.client.store.vault import Vault
from signet.core.ids import MessageId, UserId
from signet.v1.content_pb2 import Attachment, Text

_COLUMNS = (
    "id, peer, author, kind, outgoing, status, clock_ms, received_ms, edited, expires_ms,"
    " concurrent, body"
)


class Due(IntFlag):
    """Who is to be told that a message was read."""

    NOBODY = 0
    PEER = 1
    OWN_DEVICES = 2


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A message that was read, whose conversation it is in, and who is told."""

    id: MessageId
    peer: UserId
    due: Due


@dataclass(frozen=True, slots=True)
class Line:
    """A message to be written into the history."""

    id: MessageId
    peer: UserId
    author: UserId
    kind: Kind
    outgoing: bool
    status: Status
    clock_ms: int
    received_ms: int
    body: Text
    expire_after: int = 0  # seconds after it was read (incoming) or sent (outgoing)


class Messages:
    """A message is named by its id and author; `Messages` never holds two of that name."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def put(self, line: Line) -> Message:
        """Write a line; a placeholder of the same id and author becomes it, in its old place."""
        outgoing_expiry = line.expire_after * 1000 + line.received_ms
        expires = outgoing_expiry if line.expire_after and line.outgoing else 0
        self._db.execute(
            "INSERT INTO messages (id, peer, author, kind, outgoing, status, clock_ms,"
            " received_ms, expire_after, expires_ms, body) VALUES (?,?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT (id, author) DO UPDATE SET kind = excluded.kind,"
            " clock_ms = excluded.clock_ms, expire_after = excluded.expire_after,"
            " body = excluded.body WHERE kind = ?",
            (
                line.id,
                line.peer,
                line.author,
                line.kind,
                line.outgoing,
                line.status,
                line.clock_ms,
                line.received_ms,
                line.expire_after,
                expires,
                self._seal(line.id, line.author, line.body),
                Kind.UNDECRYPTABLE,
            ),
        )
        message = self.get(line.id, line.author)
        assert message is not None
        return message

    def get(
        self,
        message_id: MessageId,
        author: UserId | None = None,
        *,
        peer: UserId | None = None,
    ) -> Message | None:
        """By id; an id that two people chose is found by its author, or by its conversation."""
        where: str = "id = ?"
        values: list[bytes] = [message_id]
        if author is not None:
            where, values = where + " AND author = ?", [*values, author]
        if peer is not None:
            where, values = where + " AND peer = ?", [*values, peer]
        found = self._select(where, values, "LIMIT 1")
        return found[0] if found else None

    def page(self, peer: UserId, limit: int, before: MessageId | None) -> list[Message]:
        """The latest `limit` lines with a peer, before a message if one is given; oldest first."""
        where, values = "peer = ?", [peer]
        if before is not None:
            where += " AND line < (SELECT line FROM messages WHERE id = ? LIMIT 1)"
            values.append(UserId(before))
        return self._select(where, values, f"ORDER BY line DESC LIMIT {int(limit)}")[::-1]

    def unread(self, peer: UserId | None) -> list[Message]:
        """Incoming messages that were not marked as read, oldest first."""
        where, values = f"outgoing = 0 AND status < {Status.READ:d}", []
        if peer is not None:
            where, values = where + " AND peer = ?", [peer]
        return self._select(where, values, "ORDER BY line")

    def peers(self) -> list[UserId]:
        """Everybody there is a line with, the latest conversation first."""
        rows = self._db.execute(
            "SELECT peer FROM messages GROUP BY peer ORDER BY max(line) DESC"
        ).fetchall()
        return [UserId(peer) for (peer,) in rows]

    def raise_status(
        self, ids: Iterable[MessageId], author: UserId, status: Status, peer: UserId
    ) -> list[MessageId]:
        """Raise outgoing messages to a status; those that changed. FAILED comes from PENDING."""
        changed = []
        low = Status.PENDING + 1 if status is Status.FAILED else status
        for message_id in ids:
            cursor = self._db.execute(
                "UPDATE messages SET status = ? WHERE id = ? AND author = ? AND peer = ?"
                " AND outgoing = 1 AND status < ?",
                (status, message_id, author, peer, low),
            )
            if cursor.rowcount:
                changed.append(message_id)
        return changed

    def mark_read(
        self, peer: UserId, ids: Sequence[MessageId] | None, now_ms: int, due: Due
    ) -> list[MessageId]:
        """Incoming messages of a peer are read; their disappearing starts. Those that changed.

        `due` says who is to be told.
        """
        wanted = {m.id for m in self.unread(peer)}
        if ids is not None:
            wanted &= set(ids)
        for message_id in wanted:
            self._db.execute(
                "UPDATE messages SET status = ?, receipt_due = ?,"
                " expires_ms = iif(expire_after > 0, ? + expire_after * 1000, 0)"
                " WHERE id = ? AND peer = ? AND outgoing = 0",
                (Status.READ, int(due), now_ms, message_id, peer),
            )
        return list(wanted)

    def receipts_due(self) -> list[UserId]:
        """Whose messages were read, and nobody told of it yet."""
        rows = self._db.execute("SELECT DISTINCT author FROM messages WHERE receipt_due > 0")
        return [UserId(author) for (author,) in rows]

    def take_receipts(self, author: UserId, limit: int) -> list[ReadLine]:
        """Up to `limit` messages of somebody that were read, of which others are told now."""
        rows = self._db.execute(
            "SELECT line, id, peer, receipt_due FROM messages WHERE receipt_due > 0"
            " AND author = ? ORDER BY line LIMIT ?",
            (author, limit),
        ).fetchall()
        for line, *_ in rows:
            self._db.execute("UPDATE messages SET receipt_due = 0 WHERE line = ?", (line,))
        return [ReadLine(MessageId(i), UserId(peer), Due(due)) for _, i, peer, due in rows]

    def edit(
        self, message_id: MessageId, author: UserId, peer: UserId, text: str
    ) -> Message | None:
        """Change a text; None where that author wrote no such text in that conversation."""
        found = self._body(message_id, author, peer)
        if found is None:
            return None
        found.text = text
        self._db.execute(
            "UPDATE messages SET body = ?, edited = 1 WHERE id = ? AND author = ?",
            (self._seal(message_id, author, found), message_id, author),
        )
        return self.get(message_id, author)

    def put_attachments(
        self,
        message_id: MessageId,
        author: UserId,
        peer: UserId,
        attachments: Iterable[Attachment],
    ) -> None:
        """Those of a message that is there are on their way no more."""
        found = self._body(message_id, author, peer)
        if found is not None:
            del found.attachments[:]
            found.attachments.extend(attachments)
            self._db.execute(
                "UPDATE messages SET body = ? WHERE id = ? AND author = ?",
                (self._seal(message_id, author, found), message_id, author),
            )

    def take_back(self, message_id: MessageId, author: UserId, peer: UserId) -> bool:
        """Its text and reactions are gone; the line stays. False where there was no text."""
        if self._body(message_id, author, peer) is None:
            return False
        self._db.execute(
            "UPDATE messages SET kind = ?, body = ? WHERE id = ? AND author = ?",
            (Kind.DELETED, self._seal(message_id, author, Text()), message_id, author),
        )
        self._db.execute("DELETE FROM reactions WHERE peer = ? AND message = ?", (peer, message_id))
        return True

    def drop_placeholder(self, message_id: MessageId, author: UserId) -> None:
        """What could not be read turned out to be no text."""
        self._db.execute(
            "DELETE FROM messages WHERE id = ? AND author = ? AND kind = ?",
            (message_id, author, Kind.UNDECRYPTABLE),
        )

    def react(self, message_id: MessageId, peer: UserId, author: UserId, emoji: str) -> None:
        """One reaction a person, to a message of that conversation; empty takes it back."""
        named = (peer, message_id, author)
        self._db.execute(
            "DELETE FROM reactions WHERE peer = ? AND message = ? AND author = ?", named
        )
        if emoji:
            sealed = self._vault.seal(emoji.encode(), b"reaction/" + message_id + author)
            self._db.execute("INSERT INTO reactions VALUES (?, ?, ?, ?)", (*named, sealed))

    def expire(self, now_ms: int) -> int:
        """Delete what has disappeared, with its reactions; how many went."""
        self._db.execute(
            "DELETE FROM reactions WHERE (peer, message) IN"
            " (SELECT peer, id FROM messages WHERE expires_ms > 0 AND expires_ms <= ?)",
            (now_ms,),
        )
        cursor = self._db.execute(
            "DELETE FROM messages WHERE expires_ms > 0 AND expires_ms <= ?", (now_ms,)
        )
        return cursor.rowcount

    def next_expiry(self) -> int | None:
        """When the next message disappears (Unix time, milliseconds)."""
        row = self._db.execute("SELECT min(expires_ms) FROM messages WHERE expires_ms > 0")
        (at,) = row.fetchone()
        return None if at is None else int(at)

    def _body(self, message_id: MessageId, author: UserId, peer: UserId) -> Text | None:
        row = self._db.execute(
            "SELECT body FROM messages WHERE id = ? AND author = ? AND peer = ? AND kind = ?",
            (message_id, author, peer, Kind.TEXT),
        ).fetchone()
        return None if row is None else self._open(message_id, author, row[0])

    def _select(self, where: str, values: Sequence[bytes], tail: str) -> list[Message]:
        query = f"SELECT {_COLUMNS} FROM messages WHERE {where} {tail}"  # noqa: S608 # our text
        return [self._message(row) for row in self._db.execute(query, values).fetchall()]

    def _message(self, row: tuple[Any, ...]) -> Message:
        message_id, peer, author, kind, outgoing, status, clock, received, edited, gone, *more = row
        concurrent, sealed = more
        body = self._open(MessageId(message_id), UserId(author), sealed)
        reply = body.reply if body.HasField("reply") else None
        return Message(
            id=MessageId(message_id),
            peer=UserId(peer),
            author=UserId(author),
            kind=Kind(kind),
            text=body.text,
            status=Status(status),
            outgoing=bool(outgoing),
            clock_ms=int(clock),
            received_ms=int(received),
            reply_to=MessageId(reply.message_id) if reply else None,
            quote=reply.quote if reply else "",
            edited=bool(edited),
            expires_ms=int(gone),
            concurrent=bool(concurrent),
            reactions=self._reactions(MessageId(message_id), UserId(peer)),
            attachments=from_wire(body.attachments),
        )

    def _reactions(self, message_id: MessageId, peer: UserId) -> tuple[tuple[UserId, str], ...]:
        rows = self._db.execute(
            "SELECT author, emoji FROM reactions WHERE peer = ? AND message = ? ORDER BY author",
            (peer, message_id),
        ).fetchall()
        return tuple(
            (UserId(a), self._vault.open(sealed, b"reaction/" + message_id + a).decode())
            for a, sealed in rows
        )

    def _seal(self, message_id: bytes, author: bytes, body: Text) -> bytes:
        return self._vault.seal(body.SerializeToString(), b"message/" + message_id + author)

    def _open(self, message_id: MessageId, author: UserId, sealed: bytes) -> Text:
        return Text.FromString(self._vault.open(sealed, b"message/" + message_id + author))
