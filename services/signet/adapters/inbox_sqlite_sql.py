"""The statements behind inbox_sqlite.py: each works on a connection, within whoever's transaction.

What may be relied upon is in ports/inbox.py, by the same names.
"""

import sqlite3
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from signet.adapters import sqlite_file
from signet.core import limits
from signet.core.groups import LOG_DEVICE
from signet.core.ids import START, DeviceId, Epoch, Incarnation, Position, ShardId, UserId
from signet.ports.inbox import (
    Acknowledged,
    Batch,
    Connected,
    Entry,
    Head,
    NotOwner,
    OtherShards,
    Page,
    ShardRow,
    Taken,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
  user BLOB NOT NULL, device INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  accepted_ms INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (user, device, epoch, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox (
  user BLOB NOT NULL, device INTEGER NOT NULL, shard INTEGER NOT NULL,
  last_epoch INTEGER NOT NULL DEFAULT 0, last_seq INTEGER NOT NULL DEFAULT 0,
  acked_epoch INTEGER NOT NULL DEFAULT 0, acked_seq INTEGER NOT NULL DEFAULT 0,
  counter INTEGER NOT NULL DEFAULT 0, resumable TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (user, device)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS log ON inbox (device) WHERE device = 0;
CREATE TABLE IF NOT EXISTS swept (
  user BLOB NOT NULL, device INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (user, device)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (
  incarnation BLOB PRIMARY KEY, counter INTEGER NOT NULL, dead INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shard (
  shard INTEGER PRIMARY KEY, owner BLOB, epoch INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS agreed (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that is durable when COMMIT returns."""
    return sqlite_file.connect(path, durable=True, timeout_s=1.0)


def _fence(db: sqlite3.Connection, shard: ShardId, epoch: Epoch) -> None:
    """Only the epoch that the row names may write, and only while its owner's lease stands (L3)."""
    row = db.execute(
        "SELECT epoch, coalesce(dead, 1) FROM shard LEFT JOIN lease ON owner = incarnation"
        " WHERE shard = ?",
        (shard,),
    ).fetchone()
    if row is None or row[0] != epoch or row[1]:
        raise NotOwner(f"shard {shard} is not held in epoch {epoch}")


def append(db: sqlite3.Connection, batches: Sequence[Batch]) -> None:
    for batch in batches:
        _fence(db, batch.shard, batch.epoch)
        _insert(db, batch.shard, batch.entries)
        _connected(db, batch.shard, batch.connected)
        _acknowledge(db, batch.acknowledged)


def _insert(db: sqlite3.Connection, shard: ShardId, entries: Sequence[Entry]) -> None:
    last: dict[DeviceId, Position] = {entry.device: entry.position for entry in entries}
    for device, position in last.items():
        db.execute(
            "INSERT INTO inbox (user, device, shard, last_epoch, last_seq) VALUES (?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET last_epoch = excluded.last_epoch, last_seq ="
            " excluded.last_seq WHERE (excluded.last_epoch, excluded.last_seq) >"
            " (last_epoch, last_seq)",
            (device.user, device.device, shard, position.epoch, position.seq),
        )
    # What is acknowledged does not come back, however late its write is repeated (W1).
    db.executemany(
        "INSERT OR IGNORE INTO item SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT EXISTS (SELECT 1 FROM"
        " inbox WHERE user = ?1 AND device = ?2 AND (acked_epoch, acked_seq) >= (?3, ?4))",
        [
            (
                e.device.user,
                e.device.device,
                e.position.epoch,
                e.position.seq,
                e.accepted_ms,
                e.body,
            )
            for e in entries
        ],
    )


def _connected(db: sqlite3.Connection, shard: ShardId, connected: Sequence[Connected]) -> None:
    db.executemany(
        "INSERT INTO inbox (user, device, shard, counter, resumable) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET counter = excluded.counter, resumable = excluded.resumable"
        " WHERE excluded.counter >= counter",
        [
            (c.device.user, c.device.device, shard, c.counter, ",".join(map(str, c.resumable)))
            for c in connected
        ],
    )


def _acknowledge(db: sqlite3.Connection, acknowledged: Sequence[Acknowledged]) -> None:
    keys = [
        (a.device.user, a.device.device, a.position.epoch, a.position.seq) for a in acknowledged
    ]
    db.executemany(
        "UPDATE inbox SET acked_epoch = ?3, acked_seq = ?4 WHERE user = ?1 AND device = ?2"
        " AND (acked_epoch, acked_seq) < (?3, ?4)",
        keys,
    )
    db.executemany(
        "DELETE FROM item WHERE user = ? AND device = ? AND (epoch, seq) <= (?, ?)", keys
    )


def head(db: sqlite3.Connection, device: DeviceId) -> Head:
    row = db.execute(
        "SELECT last_epoch, last_seq, acked_epoch, acked_seq, counter, resumable FROM inbox"
        " WHERE user = ? AND device = ?",
        (device.user, device.device),
    ).fetchone()
    if row is None:
        return Head(device, START, START)
    items, size = db.execute(
        "SELECT count(*), coalesce(sum(length(body)), 0) FROM item WHERE user = ? AND device = ?",
        (device.user, device.device),
    ).fetchone()
    resumable = tuple(int(counter) for counter in row[5].split(",") if counter)
    return Head(
        device, Position(row[0], row[1]), Position(row[2], row[3]), row[4], resumable, items, size
    )


def page(
    db: sqlite3.Connection, device: DeviceId, after: Position, items: int, size: int, now_ms: int
) -> Page:
    rows = db.execute(
        "SELECT epoch, seq, accepted_ms, body FROM item WHERE user = ? AND device = ?"
        " AND (epoch, seq) > (?, ?) ORDER BY epoch, seq LIMIT ?",
        (device.user, device.device, after.epoch, after.seq, items + 1),
    )
    oldest_ms = now_ms - limits.ITEM_TTL * 1000
    entries: list[Entry] = []
    gone, expired = _swept(db, device), 0
    for epoch, seq, accepted_ms, body in rows:
        if len(entries) + expired == items or (entries and size < len(body)):
            return Page(entries, True, _ranges(db, device, after, gone))
        if accepted_ms < oldest_ms and not entries:  # the oldest, or what is younger went with it
            gone, expired = Position(epoch, seq), expired + 1
        else:
            size -= len(body)
            entries.append(Entry(device, Position(epoch, seq), accepted_ms, body))
    return Page(entries, False, _ranges(db, device, after, gone))


def newest(db: sqlite3.Connection, device: DeviceId, items: int, size: int) -> list[Entry]:
    rows = db.execute(
        "SELECT epoch, seq, accepted_ms, body FROM item WHERE user = ? AND device = ?"
        " ORDER BY epoch DESC, seq DESC LIMIT ?",
        (device.user, device.device, items),
    )
    entries: list[Entry] = []
    for epoch, seq, accepted_ms, body in rows:
        if size <= 0:
            break
        size -= len(body)
        entries.append(Entry(device, Position(epoch, seq), accepted_ms, body))
    return entries[::-1]


def logs(db: sqlite3.Connection, shards: Sequence[ShardId]) -> list[DeviceId]:
    wanted = set(shards)
    rows = db.execute(
        "SELECT user, shard FROM inbox WHERE device = ? AND (last_epoch, last_seq) >"
        " (acked_epoch, acked_seq)",
        (LOG_DEVICE,),
    )
    return [DeviceId(UserId(user), LOG_DEVICE) for user, shard in rows if shard in wanted]


def _swept(db: sqlite3.Connection, device: DeviceId) -> Position:
    """Up to where the sweeper has dropped items that nobody fetched."""
    row = db.execute(
        "SELECT epoch, seq FROM swept WHERE user = ? AND device = ?", (device.user, device.device)
    ).fetchone()
    return Position(*row) if row is not None else START


def _ranges(
    db: sqlite3.Connection, device: DeviceId, after: Position, gone: Position
) -> list[tuple[Position, Position]]:
    """What is dropped by age is the oldest: one range, of what was never acknowledged."""
    if gone <= after:
        return []
    before = max(after, _acknowledged(db, device))
    return [(Position(before.epoch, before.seq + 1), gone)] if gone > before else []


def _acknowledged(db: sqlite3.Connection, device: DeviceId) -> Position:
    row = db.execute(
        "SELECT acked_epoch, acked_seq FROM inbox WHERE user = ? AND device = ?",
        (device.user, device.device),
    ).fetchone()
    return Position(*row) if row is not None else START


def drop(db: sqlite3.Connection, shard: ShardId, epoch: Epoch, devices: Sequence[DeviceId]) -> None:
    _fence(db, shard, epoch)
    keys = [(device.user, device.device) for device in devices]
    db.executemany("DELETE FROM item WHERE user = ? AND device = ?", keys)
    db.executemany(
        "UPDATE inbox SET acked_epoch = last_epoch, acked_seq = last_seq, counter = 0,"
        " resumable = '' WHERE user = ? AND device = ?",
        keys,
    )


def drop_for_good(
    db: sqlite3.Connection, shard: ShardId, epoch: Epoch, devices: Sequence[DeviceId]
) -> None:
    """Nothing names them any more."""
    _fence(db, shard, epoch)
    for table in ("item", "inbox", "swept"):
        db.executemany(
            f"DELETE FROM {table} WHERE user = ? AND device = ?",  # noqa: S608 - ours
            [(device.user, device.device) for device in devices],
        )


def sweep(db: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """For each inbox the oldest, without a gap: what is younger is never reported as expired."""
    inboxes = db.execute(
        "SELECT DISTINCT user, device FROM item WHERE accepted_ms < ? LIMIT ?", (before_ms, limit)
    ).fetchall()
    gone = 0
    for user, device in inboxes:
        rows = db.execute(
            "SELECT epoch, seq, accepted_ms FROM item WHERE user = ? AND device = ?"
            " ORDER BY epoch, seq LIMIT ?",
            (user, device, limit - gone),
        )
        old = [row[:2] for row in takewhile(lambda row: row[2] < before_ms, rows)]
        if old:
            key = (user, device, *old[-1])
            db.execute("INSERT OR REPLACE INTO swept VALUES (?, ?, ?, ?)", key)
            db.execute(
                "DELETE FROM item WHERE user = ? AND device = ? AND (epoch, seq) <= (?, ?)", key
            )
            gone += len(old)
    return gone


def agree(db: sqlite3.Connection, shards: int) -> None:
    """Whoever is first says how many shards there are. Raises OtherShards."""
    db.execute("INSERT OR IGNORE INTO agreed VALUES ('shards', ?)", (shards,))
    (there,) = db.execute("SELECT value FROM agreed WHERE name = 'shards'").fetchone()
    if there != shards:
        raise OtherShards(shards, there)


def register(db: sqlite3.Connection, incarnation: Incarnation, lease_s: float) -> None:
    """See ports/inbox.py, as all that has a name there."""
    db.execute("INSERT OR IGNORE INTO lease VALUES (?, 0, 0, ?)", (incarnation, lease_s))


def renew(db: sqlite3.Connection, incarnation: Incarnation) -> None:
    renewed = db.execute(
        "UPDATE lease SET counter = counter + 1 WHERE incarnation = ? AND NOT dead", (incarnation,)
    )
    if renewed.rowcount == 0:
        raise NotOwner("this incarnation was marked dead")


def take(
    db: sqlite3.Connection, incarnation: Incarnation, shards: Sequence[ShardId]
) -> list[Taken]:
    lease = db.execute("SELECT dead FROM lease WHERE incarnation = ?", (incarnation,)).fetchone()
    if lease is None or lease[0]:
        return []  # the dead own nothing, whatever they still ask for (L2)
    taken = []
    for shard in shards:
        row = db.execute(
            "INSERT INTO shard VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET owner = ?2,"
            " epoch = epoch + 1 WHERE owner IS NULL OR owner IN"
            " (SELECT incarnation FROM lease WHERE dead) RETURNING epoch",
            (shard, incarnation),
        ).fetchone()
        if row is not None:
            taken.append(Taken(shard, Epoch(row[0])))
    return taken


def leases(db: sqlite3.Connection) -> dict[Incarnation, int | None]:
    rows = db.execute("SELECT incarnation, counter, dead FROM lease").fetchall()
    return {Incarnation(row[0]): None if row[2] else row[1] for row in rows}


def mark_dead(db: sqlite3.Connection, incarnation: Incarnation, counter: int) -> bool:
    marked = db.execute(
        "UPDATE lease SET dead = 1 WHERE incarnation = ? AND counter = ?", (incarnation, counter)
    )
    return marked.rowcount > 0


def shards(db: sqlite3.Connection, count: int) -> list[ShardRow]:
    rows = db.execute("SELECT shard, owner, epoch FROM shard").fetchall()
    known = {row[0]: ShardRow(ShardId(row[0]), row[1], Epoch(row[2])) for row in rows}
    return [known.get(number, ShardRow(ShardId(number), None, Epoch(0))) for number in range(count)]


def release(db: sqlite3.Connection, incarnation: Incarnation, held: Sequence[Taken]) -> None:
    db.executemany(
        "UPDATE shard SET owner = NULL WHERE shard = ? AND owner = ? AND epoch = ?",
        [(taken.shard, incarnation, taken.epoch) for taken in held],
    )
