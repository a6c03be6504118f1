import os
import stat
from pathlib import Path

import pytest

from signet.data_folder import DataFolder, FolderInUse


def test_a_second_server_is_told_who_has_the_folder(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path / "data"), DataFolder(tmp_path / "data")
    first.lock()
    with pytest.raises(FolderInUse) as refused:
        second.lock()
    assert refused.value.pid == os.getpid()
    first.unlock()
    second.lock()
    second.unlock()


def test_the_folder_and_its_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.lock()
    folder.key("resume")
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder.path / "resume.key").stat().st_mode) == 0o600
    folder.unlock()


def test_a_key_stays_the_same_and_another_name_is_another_key(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.key("resume") == DataFolder(tmp_path).key("resume")
    assert folder.key("resume") != folder.key("other")


def test_a_broken_key_is_named_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "resume.key").write_bytes(b"short")
    with pytest.raises(ValueError, match=r"resume\.key"):
        DataFolder(tmp_path).key("resume")


def test_processes_share_the_folder_and_keep_a_server_that_wants_it_alone_out(
    tmp_path: Path,
) -> None:
    one, other, alone = (DataFolder(tmp_path / "data") for _ in range(3))
    one.share()
    other.share()
    with pytest.raises(FolderInUse) as refused:
        alone.lock()
    assert refused.value.pid == 0
    one.unlock()
    other.unlock()
    alone.lock()
    with pytest.raises(FolderInUse):
        one.share()
    alone.unlock()
