"""What `signet cluster up` makes of its flags, before anything is started."""

from pathlib import Path

import pytest

from signet import settings as table
from signet.cli.cluster import Kept, environment_of, stores_of
from signet.cli.failures import Exit, Problem
from signet.settings import STORES


def test_embedded_stores_are_embedded_whatever_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIGNET_DIRECTORY", "postgresql://elsewhere/x")
    assert stores_of(Kept.EMBEDDED, table.load(), {}) == dict.fromkeys(STORES, "")


def test_one_store_may_be_named_among_embedded_ones() -> None:
    settings = table.load(events="log:")
    assert stores_of(Kept.EMBEDDED, settings, {"events": "log:"})["events"] == "log:"


def test_real_stores_are_taken_from_flags_environment_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "signet.toml"
    file.write_text(
        'directory = "postgresql://h/d"\ninbox = "cassandra://h/k"\npresence = "redis://h"\n'
    )
    monkeypatch.setenv("SIGNET_EVENTS", "kafka://h:9092")
    settings = table.load(file, members="redis://h")
    urls = stores_of(Kept.REAL, settings, {"members": "redis://h"})
    assert {name: url for name, url in urls.items() if url} == {
        "directory": "postgresql://h/d",
        "inbox": "cassandra://h/k",
        "presence": "redis://h",
        "events": "kafka://h:9092",
        "members": "redis://h",
    }


def test_real_stores_that_are_not_named_are_refused_by_name() -> None:
    with pytest.raises(Problem, match="inbox, directory, members, presence") as refused:
        stores_of(Kept.REAL, table.load(events="log:"), {"events": "log:"})
    assert refused.value.status is Exit.USAGE


def test_settings_of_the_file_reach_every_process(tmp_path: Path) -> None:
    file = tmp_path / "signet.toml"
    file.write_text('send_rate = 5.5\nlog_level = "debug"\n')
    told = environment_of(table.load(file))
    assert told["SIGNET_SEND_RATE"] == "5.5"
    assert told["SIGNET_LOG_LEVEL"] == "debug"
    assert "SIGNET_SEND_BURST" not in told


def test_what_processes_inherit_anyway_is_not_told_them_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "key"
    secret.write_text("A" * 43 + "=")
    monkeypatch.setenv("SIGNET_RESUME_KEY_FILE", str(secret))
    monkeypatch.setenv("SIGNET_SEND_RATE", "7")
    assert environment_of(table.load()) == {}
