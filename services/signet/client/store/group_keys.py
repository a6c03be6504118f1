"""Sender keys of groups: our own, who has it, what we read others with; and members' devices."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from signet.client.store.vault import Vault
from signet.core.groups import Devices, GroupId
from signet.core.ids import UserId
from signet.e2e import SenderKeyRecord


class At(NamedTuple):
    """A device as it was registered."""

    user: UserId
    device: int
    registration: int


class GroupKeys:
    """Records are sealed; who has what is in the clear."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def own(self, group: GroupId) -> SenderKeyRecord | None:
        row = self._db.execute("SELECT sender_key FROM groups WHERE id = ?", (group,)).fetchone()
        if row is None or row[0] is None:
            return None
        return SenderKeyRecord.deserialise(self._vault.open(row[0], _own_label(group)))

    def put_own(self, group: GroupId, record: SenderKeyRecord) -> None:
        sealed = self._vault.seal(record.serialise(), _own_label(group))
        self._db.execute("UPDATE groups SET sender_key = ? WHERE id = ?", (sealed, group))

    def of(self, group: GroupId, user: UserId, device: int) -> SenderKeyRecord | None:
        row = self._db.execute(
            "SELECT record FROM sender_keys WHERE grp = ? AND user = ? AND device = ?",
            (group, user, device),
        ).fetchone()
        if row is None:
            return None
        return SenderKeyRecord.deserialise(self._vault.open(row[0], _label(group, user, device)))

    def put(self, group: GroupId, user: UserId, device: int, record: SenderKeyRecord) -> None:
        sealed = self._vault.seal(record.serialise(), _label(group, user, device))
        self._db.execute(
            "INSERT OR REPLACE INTO sender_keys VALUES (?, ?, ?, ?)", (group, user, device, sealed)
        )

    def drop_of(self, group: GroupId, users: Iterable[UserId]) -> None:
        """Nothing of these can be read any more."""
        self._db.executemany(
            "DELETE FROM sender_keys WHERE grp = ? AND user = ?", [(group, user) for user in users]
        )

    def devices(self, group: GroupId) -> dict[UserId, dict[int, int]]:
        """The devices of members, as the server said last: device id → registration id."""
        found: dict[UserId, dict[int, int]] = {}
        for user, device, registration in self._db.execute(
            "SELECT user, device, registration FROM group_devices WHERE grp = ?", (group,)
        ):
            found.setdefault(UserId(user), {})[device] = registration
        return found

    def put_devices(self, group: GroupId, devices: Devices) -> None:
        self._db.execute("DELETE FROM group_devices WHERE grp = ?", (group,))
        rows = [(group, u, d, r) for u, those in devices.items() for d, r in those.items()]
        self._db.executemany("INSERT INTO group_devices VALUES (?, ?, ?, ?)", rows)

    def told(self, group: GroupId) -> set[At]:
        """Who has our own key, so that they read on without being told."""
        rows = self._db.execute(
            "SELECT user, device, registration FROM sender_key_told WHERE grp = ?", (group,)
        ).fetchall()
        return {At(UserId(user), device, registration) for user, device, registration in rows}

    def note_told(self, group: GroupId, devices: Iterable[At]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO sender_key_told VALUES (?, ?, ?, ?)",
            [(group, *one) for one in devices],
        )

    def not_told(self, group: GroupId, devices: Iterable[tuple[UserId, int]]) -> None:
        """What was to tell them did not go out, or was not taken."""
        self._db.executemany(
            "DELETE FROM sender_key_told WHERE grp = ? AND user = ? AND device = ?",
            [(group, user, device) for user, device in devices],
        )

    def tell_anew(self, group: GroupId) -> None:
        """Nobody has it: it is a new one."""
        self._db.execute("DELETE FROM sender_key_told WHERE grp = ?", (group,))


def _own_label(group: GroupId) -> bytes:
    return b"sender-key/" + group


def _label(group: GroupId, user: UserId, device: int) -> bytes:
    return b"sender-key/" + group + user + bytes([device])
