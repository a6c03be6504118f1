"""Processes of one machine on shared SQLite files, killed and stopped; files that are locked.

Nobody waits, the dead fall off the list, what is late is made good (L6, P8).
"""

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from signet.adapters.directory_sql import open_directory
from signet.adapters.inbox_sqlite import open_inbox
from signet.adapters.members_sqlite import SqliteMembers
from signet.adapters.presence_sqlite import SqlitePresence
from signet.core import limits
from signet.core.ids import UserId
from signet.ports.presence import Seen, Status
from tests.support.sqlite_process import TIMES, a_member

SOON = 30.0
# A call that the file does not serve, with room for a busy machine.
BOUND = 10 * limits.SHARED_STORE_TIMEOUT
ANN = Seen(UserId(b"ann_____________"), Status.ONLINE, 7, "gateway-0")


async def eventually(found: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while not await found():
            await asyncio.sleep(0.02)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes, and does not come to an end."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def a_process(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.support.sqlite_process", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def said(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


async def names(members: SqliteMembers) -> set[str]:
    return {member.name for member in await members.list()}


async def test_a_process_that_is_killed_falls_off_the_list(tmp_path: Path) -> None:
    path = tmp_path / "members.sqlite"
    members = SqliteMembers(path, **TIMES)
    await members.put(a_member("router-0"))
    with a_process("member", str(path), "router-1") as child:
        assert await asyncio.to_thread(said, child) == "put"
        assert await names(members) == {"router-0", "router-1"}
        child.kill()

        async def is_alone() -> bool:
            return await names(members) == {"router-0"}

        await eventually(is_alone)
    await members.close()


async def test_a_locked_file_moves_nobody_and_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    members, presence = SqliteMembers(path, **TIMES), SqlitePresence(path)
    here, late = a_member("router-0"), a_member("router-1")
    await members.put(here)
    with locked(path):
        async with asyncio.timeout(BOUND):
            assert await names(members) == {"router-0"}
        async with asyncio.timeout(BOUND):
            await presence.put([ANN], 60)
        async with asyncio.timeout(BOUND):
            assert await presence.get([ANN.user]) == {}
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(BOUND):
                await members.put(late)

    async def is_written() -> bool:
        return await names(members) == {"router-0", "router-1"}

    await eventually(is_written)
    await members.close()
    await presence.close()


async def test_a_file_that_takes_no_writes_makes_nobody_fall_off_the_list(tmp_path: Path) -> None:
    """A process that was stopped while it wrote: all the others' records run out."""
    path = tmp_path / "members.sqlite"
    pods = [SqliteMembers(path, **TIMES) for _ in range(3)]
    for number, members in enumerate(pods):
        await members.put(a_member(f"router-{number}"))
    everybody = {f"router-{number}" for number in range(3)}
    assert await names(pods[0]) == everybody
    loop, raw = asyncio.get_running_loop(), sqlite3.connect(path)

    def ends_ms() -> int:
        return int(raw.execute("SELECT max(ends_ms) FROM member").fetchone()[0])

    with locked(path):
        while ends_ms() > time.clock_gettime(time.CLOCK_BOOTTIME) * 1000:
            assert await names(pods[0]) == everybody
        run_out = loop.time()
        while loop.time() < run_out + 2 * TIMES["settle_s"]:
            for members in pods:
                assert await names(members) == everybody
    raw.close()
    assert await names(pods[0]) == everybody
    for members in pods:
        await members.close()


async def test_who_was_stopped_and_goes_on_does_not_take_the_place_of_its_successor(
    tmp_path: Path,
) -> None:
    path = tmp_path / "members.sqlite"
    old, new = SqliteMembers(path, **TIMES), SqliteMembers(path, **TIMES)
    former = a_member("router-0", started_ms=1)
    later = replace(former, started_ms=2, incarnation=b"another life")
    await old.put(former)
    await new.put(later)
    await old.put(former)
    await old.remove(former)
    assert list(await new.list()) == [later]
    await old.close()
    await new.close()


async def test_records_of_a_former_boot_are_nobodys(tmp_path: Path) -> None:
    """The machine's clock begins anew with each boot: these are from late in the one before."""
    path = tmp_path / "shared.sqlite"
    members, presence = SqliteMembers(path, **TIMES), SqlitePresence(path)
    await members.put(a_member("router-0"))
    await members.close()
    await presence.put([ANN], 60)
    raw = sqlite3.connect(path)
    raw.execute("UPDATE member SET ends_ms = ends_ms + 1000000000")
    raw.execute("UPDATE presence SET put_ms = put_ms + 1000000000")
    raw.commit()
    raw.close()
    late = SqliteMembers(path, **TIMES)
    assert list(await late.list()) == []
    assert await presence.get([ANN.user]) == {ANN.user: replace(ANN, status=Status.OFFLINE)}
    await late.close()
    await presence.close()


async def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    """SQLite refuses WAL mode at once, whatever its timeout, while another makes the tables."""
    files = [tmp_path / name for name in ("members", "presence", "inbox", "directory")]
    makers = [sqlite3.connect(path, isolation_level=None) for path in files]
    for maker in makers:
        maker.execute("CREATE TABLE other (x)")
        maker.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite3.connect(files[0]).execute("PRAGMA journal_mode=WAL")
    opening = [
        asyncio.create_task(asyncio.to_thread(SqliteMembers, files[0])),
        asyncio.create_task(asyncio.to_thread(SqlitePresence, files[1])),
        asyncio.create_task(asyncio.to_thread(open_inbox, files[2], 1)),
        asyncio.create_task(open_directory(f"sqlite:///{files[3]}")),
    ]
    done, _ = await asyncio.wait(opening, timeout=0.5)
    assert not done
    for maker in makers:
        maker.execute("ROLLBACK")
        maker.close()
    async with asyncio.timeout(SOON):
        for opened in await asyncio.gather(*opening):
            await opened.close()  # type: ignore[attr-defined]
