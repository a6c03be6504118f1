"""What the history of a group has besides: places in its order, who has what, and what is held."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from signet.client.events import Kind, Status
from signet.core.groups import GroupId
from signet.core.ids import ID_BYTES, MessageId, Position, UserId


class Counts(NamedTuple):
    """Delivered to `delivered` of `recipients` people, read by `read`."""

    recipients: int
    delivered: int
    read: int


class Named(NamedTuple):
    """A message by its name."""

    id: MessageId
    author: UserId


class GroupLines:
    """Works on lines of `Messages`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def place(self, message: Named, at: Position, *, concurrent: bool) -> None:
        """A message has its place in the group's order: behind all that was taken so far."""
        self._db.execute(
            "UPDATE messages SET line = (SELECT max(line) + 1 FROM messages), at_epoch = ?,"
            " at_seq = ?, concurrent = ? WHERE id = ? AND author = ? AND at_epoch = 0",
            (*at, concurrent, *message),
        )

    def is_concurrent(
        self, group: GroupId, author: UserId, seen: Position, before: Position
    ) -> bool:
        """Whether others wrote behind `seen` and before `before`: the author knew nothing of it."""
        found = self._db.execute(
            "SELECT 1 FROM messages WHERE peer = ? AND author != ? AND (at_epoch, at_seq) > (?, ?)"
            " AND (at_epoch, at_seq) < (?, ?) LIMIT 1",
            (group, author, *seen, *before),
        )
        return found.fetchone() is not None

    def unreadable(self, group: GroupId, ids: Iterable[bytes]) -> list[MessageId]:
        """Those of these that stand as placeholders."""
        return [
            MessageId(one)
            for one in ids
            if self._db.execute(
                "SELECT 1 FROM messages WHERE peer = ? AND id = ? AND kind = ?",
                (group, one, Kind.UNDECRYPTABLE),
            ).fetchone()
        ]

    def hold(self, message: Named, answers: Iterable[MessageId], until: float) -> None:
        """Do not show it before what it answers, nor later than that time (Unix, seconds)."""
        self._db.execute(
            "INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?)", (*message, b"".join(answers), until)
        )

    def release(self, now: float) -> list[Named]:
        """What need not be held any longer, in its order."""
        rows = self._db.execute(
            "SELECT h.id, h.author, h.answers, h.until, m.peer FROM held h JOIN messages m"
            " ON m.id = h.id AND m.author = h.author ORDER BY m.line"
        ).fetchall()
        ready = [
            Named(MessageId(message_id), UserId(author))
            for message_id, author, answers, until, peer in rows
            if until <= now or not self.unreadable(GroupId(peer), _ids(answers))
        ]
        self._db.executemany("DELETE FROM held WHERE id = ? AND author = ?", ready)
        self._db.execute("DELETE FROM held WHERE until <= ?", (now,))  # also what is gone by now
        return ready

    def next_release(self) -> float | None:
        """When something that is held is to be shown (Unix time, seconds)."""
        (until,) = self._db.execute("SELECT min(until) FROM held").fetchone()
        return None if until is None else float(until)

    def put_recipients(self, message_id: MessageId, users: Iterable[UserId]) -> None:
        """Who is to get a message of our own; what is known of those who stay is kept."""
        wanted = set(users)
        known = self._db.execute(
            "SELECT user FROM group_recipients WHERE message = ?", (message_id,)
        )
        gone = [user for (user,) in known.fetchall() if user not in wanted]
        self._db.executemany(
            "DELETE FROM group_recipients WHERE message = ? AND user = ?",
            [(message_id, user) for user in gone],
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO group_recipients VALUES (?, ?, ?)",
            [(message_id, user, Status.SENT) for user in wanted],
        )

    def note_receipt(self, message_id: MessageId, user: UserId, status: Status) -> bool:
        """Somebody has it, or has read it. True where that is news."""
        cursor = self._db.execute(
            "UPDATE group_recipients SET status = ? WHERE message = ? AND user = ? AND status < ?",
            (status, message_id, user, status),
        )
        return bool(cursor.rowcount)

    def forget_recipients(self) -> None:
        """Of messages that are not in the history any more."""
        self._db.execute(
            "DELETE FROM group_recipients WHERE message NOT IN (SELECT id FROM messages)"
        )

    def counts(self, message_id: MessageId) -> Counts:
        """All zero for what is not a group's message of our own."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(status >= ?), 0), coalesce(sum(status >= ?), 0)"
            " FROM group_recipients WHERE message = ?",
            (Status.DELIVERED, Status.READ, message_id),
        ).fetchone()
        return Counts(*row)


def _ids(joined: bytes) -> list[bytes]:
    return [joined[at : at + ID_BYTES] for at in range(0, len(joined), ID_BYTES)]
