"""A URL names an adapter; an unknown one is refused with those there are."""

import time
from pathlib import Path

import pytest

from signet.adapters import open as adapters
from signet.adapters.events_log import LoggedEvents
from signet.adapters.events_sqlite import SqliteEvents
from signet.adapters.inbox_sqlite import SqliteInbox
from signet.adapters.members_sqlite import SqliteMembers
from signet.adapters.presence_sqlite import SqlitePresence
from signet.ports.events import Events
from signet.ports.members import Members
from signet.ports.presence import PresenceStore


async def test_embedded_urls_open_embedded_adapters(tmp_path: Path) -> None:
    inbox = adapters.open_inbox(f"sqlite:///{tmp_path}/in%20box.sqlite", 8)
    directory = await adapters.open_directory(f"sqlite:///{tmp_path}/directory.sqlite")
    blobs = adapters.open_blobs(f"file://{tmp_path}/blobs")
    try:
        assert isinstance(inbox, SqliteInbox)
        assert (tmp_path / "in box.sqlite").exists()
        assert len(await inbox.shards()) == 8
        assert isinstance(adapters.open_events("log:", tmp_path), LoggedEvents)
        assert await adapters.open_members("memory:").list() == []
        assert await adapters.open_presence("memory:", time.monotonic).get([]) == {}
        assert (await adapters.open_rate_limits("memory:").hit("a", "b", 1, 1)).allowed
    finally:
        await inbox.close()
        await directory.close()
        await blobs.close()


async def test_one_sqlite_file_may_hold_what_processes_of_a_machine_share(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.sqlite"
    opened: list[Members | PresenceStore | Events] = [
        adapters.open_members(url),
        adapters.open_presence(url, time.monotonic),
        adapters.open_events(url, tmp_path / "spool"),
    ]
    assert [type(one) for one in opened] == [SqliteMembers, SqlitePresence, SqliteEvents]
    for one in opened:
        await one.close()


@pytest.mark.parametrize(
    ("port", "call"),
    [
        ("inbox", lambda: adapters.open_inbox("redis://x", 8)),
        ("members", lambda: adapters.open_members("file:///x")),
        ("presence", lambda: adapters.open_presence("kafka://x", time.monotonic)),
        ("rate limits", lambda: adapters.open_rate_limits("file:///x")),
        ("events", lambda: adapters.open_events("http://x", Path())),
        ("blobs", lambda: adapters.open_blobs("http://x")),
        ("push", lambda: adapters.open_push("https://x")),
    ],
)
def test_an_unknown_url_is_refused_and_says_what_there_is(port: str, call: object) -> None:
    assert callable(call)
    with pytest.raises(adapters.UnknownStore, match=f"{port}: nothing is known of .*; there is"):
        call()
