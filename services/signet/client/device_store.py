"""The device's memory: one SQLite file, one process, one thread, group commit.

What may be relied upon: a job runs whole or not at all, jobs run in the order in which they were
given, and what a finished `run` changed is on disk (WAL, synchronous FULL). All jobs that wait
share one transaction and one fsync. Nothing is sent or acknowledged before its `run` returned.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from signet.client.errors import StoreFailed, StoreInUse, WrongPassphrase
from signet.client.store import vault as vaults
from signet.client.store.group_keys import GroupKeys
from signet.client.store.group_lines import GroupLines
from signet.client.store.groups import Groups
from signet.client.store.incoming import Incoming
from signet.client.store.messages import Messages
from signet.client.store.outgoing import Outgoing
from signet.client.store.peers import Peers
from signet.client.store.pre_keys import PreKeys
from signet.client.store.profiles import Profiles
from signet.client.store.schema import migrate
from signet.client.store.settings import Settings
from signet.client.store.uploads import Uploads
from signet.client.store.vault import Vault
from signet.e2e import Randomness

T = TypeVar("T")

_MOST_JOBS = 256  # in one transaction. Raise: fewer fsyncs; the first of them waits longer.
_CHECK = b"signet device store"


class Tx:
    """The tables, inside a transaction. Use it only within the job that was given it."""

    def __init__(self, db: sqlite3.Connection, vault: Vault) -> None:
        self._db = db
        self.settings = Settings(db, vault)
        self.peers = Peers(db, vault)
        self.pre_keys = PreKeys(db, vault)
        self.messages = Messages(db, vault)
        self.outgoing = Outgoing(db, vault)
        self.profiles = Profiles(db, vault)
        self.incoming = Incoming(db, vault)
        self.uploads = Uploads(db, vault)
        self.groups = Groups(db, vault)
        self.group_keys = GroupKeys(db, vault)
        self.group_lines = GroupLines(db)

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of a job: when it raises, what it wrote is undone, and the job may go on.

        It may not go on after what `is_of_the_store` calls a failure of the store.
        """
        self._db.execute("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # a disk that is full may have ended it
                self._db.execute("ROLLBACK TO part")
                self._db.execute("RELEASE part")
            raise
        self._db.execute("RELEASE part")


def is_of_the_store(error: Exception) -> bool:
    """Whether an exception says that the store failed, not that a value had no place in it."""
    if isinstance(error, MemoryError | sqlite3.OperationalError | sqlite3.InternalError):
        return True
    return type(error) is sqlite3.DatabaseError  # the file is damaged


Job = Callable[[Tx], Any]


class DeviceStore:
    """Open it with `open`; it holds the lock until `close`.

    `media` is the folder beside it for ciphertext of files on their way; made by who needs it.
    """

    def __init__(self, db: sqlite3.Connection, vault: Vault, lock: int, media: Path) -> None:
        self._db, self._lock, self.media = db, lock, media
        self._tx = Tx(db, vault)
        self._jobs: queue.SimpleQueue[tuple[Job, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    @classmethod
    def open(
        cls, path: Path, passphrase: str | None, randomness: Randomness, *, create: bool
    ) -> "DeviceStore":
        """Take the lock, then open or make the file. Blocks for the key derivation.

        Raises:
            StoreInUse: another client has it open.
            WrongPassphrase: it opens with another passphrase or key file.
            FileNotFoundError: it is not there, and `create` is False.
        """
        if not create and not path.exists():
            raise FileNotFoundError(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _take_lock(path.with_name(path.name + ".lock"))
        try:
            db = _connect(path)
            vault = _open_vault(db, path.with_name(path.name + ".key"), passphrase, randomness)
        except BaseException:
            os.close(lock)
            raise
        return cls(db, vault, lock, path.with_name(path.name + ".media"))

    def run(self, job: Callable[[Tx], T]) -> Awaitable[T]:
        """Run a job in the store's thread; wait for its result, then durable.

        What the job raises is raised here, and nothing of it is kept.

        Raises:
            StoreFailed: the disk did not take it, or the store is closed.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(StoreFailed("the store is closed"))
            return future
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="signet-store", daemon=True)
            self._thread.start()
        self._jobs.put((job, future))
        return future

    def run_now(self, job: Callable[[Tx], T]) -> T:
        """The same in the caller's thread, before any `run`: for opening and for tools."""
        assert self._thread is None, "run_now is for before the first run"
        self._db.execute("BEGIN IMMEDIATE")
        try:
            result = job(self._tx)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        return result

    async def close(self) -> None:
        """Finish what waits, then give back the file and the lock. Again: no effect."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._jobs.put(None)
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._db.close()
        os.close(self._lock)

    def _work(self) -> None:
        ending = False
        while not ending:
            batch = [self._jobs.get()]
            while len(batch) < _MOST_JOBS and not self._jobs.empty():
                batch.append(self._jobs.get())
            ending = None in batch
            jobs = [job for job in batch if job is not None]
            if jobs:
                _settle(jobs, self._transact([job for job, _ in jobs]))

    def _transact(self, jobs: list[Job]) -> list[tuple[Any, BaseException | None]]:
        """One transaction; a job that raises is undone alone."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            results = [self._attempt(job) for job in jobs]
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            failed = StoreFailed(str(error))
            return [(None, failed)] * len(jobs)
        return results

    def _attempt(self, job: Job) -> tuple[Any, BaseException | None]:
        self._db.execute("SAVEPOINT job")
        try:
            result = job(self._tx)
        except Exception as error:  # handed to whoever gave the job
            if isinstance(error, sqlite3.Error) and is_of_the_store(error):
                raise
            self._db.execute("ROLLBACK TO job")
            self._db.execute("RELEASE job")
            return None, error
        self._db.execute("RELEASE job")
        return result, None


def _settle(
    jobs: list[tuple[Job, "asyncio.Future[Any]"]], results: list[tuple[Any, BaseException | None]]
) -> None:
    """Give the results to the event loop, all in one wake-up."""
    loop = jobs[0][1].get_loop()

    def settle() -> None:
        for (_, future), (result, error) in zip(jobs, results, strict=True):
            if future.done():  # its waiter was cancelled; what it wrote is kept
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)


def _take_lock(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise StoreInUse(f"{path.name.removesuffix('.lock')} is open in another client") from None
    return handle


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
        "PRAGMA busy_timeout=5000; PRAGMA foreign_keys=ON;"
    )
    migrate(db)
    return db


def _open_vault(
    db: sqlite3.Connection, key_file: Path, passphrase: str | None, randomness: Randomness
) -> Vault:
    """The store's vault; for a new store, its key is made and a check value is sealed under it."""
    stored = dict(
        db.execute("SELECT name, value FROM settings WHERE name IN ('.wrapped', '.check')")
    )
    if ".check" in stored:
        return _known_vault(stored, key_file, passphrase, randomness)
    if passphrase is None:
        key = vaults.read_key_file(key_file) if key_file.exists() else None
        key = key or vaults.make_key_file(key_file, randomness)
        rows = []
    else:
        key = randomness(vaults.KEY_SIZE)
        rows = [(".wrapped", vaults.wrap(key, passphrase, randomness))]
    vault = Vault(key, randomness)
    rows.append((".check", vault.seal(_CHECK, b"check")))
    db.execute("BEGIN")
    db.executemany("INSERT INTO settings VALUES (?, ?)", rows)
    db.execute("COMMIT")
    return vault


def _known_vault(
    stored: dict[str, bytes], key_file: Path, passphrase: str | None, randomness: Randomness
) -> Vault:
    if ".wrapped" in stored:
        if passphrase is None:
            raise WrongPassphrase("this store opens with a passphrase")
        key = vaults.unwrap(stored[".wrapped"], passphrase, randomness)
    else:
        key = vaults.read_key_file(key_file)
    vault = Vault(key, randomness)
    vault.open(stored[".check"], b"check")
    return vault
