"""What files are called where they are kept, and how far they have come."""

from pathlib import Path

import pytest

from signet.cli import look
from signet.cli.failures import Problem
from signet.cli.files import bar, checked, free_path, media_type, name_of
from signet.client import Attachment, Progress


def attachment(name: str = "", kind: str = "") -> Attachment:
    return Attachment("m", bytes(64), bytes(32), 1, kind, name)


def test_a_file_without_a_name_is_called_by_its_type() -> None:
    assert name_of(attachment("a.txt", "image/png")) == "a.txt"
    assert name_of(attachment("", "image/png")) == "file.png"
    assert name_of(attachment()) == "file"


def test_nothing_in_a_folder_is_overwritten(tmp_path: Path) -> None:
    for expected in ("a.txt", "a (2).txt", "a (3).txt"):
        path = free_path(tmp_path, attachment("a.txt"))
        assert path == tmp_path / expected
        path.touch()
    assert free_path(tmp_path / "a.txt", attachment("b")) == tmp_path / "a.txt"  # as was asked


@pytest.mark.parametrize(
    ("done", "shown"), [(0, "─" * 20 + "   0%"), (50, "━" * 10 + "─" * 10 + "  50%")]
)
def test_a_bar_says_how_far_it_is(done: int, shown: str) -> None:
    assert bar(Progress(done, 100)) == shown


@pytest.mark.parametrize(
    ("size", "said"),
    [(5, "5 bytes"), (1_536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (1 << 30, "1.0 GiB")],
)
def test_sizes_are_said_in_a_persons_words(size: int, said: str) -> None:
    assert look.size(size) == said


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is no file"):
        checked(tmp_path)
    assert media_type(tmp_path / "x.jpg") == "image/jpeg"
    assert media_type(tmp_path / "x.unheard") == ""
