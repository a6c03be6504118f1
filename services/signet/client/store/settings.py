"""What the device knows of itself: account, position, connection counter, switches."""

import json
import sqlite3
from dataclasses import asdict, dataclass

from signet.client.store.vault import Vault
from signet.core.ids import START, Position, UserId
from signet.e2e import Address, IdentityKeyPair, LocalDevice


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are and where. Keys are private ones: never logged, never shown."""

    user: bytes
    device: int
    registration: int
    user_name: str
    server: str  # the entry address: of REST
    server_name: str
    transport: str
    identity_private: bytes
    login_private: bytes

    @property
    def user_id(self) -> UserId:
        return UserId(self.user)

    def local(self) -> LocalDevice:
        return LocalDevice(
            Address(self.user, self.device),
            IdentityKeyPair.from_private(self.identity_private),
            self.registration,
        )

    def __repr__(self) -> str:
        return f"Account({self.server_name}, device {self.device})"


class Settings:
    """Named values. All are sealed."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db, self._vault = db, vault

    def get(self, name: str) -> bytes | None:
        row = self._db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else self._vault.open(row[0], b"settings/" + name.encode())

    def put(self, name: str, value: bytes) -> None:
        sealed = self._vault.seal(value, b"settings/" + name.encode())
        self._db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, sealed))

    def drop(self, name: str) -> None:
        self._db.execute("DELETE FROM settings WHERE name = ?", (name,))

    def number(self, name: str, default: int = 0) -> int:
        value = self.get(name)
        return default if value is None else int(value)

    def put_number(self, name: str, value: int) -> None:
        self.put(name, str(value).encode())

    def position(self) -> Position:
        """The last item that was taken; START before the first."""
        value = self.get("position")
        return START if value is None else Position(*map(int, value.split(b"/")))

    def put_position(self, at: Position) -> None:
        self.put("position", f"{at.epoch}/{at.seq}".encode())

    def raise_counter(self, by: int = 1) -> int:
        """The next connection counter (O4): durable before the stream is opened."""
        counter = self.number("connection_counter") + by
        self.put_number("connection_counter", counter)
        return counter

    def account(self) -> Account | None:
        value = self.get("account")
        if value is None:
            return None
        fields = json.loads(value)
        for name in ("user", "identity_private", "login_private"):
            fields[name] = bytes.fromhex(fields[name])
        return Account(**fields)

    def put_account(self, account: Account) -> None:
        fields = {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in asdict(account).items()
        }
        self.put("account", json.dumps(fields).encode())
