"""The device store: one client, one transaction, nothing in the clear, and kill -9."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.client.device_store import DeviceStore, Tx
from signet.client.errors import ClientError, StoreFailed, StoreInUse, WrongPassphrase
from signet.core.ids import Position

SECRET = b"nobody should find this text"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[DeviceStore]:
    opened = DeviceStore.open(tmp_path / "s", None, os.urandom, create=True)
    yield opened
    await opened.close()


def reopen(path: Path, passphrase: str | None = None) -> DeviceStore:
    return DeviceStore.open(path, passphrase, os.urandom, create=False)


async def test_what_a_job_wrote_is_there_after_opening_again(tmp_path: Path) -> None:
    store = DeviceStore.open(tmp_path / "s", "a passphrase", os.urandom, create=True)
    await store.run(lambda tx: tx.settings.put_position(Position(3, 7)))
    await store.close()
    again = reopen(tmp_path / "s", "a passphrase")
    assert await again.run(lambda tx: tx.settings.position()) == Position(3, 7)
    await again.close()


@pytest.mark.parametrize("passphrase", ["another", None])
async def test_another_passphrase_opens_nothing(tmp_path: Path, passphrase: str | None) -> None:
    store = DeviceStore.open(tmp_path / "s", "right", os.urandom, create=True)
    await store.close()
    with pytest.raises(WrongPassphrase):
        reopen(tmp_path / "s", passphrase)
    await reopen(tmp_path / "s", "right").close()  # a refusal gave the lock back


async def test_without_its_key_file_a_store_does_not_open(tmp_path: Path) -> None:
    store = DeviceStore.open(tmp_path / "s", None, os.urandom, create=True)
    await store.close()
    assert (tmp_path / "s.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "s.key").unlink()
    with pytest.raises(WrongPassphrase):
        reopen(tmp_path / "s")


async def test_a_second_opener_gets_store_in_use(store: DeviceStore, tmp_path: Path) -> None:
    with pytest.raises(StoreInUse):
        reopen(tmp_path / "s")
    await store.close()
    await reopen(tmp_path / "s").close()


async def test_values_are_not_on_the_disk_in_the_clear(tmp_path: Path) -> None:
    store = DeviceStore.open(tmp_path / "s", None, os.urandom, create=True)
    await store.run(lambda tx: tx.settings.put("note", SECRET))
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    await store.close()
    files += [path.read_bytes() for path in tmp_path.iterdir()]
    assert files
    assert not any(SECRET in content for content in files)


async def test_a_value_that_was_moved_does_not_open(tmp_path: Path) -> None:
    store = DeviceStore.open(tmp_path / "s", None, os.urandom, create=True)
    await store.run(lambda tx: tx.settings.put("note", SECRET))
    await store.close()
    with sqlite3.connect(tmp_path / "s") as db:
        db.execute("UPDATE settings SET name = 'other' WHERE name = 'note'")
    again = reopen(tmp_path / "s")
    with pytest.raises(WrongPassphrase):
        await again.run(lambda tx: tx.settings.get("other"))
    await again.close()


async def test_a_job_that_raises_is_undone_alone(store: DeviceStore) -> None:
    def bad(tx: Tx) -> None:
        tx.settings.put("b", b"2")
        raise ClientError("no")

    results = await asyncio.gather(
        store.run(lambda tx: tx.settings.put("a", b"1")),
        store.run(bad),
        store.run(lambda tx: tx.settings.put("c", b"3")),
        return_exceptions=True,
    )
    assert isinstance(results[1], ClientError)
    kept = await store.run(lambda tx: [tx.settings.get(name) for name in "abc"])
    assert kept == [b"1", None, b"3"]


async def test_jobs_run_in_the_order_in_which_they_were_given(store: DeviceStore) -> None:
    ordinals = await asyncio.gather(
        *(store.run(lambda tx: tx.settings.raise_counter()) for _ in range(500))
    )
    assert ordinals == list(range(1, 501))


async def test_a_closed_store_takes_nothing(store: DeviceStore) -> None:
    await store.close()
    with pytest.raises(StoreFailed):
        await store.run(lambda tx: tx.settings.position())


async def test_a_store_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    store = DeviceStore.open(tmp_path / "s", None, os.urandom, create=True)
    await store.close()
    with sqlite3.connect(tmp_path / "s") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ClientError, match="version 99"):
        reopen(tmp_path / "s")


CHILD = """
import asyncio, os, sys
from pathlib import Path
from signet.client.device_store import DeviceStore
from signet.core.ids import Position

def step(tx, n):
    tx.settings.put_position(Position(1, n))
    tx.incoming.note_seen(bytes(16), 1, n.to_bytes(16, "big"), 1e12)
    return n

async def main():
    store = DeviceStore.open(Path(sys.argv[1]), None, os.urandom, create=True)
    n = 0
    while True:
        n = await store.run(lambda tx: step(tx, n + 1))
        print(n, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 7, 40])
async def test_kill_9_keeps_what_was_answered_and_nothing_by_halves(
    tmp_path: Path, after: int
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, tmp_path / "s"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    answered = 0
    while answered < after:
        answered = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split()
    child.wait()
    answered = max([answered, *map(int, rest)])
    store = reopen(tmp_path / "s")  # the lock died with its process
    at = await store.run(lambda tx: tx.settings.position())
    assert answered <= at.seq <= answered + 1

    def seen(tx: Tx) -> list[bool]:
        ids = [n.to_bytes(16, "big") for n in range(1, at.seq + 2)]
        return [tx.incoming.seen(bytes(16), 1, i) for i in ids]  # type: ignore[arg-type]

    assert await store.run(seen) == [True] * at.seq + [False]
    await store.close()
