"""The statements behind events_sqlite.py: each works within whoever's transaction.

`event` is a log for each topic, numbered without gaps; the oldest rows go. `follower` says how
far each group has got, and who of it has the events behind that now, until when on the machine's
own clock (CLOCK_BOOTTIME). A claim that ends later than any may is of a former boot.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from signet.ports.events import Topic

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
  topic TEXT NOT NULL, seq INTEGER NOT NULL, put_ns INTEGER NOT NULL, line BLOB NOT NULL,
  PRIMARY KEY (topic, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS follower (
  topic TEXT NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL, holder BLOB,
  ends_ms INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (topic, name)) WITHOUT ROWID;
"""
TAKE = 100  # events that a claim is for


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose it is, and until when; `now_ms` is of the same clock. The same for all processes."""

    topic: Topic
    group: str
    holder: bytes
    now_ms: int
    ttl_ms: int

    def values(self) -> dict[str, object]:
        return {
            "topic": self.topic,
            "name": self.group,
            "me": self.holder,
            "now": self.now_ms,
            "ttl": self.ttl_ms,
        }


def append(
    db: sqlite3.Connection, topic: Topic, lines: Sequence[bytes], now_ns: int, kept: int
) -> int:
    """Put events behind the others and drop the oldest; how many some group had not taken."""
    (last,) = db.execute(
        "SELECT coalesce(max(seq), 0) FROM event WHERE topic = ?", (topic,)
    ).fetchone()
    db.executemany(
        "INSERT INTO event VALUES (?, ?, ?, ?)",
        [(topic, seq, now_ns, line) for seq, line in enumerate(lines, last + 1)],
    )
    oldest = (topic, last + len(lines) - kept)
    (untaken,) = db.execute(
        "SELECT count(*) FROM event WHERE topic = ?1 AND seq <= ?2 AND seq >"
        " (SELECT min(position) FROM follower WHERE topic = ?1)",
        oldest,
    ).fetchone()
    db.execute("DELETE FROM event WHERE topic = ? AND seq <= ?", oldest)
    return int(untaken)


def join(db: sqlite3.Connection, topic: Topic, group: str, since_ns: int) -> None:
    """A group that is new begins with what was put since."""
    db.execute(
        "INSERT OR IGNORE INTO follower (topic, name, position) VALUES (?1, ?2, coalesce("
        "(SELECT max(seq) FROM event WHERE topic = ?1 AND put_ns < ?3),"
        " (SELECT min(seq) - 1 FROM event WHERE topic = ?1), 0))",
        (topic, group, since_ns),
    )


def waits(db: sqlite3.Connection, topic: Topic, group: str) -> bool:
    """Whether there is anything that the group has not taken."""
    found = db.execute(
        "SELECT 1 FROM follower JOIN event USING (topic) WHERE topic = ? AND name = ?"
        " AND seq > position LIMIT 1",
        (topic, group),
    ).fetchone()
    return found is not None


def take(db: sqlite3.Connection, claim: Claim) -> list[tuple[int, bytes]]:
    """The next events, claimed; none while another has them."""
    row = db.execute(
        "UPDATE follower SET holder = :me, ends_ms = :now + :ttl WHERE topic = :topic AND"
        " name = :name AND (holder IS NULL OR ends_ms NOT BETWEEN :now AND :now + :ttl)"
        " RETURNING position",
        claim.values(),
    ).fetchone()
    if row is None:
        return []
    return db.execute(
        "SELECT seq, line FROM event WHERE topic = ? AND seq > ? ORDER BY seq LIMIT ?",
        (claim.topic, row[0], TAKE),
    ).fetchall()


def hold(db: sqlite3.Connection, claim: Claim, position: int) -> bool:
    """The claim begins anew, behind what is done. False: it ran out, and another has it."""
    return _move(db, "holder = :me, ends_ms = :now + :ttl", claim, position)


def give_back(db: sqlite3.Connection, claim: Claim, position: int) -> None:
    """Whoever asks next takes what is behind `position`."""
    _move(db, "holder = NULL", claim, position)


def _move(db: sqlite3.Connection, then: str, claim: Claim, position: int) -> bool:
    moved = db.execute(
        f"UPDATE follower SET position = max(position, :position), {then}"  # noqa: S608 - ours
        " WHERE topic = :topic AND name = :name AND holder = :me",
        claim.values() | {"position": position},
    )
    return moved.rowcount > 0
