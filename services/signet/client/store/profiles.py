"""What people show of themselves: the keys that they gave us, and what was last read with them."""

import sqlite3
from dataclasses import dataclass, field

from signet.client.store.vault import Vault
from signet.core.ids import UserId
from signet.v1.content_pb2 import ProfileContent


@dataclass(frozen=True, slots=True)
class Shown:
    """Of one person. `version` 0: nothing was read yet."""

    key: bytes = field(repr=False)
    version: int
    content: ProfileContent


class Profiles:
    """Keys and contents are sealed."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def get(self, user: UserId) -> Shown | None:
        """None: they gave us no key."""
        row = self._db.execute(
            "SELECT key, version, content FROM profiles WHERE user = ?", (user,)
        ).fetchone()
        if row is None:
            return None
        key, version, content = row
        opened = self._vault.open(content, b"profile/" + user)
        return Shown(
            self._vault.open(key, b"profile-key/" + user),
            version,
            ProfileContent.FromString(opened),
        )

    def put(self, user: UserId, shown: Shown) -> None:
        key = self._vault.seal(shown.key, b"profile-key/" + user)
        content = self._vault.seal(shown.content.SerializeToString(), b"profile/" + user)
        row = (user, key, shown.version, content)
        self._db.execute("INSERT OR REPLACE INTO profiles VALUES (?, ?, ?, ?)", row)
