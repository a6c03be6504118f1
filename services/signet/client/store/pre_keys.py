"""Private pre-keys at rest: a `PreKeyLookup` of signet.e2e, and their life cycle."""

import sqlite3
from enum import IntEnum

from signet.client.store.vault import Vault
from signet.e2e import Decrypted, KemPreKey, OneTimePreKey, ReplayMark, SignedPreKey, may_delete


class KeyKind(IntEnum):
    """The four kinds a device publishes."""

    SIGNED = 1
    ONE_TIME = 2
    KEM_ONE_TIME = 3
    KEM_LAST_RESORT = 4


class PreKeys:
    """Look-ups have no effect. A key that is replaced stays for 30 days for late messages."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def signed(self, key_id: int) -> SignedPreKey | None:
        stored = self._load(key_id, KeyKind.SIGNED)
        return None if stored is None else SignedPreKey.deserialise(stored)

    def one_time(self, key_id: int) -> OneTimePreKey | None:
        stored = self._load(key_id, KeyKind.ONE_TIME)
        return None if stored is None else OneTimePreKey.deserialise(stored)

    def kyber(self, key_id: int) -> KemPreKey | None:
        stored = self._load(key_id, KeyKind.KEM_ONE_TIME) or self._load(
            key_id, KeyKind.KEM_LAST_RESORT
        )
        return None if stored is None else KemPreKey.deserialise(stored)

    def seen(self, mark: ReplayMark) -> bool:
        found = self._db.execute("SELECT 1 FROM replay_marks WHERE mark = ?", (_mark(mark),))
        return found.fetchone() is not None

    def use_up(self, got: Decrypted, now: float) -> None:
        """Delete the one-time keys of a first message, or remember that it was taken."""
        if got.used_pre_key_id is not None:
            self._delete(KeyKind.ONE_TIME, got.used_pre_key_id)
        if got.used_kyber_pre_key_id is not None and not got.kyber_is_last_resort:
            self._delete(KeyKind.KEM_ONE_TIME, got.used_kyber_pre_key_id)
        if got.replay is not None:
            row = (_mark(got.replay), now)
            self._db.execute("INSERT OR IGNORE INTO replay_marks VALUES (?, ?)", row)

    def add(self, key: SignedPreKey | OneTimePreKey | KemPreKey, now: float) -> None:
        """Keep a new key; a long-lived one replaces the current one of its kind."""
        kind = _kind(key)
        if kind in (KeyKind.SIGNED, KeyKind.KEM_LAST_RESORT):
            self._db.execute(
                "UPDATE pre_keys SET replaced = ? WHERE kind = ? AND replaced IS NULL", (now, kind)
            )
        sealed = self._vault.seal(key.serialise(), _label(key.id, kind))
        self._db.execute(
            "INSERT OR REPLACE INTO pre_keys VALUES (?, ?, ?, ?, NULL)", (kind, key.id, sealed, now)
        )

    def replace_one_time(self, kind: KeyKind, now: float) -> None:
        """An upload replaces what the server has (K4): ours go 30 days after it."""
        self._db.execute(
            "UPDATE pre_keys SET replaced = ? WHERE kind = ? AND replaced IS NULL", (now, kind)
        )

    def current_signed(self) -> SignedPreKey | None:
        key_id = self._current(KeyKind.SIGNED)
        return None if key_id is None else self.signed(key_id)

    def current_last_resort(self) -> KemPreKey | None:
        key_id = self._current(KeyKind.KEM_LAST_RESORT)
        return None if key_id is None else self.kyber(key_id)

    def drop_old(self, now: float) -> None:
        """Forget keys, and marks of first messages to them, past their keeping time."""
        rows = self._db.execute("SELECT kind, id, replaced FROM pre_keys WHERE replaced > 0")
        for kind, key_id, replaced in rows.fetchall():
            if may_delete(replaced, now):
                self._delete(kind, key_id)
        held = {i for (i,) in self._db.execute("SELECT id FROM pre_keys WHERE kind IN (1, 4)")}
        for (mark,) in self._db.execute("SELECT mark FROM replay_marks").fetchall():
            if int.from_bytes(mark[:4], "big") not in held:  # nobody can play it again
                self._db.execute("DELETE FROM replay_marks WHERE mark = ?", (mark,))

    def _current(self, kind: KeyKind) -> int | None:
        row = self._db.execute(
            "SELECT id FROM pre_keys WHERE kind = ? AND replaced IS NULL", (kind,)
        ).fetchone()
        return None if row is None else int(row[0])

    def _load(self, key_id: int, kind: KeyKind) -> bytes | None:
        row = self._db.execute(
            "SELECT value FROM pre_keys WHERE kind = ? AND id = ?", (kind, key_id)
        ).fetchone()
        return None if row is None else self._vault.open(row[0], _label(key_id, kind))

    def _delete(self, kind: int, key_id: int) -> None:
        self._db.execute("DELETE FROM pre_keys WHERE kind = ? AND id = ?", (kind, key_id))


def _kind(key: SignedPreKey | OneTimePreKey | KemPreKey) -> KeyKind:
    match key:
        case SignedPreKey():
            return KeyKind.SIGNED
        case OneTimePreKey():
            return KeyKind.ONE_TIME
        case KemPreKey():
            return KeyKind.KEM_LAST_RESORT if key.last_resort else KeyKind.KEM_ONE_TIME


def _label(key_id: int, kind: KeyKind) -> bytes:
    return b"pre-key/%d/%d" % (kind, key_id)


def _mark(mark: ReplayMark) -> bytes:
    kyber = mark.kyber_pre_key_id or 0
    return mark.signed_pre_key_id.to_bytes(4, "big") + kyber.to_bytes(4, "big") + mark.base_key
