"""The tables, why they are as they are, and the statements on them.

- `journal`: segments as blobs, written once and deleted by the partition seconds later. A late
  write loses against the deletion by its timestamp (rows.py of the core); the deletion itself may
  go after a day, which is longer than hints wait (three hours): a segment that comes back after
  that lies below the mark, or in a journal that nobody names, and is never read. Its time to live
  is that of items: nothing in a journal may outlive them (W2).
- `item`: the rows of an inbox, and its head: one row behind all items of the partition, at an epoch
  that no shard reaches, so that no range delete touches it and a read by its key looks at nothing
  else. A head is in the same partition as what it describes, so both change in one write, and
  has no time to live (J6). Every statement names its timestamp (W1). Reads begin behind the
  acknowledged position of the head: deleted rows are neither read nor skipped, and one that comes
  back is not seen; therefore deletions, too, may go after a day.
- `aging`: which inboxes of a shard have rows that were accepted on a day: where a sweeper looks. On
  a day that never was: which logs of groups have rows, where the next owner of the shard looks.
- `lease`, `shard`: conditional writes only, each row its own partition, so that no two of them
  hinder each other. Nothing of `shard` is ever deleted, and a lease when no shard names it (R4):
  deletions are few, and are kept for the usual ten days.

Compaction is "unified": in tiers where rows are short-lived (`journal`), levelled where reads must
be quick. A node that dies is believed alive for about ten seconds: who asks it for a new table
waits half a read's time-out before asking another, which is longer than our patience and, time
after time, than a lease. So another is asked soon (conditional writes read, too). Nothing here may
drop files by the time in their timestamps, which are positions (W1).
What is stored is encrypted, and does not compress.
"""

# ruff: noqa: S608 - statements are put together from the constants of this file

import re
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from signet.adapters.inbox_cassandra.url import Address
from signet.adapters.schema import VERSION as SIGNET
from signet.adapters.schema import due
from signet.core import limits

NAME = "signet"  # of the row that says so
SHARDS = "shards"  # of the row beside it that says how many there are: whoever is first
DAY = 24 * 3600
KEPT = limits.ITEM_TTL + limits.ROW_GRACE
TIERED = "{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}"
LEVELLED = "{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}"
SOON = "'MIN(99p,50ms)'"  # another node is asked when the first has not answered by then
LOGS = -1  # the day in `aging` under which logs of groups are
HEAD_EPOCH = 2**31 - 1  # of the head's row: behind every item


def keyspace(address: Address) -> str:
    strategy = f"'class': 'NetworkTopologyStrategy', '{address.dc or 'replication_factor'}'"
    return (
        f"CREATE KEYSPACE IF NOT EXISTS {address.keyspace} WITH replication ="
        f" {{{strategy}: {address.replication}}} AND durable_writes = true"
    )


def versions(name: str) -> str:
    """The table of migrations. Its id is given: two that make it at once make the same."""
    table = uuid5(NAMESPACE_URL, f"signet:{name}:schema_version")
    return (
        f"CREATE TABLE IF NOT EXISTS {name}.schema_version (name text PRIMARY KEY, version int,"
        f" holder text) WITH id = {table}"
    )


def version_of(session: Any, name: str) -> int:
    """Which one a keyspace has; 0 where a migration has begun. Raises what the driver does."""
    rows = session.execute(f"SELECT version FROM {name}.schema_version WHERE name = '{NAME}'")
    row = rows.one()
    return 0 if row is None or row.version is None else int(row.version)


# Each step brings the schema to the next version; a step that was done in part is done again. One
# that takes something away stands in CONTRACTS too, with the version of Signet that does without.
CONTRACTS: dict[int, str] = {}
STEPS: dict[int, tuple[str, ...]] = {
    1: (
        "CREATE TABLE IF NOT EXISTS {name}.journal (incarnation blob, part bigint, segment bigint,"
        " records blob, PRIMARY KEY ((incarnation, part), segment)) WITH compaction = " + TIERED +
        f" AND compression = {{'enabled': false}} AND gc_grace_seconds = {DAY}"
        f" AND default_time_to_live = {KEPT}",
        "CREATE TABLE IF NOT EXISTS {name}.item (user blob, device int, epoch int, seq bigint,"
        " accepted bigint, size int, body blob, acked bigint, last bigint, swept bigint,"
        " connection frozen<list<bigint>>, PRIMARY KEY ((user, device), epoch, seq))"
        f" WITH compaction = {LEVELLED} AND compression = {{'enabled': false}}"
        f" AND gc_grace_seconds = {DAY} AND read_repair = 'BLOCKING'",
        "CREATE TABLE IF NOT EXISTS {name}.aging (shard int, day int, user blob, device int,"
        " PRIMARY KEY ((shard, day), user, device)) WITH compaction = " + TIERED +
        f" AND gc_grace_seconds = {DAY} AND default_time_to_live = {KEPT + limits.ROW_GRACE}",
        "CREATE TABLE IF NOT EXISTS {name}.lease (incarnation blob PRIMARY KEY, counter bigint,"
        f" lease_s double, dead boolean, mark bigint, seal bigint) WITH compaction = {LEVELLED}",
        "CREATE TABLE IF NOT EXISTS {name}.shard (shard int PRIMARY KEY, owner blob, epoch int,"
        " unrecovered frozen<list<frozen<tuple<blob, int>>>>) WITH compaction = " + LEVELLED,
    ),
    2: tuple(
        f"ALTER TABLE {{name}}.{table} WITH speculative_retry = {SOON}"
        for table in ("lease", "shard", "journal", "item", "aging")
    ),
}  # fmt: skip

VERSION = due({step: CONTRACTS.get(step, "") for step in STEPS}, SIGNET)[-1]  # what is needed

INBOX = "user = ? AND device = ?"
HEAD = f"{INBOX} AND epoch = {HEAD_EPOCH} AND seq = 0"
ITEMS = f"{INBOX} AND (epoch, seq) > (?, ?) AND (epoch, seq) < ({HEAD_EPOCH}, 0)"

STATEMENTS = {
    "write_segment": "INSERT INTO journal (incarnation, part, segment, records)"
    " VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
    "read_segments": "SELECT segment, records FROM journal WHERE incarnation = ? AND part = ?"
    " AND segment >= ?",
    "any_segment": "SELECT segment FROM journal WHERE incarnation = ? AND part = ? LIMIT 1",
    "delete_part": "DELETE FROM journal USING TIMESTAMP ? WHERE incarnation = ? AND part = ?",
    "write_row": "INSERT INTO item (user, device, epoch, seq, accepted, size, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
    "delete_rows": f"DELETE FROM item USING TIMESTAMP ? WHERE {INBOX} AND (epoch, seq) <= (?, ?)",
    "set_last": f"UPDATE item USING TIMESTAMP ? SET last = ? WHERE {HEAD}",
    "set_acked": f"UPDATE item USING TIMESTAMP ? SET acked = ?, last = ? WHERE {HEAD}",
    "set_swept": f"UPDATE item USING TIMESTAMP ? SET swept = ?, last = ? WHERE {HEAD}",
    "set_connection": f"UPDATE item USING TIMESTAMP ? SET connection = ? WHERE {HEAD}",
    "read_head": f"SELECT acked, last, swept, connection FROM item WHERE {HEAD}",
    "read_items": f"SELECT epoch, seq, accepted, body FROM item WHERE {ITEMS} LIMIT ?",
    "read_newest": f"SELECT epoch, seq, accepted, body FROM item WHERE {ITEMS}"
    " ORDER BY epoch DESC, seq DESC LIMIT ?",
    "read_sizes": f"SELECT epoch, seq, size FROM item WHERE {ITEMS}",
    "read_ages": f"SELECT epoch, seq, accepted FROM item WHERE {ITEMS} LIMIT ?",
    "write_aging": "INSERT INTO aging (shard, day, user, device) VALUES (?, ?, ?, ?)",
    "read_aging": "SELECT user, device FROM aging WHERE shard = ? AND day = ? LIMIT ?",
    "delete_aging": "DELETE FROM aging WHERE shard = ? AND day = ? AND user = ? AND device = ?",
    "agree": "INSERT INTO schema_version (name, version) VALUES (?, ?) IF NOT EXISTS",
    "agreed": "SELECT version FROM schema_version WHERE name = ?",
    "insert_lease": "INSERT INTO lease (incarnation, counter, lease_s, dead, mark)"
    " VALUES (?, 0, ?, false, 1) IF NOT EXISTS",
    "read_lease": "SELECT incarnation, counter, lease_s, dead, mark, seal FROM lease"
    " WHERE incarnation = ?",
    "read_leases": "SELECT incarnation, counter, lease_s, dead, mark, seal FROM lease",
    "renew": "UPDATE lease SET counter = ?, mark = ? WHERE incarnation = ?"
    " IF counter = ? AND dead = false",
    "mark_dead": "UPDATE lease SET dead = true WHERE incarnation = ? IF counter = ?",
    "seal": "UPDATE lease SET seal = ? WHERE incarnation = ? IF dead = true AND seal = null",
    "delete_lease": "DELETE FROM lease WHERE incarnation = ? IF dead = true",
    "read_shard": "SELECT shard, owner, epoch, unrecovered FROM shard WHERE shard = ?",
    "read_shards": "SELECT shard, owner, epoch, unrecovered FROM shard",
    "insert_shard": "INSERT INTO shard (shard, owner, epoch, unrecovered)"
    " VALUES (?, ?, ?, ?) IF NOT EXISTS",
    "swap_shard": "UPDATE shard SET owner = ?, epoch = ?, unrecovered = ? WHERE shard = ?"
    " IF owner = ? AND epoch = ? AND unrecovered = ?",
}

# Rows of one answer, where rows are large: others wait behind an answer.
PAGES = {"read_segments": 8, "read_items": 64, "read_newest": 64}


def statements(name: str) -> dict[str, str]:
    """Each with the keyspace in it."""
    named = rf"\1 {name}.\2"
    return {key: re.sub(r"\b(INTO|FROM|UPDATE) (\w+)", named, s) for key, s in STATEMENTS.items()}
