"""The groups of this device: their members by the chain, their order, names and waiting items."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from signet.client.store.vault import Vault
from signet.core.groups import GroupId
from signet.core.ids import Position, UserId
from signet.core.membership import Member, Membership


@dataclass(frozen=True, slots=True)
class Secrets:
    """What members know of a group and the server does not. b"": not known here (yet)."""

    profile_key: bytes = b""
    link_secret: bytes = b""


class Groups:
    """A group is known here once its creation was verified; it stays known after one has left."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def all(self) -> list[GroupId]:
        rows = self._db.execute("SELECT id FROM groups").fetchall()
        return [GroupId(group) for (group,) in rows]

    def knows(self, group: bytes) -> bool:
        found = self._db.execute("SELECT 1 FROM groups WHERE id = ?", (group,))
        return found.fetchone() is not None

    def get(self, group: GroupId) -> Membership | None:
        """The group as the chain has it after the changes that were taken."""
        row = self._db.execute(
            "SELECT version, membership, hash, link, profile FROM groups WHERE id = ?", (group,)
        ).fetchone()
        if row is None:
            return None
        version, membership, digest, link, profile = row
        members = {
            UserId(user): Member(identity, bool(administrator))
            for user, identity, administrator in self._db.execute(
                "SELECT user, identity, administrator FROM group_members WHERE grp = ?"
                " ORDER BY since, user",
                (group,),
            )
        }
        return Membership(group, version, membership, digest, members, link, profile)

    def put(self, group: Membership) -> None:
        """Keep what a verified change made of the group."""
        columns = (group.version, group.membership, group.hash, group.link, group.profile)
        self._db.execute(
            "INSERT INTO groups (id, version, membership, hash, link, profile)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version,"
            " membership = excluded.membership, hash = excluded.hash, link = excluded.link,"
            " profile = excluded.profile",
            (group.group, *columns),
        )
        self._put_members(group)

    def _put_members(self, group: Membership) -> None:
        rows = self._db.execute(
            "SELECT user, identity FROM group_members WHERE grp = ?", (group.group,)
        )
        known: dict[bytes, bytes] = dict(rows.fetchall())
        for user in known.keys() - group.members.keys():
            self._db.execute(
                "DELETE FROM group_members WHERE grp = ? AND user = ?", (group.group, user)
            )
        for user, member in group.members.items():
            if known.get(user) != member.identity_key:  # another key: another person, so far
                self._db.execute(
                    "INSERT OR REPLACE INTO group_members VALUES (?, ?, ?, ?, ?)",
                    (group.group, user, member.identity_key, 0, group.version),
                )
            self._db.execute(
                "UPDATE group_members SET administrator = ? WHERE grp = ? AND user = ?",
                (member.administrator, group.group, user),
            )

    def since(self, group: GroupId, user: UserId) -> int | None:
        """The version by which somebody became a member; None: they are none."""
        row = self._db.execute(
            "SELECT since FROM group_members WHERE grp = ? AND user = ?", (group, user)
        ).fetchone()
        return None if row is None else int(row[0])

    def at(self, group: GroupId) -> Position:
        """The last that was taken of the group's order; START before the first."""
        row = self._db.execute(
            "SELECT at_epoch, at_seq FROM groups WHERE id = ?", (group,)
        ).fetchone()
        return Position(*row) if row is not None else Position(0, 0)

    def put_at(self, group: GroupId, at: Position) -> None:
        self._db.execute("UPDATE groups SET at_epoch = ?, at_seq = ? WHERE id = ?", (*at, group))

    def secrets(self, group: GroupId) -> Secrets:
        row = self._db.execute(
            "SELECT profile_key, link_secret FROM groups WHERE id = ?", (group,)
        ).fetchone()
        if row is None:
            return Secrets()
        return Secrets(*(b"" if one is None else self._open(group, one) for one in row))

    def put_profile_key(self, group: GroupId, key: bytes) -> None:
        sealed = self._seal(group, key)
        self._db.execute("UPDATE groups SET profile_key = ? WHERE id = ?", (sealed, group))

    def put_link_secret(self, group: GroupId, secret: bytes) -> None:
        sealed = self._seal(group, secret)
        self._db.execute("UPDATE groups SET link_secret = ? WHERE id = ?", (sealed, group))

    def waits(self, group: GroupId) -> bool:
        """Whether items of the group wait for the chain before them."""
        found = self._db.execute("SELECT 1 FROM group_waiting WHERE grp = ? LIMIT 1", (group,))
        return found.fetchone() is not None

    def wait(self, group: GroupId, item: bytes) -> None:
        self._db.execute("INSERT INTO group_waiting (grp, item) VALUES (?, ?)", (group, item))

    def waiting(self, group: GroupId) -> list[tuple[int, bytes]]:
        """Number and serialised item, in the order in which they came."""
        return self._db.execute(
            "SELECT number, item FROM group_waiting WHERE grp = ? ORDER BY number", (group,)
        ).fetchall()

    def behind(self) -> list[GroupId]:
        """Groups of which items wait."""
        rows = self._db.execute("SELECT DISTINCT grp FROM group_waiting").fetchall()
        return [GroupId(group) for (group,) in rows]

    def wait_no_more(self, numbers: Iterable[int]) -> None:
        self._db.executemany("DELETE FROM group_waiting WHERE number = ?", [(n,) for n in numbers])

    def _seal(self, group: GroupId, value: bytes) -> bytes:
        return self._vault.seal(value, b"group/" + group)

    def _open(self, group: GroupId, sealed: bytes) -> bytes:
        return self._vault.open(sealed, b"group/" + group)
