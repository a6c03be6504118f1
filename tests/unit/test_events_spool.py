"""Audit events on disk: none is lost by a crash, a full disk or a file that was emptied."""

from pathlib import Path

import pytest

from signet.adapters.events_spool import EMPTY_FROM, LINES, SENT, Spool

ROOM = 100 * 1024 * 1024


def lines(spool: Spool) -> list[bytes]:
    return [line for line, _ in spool.read()]


def test_lines_are_read_in_order_until_they_are_sent(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    assert spool.append(b"one")
    assert spool.append(b"two")
    assert lines(spool) == [b"one", b"two"]
    assert lines(spool) == [b"one", b"two"]
    spool.sent(spool.read()[0][1])
    assert lines(spool) == [b"two"]
    spool.close()


def test_a_next_process_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    first = Spool(tmp_path, ROOM)
    first.append(b"one")
    first.append(b"two")
    first.sent(first.read()[0][1])
    first.close()
    second = Spool(tmp_path, ROOM)
    assert lines(second) == [b"two"]
    second.close()


def test_a_line_that_was_not_written_whole_is_cut_off(tmp_path: Path) -> None:
    first = Spool(tmp_path, ROOM)
    first.append(b"one")
    first.close()
    with (tmp_path / LINES).open("ab") as file:
        file.write(b"hal")
    second = Spool(tmp_path, ROOM)
    second.append(b"two")
    assert lines(second) == [b"one", b"two"]
    second.close()


def test_one_process_has_the_folder(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    with pytest.raises(ValueError, match="another process"):
        Spool(tmp_path, ROOM)
    spool.close()


def test_what_has_no_room_is_refused_and_room_comes_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10)
    assert spool.append(b"12345678")
    assert not spool.append(b"12345678")
    spool.sent(spool.read()[-1][1])
    assert spool.append(b"12345678")
    spool.close()


def test_a_file_that_was_sent_whole_is_emptied(tmp_path: Path) -> None:
    spool = Spool(tmp_path, ROOM)
    while spool.waiting < EMPTY_FROM:
        spool.append(b"x" * 10_000)
    while found := spool.read():
        spool.sent(found[-1][1])
    assert (tmp_path / LINES).stat().st_size == 0
    spool.append(b"next")
    assert lines(spool) == [b"next"]
    spool.close()


def test_a_crash_between_emptying_and_noting_it_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / LINES).write_bytes(b"")
    (tmp_path / SENT).write_text("1048580")
    spool = Spool(tmp_path, ROOM)
    spool.append(b"next")
    assert lines(spool) == [b"next"]
    spool.close()
