"""Whom we talk to: pinned identity keys, their devices' sessions, and what was agreed."""

import sqlite3
from dataclasses import dataclass

from signet.client.store.vault import Vault
from signet.core.ids import UserId
from signet.e2e import Address, SessionRecord, Version


@dataclass(frozen=True, slots=True)
class Peer:
    """One person. `identity` is pinned; `pending` is another that waits for consent."""

    user: UserId
    name: str = ""
    identity: bytes | None = None
    pending: bytes | None = None
    floor: int = 0
    verified: bool = False
    timer: int = 0
    stale: bool = True

    @property
    def version_floor(self) -> Version:
        return Version(self.floor) if self.floor else Version.X3DH


class Peers:
    """Rows of peers and sessions. Identity keys are public; session records are sealed."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def get(self, user: UserId) -> Peer:
        """A peer that is not known yet has no identity and a stale device set."""
        row = self._db.execute(
            "SELECT name, identity, pending, floor, verified, timer, stale FROM peers"
            " WHERE user = ?",
            (user,),
        ).fetchone()
        if row is None:
            return Peer(user)
        name, identity, pending, floor, verified, timer, stale = row
        return Peer(user, name, identity, pending, floor, bool(verified), timer, bool(stale))

    def set(self, user: UserId, **columns: object) -> None:
        """Change columns of one row; it is made if it is not there."""
        self._db.execute("INSERT OR IGNORE INTO peers (user) VALUES (?)", (user,))
        names = ", ".join(f"{name} = ?" for name in columns)  # names of our own code only
        self._db.execute(
            f"UPDATE peers SET {names} WHERE user = ?",  # noqa: S608
            (*columns.values(), user),
        )

    def next_ordinal(self, user: UserId) -> int:
        """The next ordinal of a send to that person, from 1 (M1). Never given twice."""
        self._db.execute("INSERT OR IGNORE INTO peers (user) VALUES (?)", (user,))
        (ordinal,) = self._db.execute(
            "UPDATE peers SET ordinal = ordinal + 1 WHERE user = ? RETURNING ordinal", (user,)
        ).fetchone()
        return int(ordinal)

    def skip_ordinals(self, user: UserId, count: int) -> None:
        """So many ordinals were given to sends that stand before others."""
        self._db.execute("UPDATE peers SET ordinal = ordinal + ? WHERE user = ?", (count, user))

    def devices(self, user: UserId) -> list[int]:
        """Devices that we have a record of and that are not gone, in order."""
        rows = self._db.execute(
            "SELECT device FROM sessions WHERE user = ? AND gone IS NULL", (user,)
        )
        return [device for (device,) in rows]

    def sessions(self) -> list[tuple[UserId, int]]:
        """Whose devices there are sessions with, those that are gone, too."""
        rows = self._db.execute("SELECT user, device FROM sessions ORDER BY user, device")
        return [(UserId(user), device) for user, device in rows.fetchall()]

    def pinned(self) -> list[Peer]:
        """Everybody whose identity key is known."""
        rows = self._db.execute("SELECT user FROM peers WHERE identity IS NOT NULL ORDER BY user")
        return [self.get(UserId(user)) for (user,) in rows.fetchall()]

    def session(self, user: UserId, device: int) -> SessionRecord | None:
        row = self._db.execute(
            "SELECT record FROM sessions WHERE user = ? AND device = ?", (user, device)
        ).fetchone()
        if row is None:
            return None
        return SessionRecord.deserialise(self._vault.open(row[0], _label(user, device)))

    def put_session(self, user: UserId, device: int, record: SessionRecord) -> None:
        sealed = self._vault.seal(record.serialise(), _label(user, device))
        self._db.execute(
            "INSERT INTO sessions (user, device, record) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET record = excluded.record",
            (user, device, sealed),
        )

    def retire(self, user: UserId, device: int, now: float) -> None:
        """The device left. Nothing is sent to it; what is under way from it stays readable.

        https://signal.org/docs/specifications/sesame/ section 3.2: stale records.
        """
        self._db.execute(
            "UPDATE sessions SET gone = ? WHERE user = ? AND device = ? AND gone IS NULL",
            (now, user, device),
        )

    def revive(self, user: UserId, device: int) -> None:
        """The device is there, after all or again."""
        self._db.execute(
            "UPDATE sessions SET gone = NULL WHERE user = ? AND device = ?", (user, device)
        )

    def forget_gone(self, before: float) -> None:
        """Drop the sessions of devices that left before that time."""
        self._db.execute("DELETE FROM sessions WHERE gone < ?", (before,))


def _label(user: bytes, device: int) -> bytes:
    return b"session/" + Address(user, device).to_wire()
