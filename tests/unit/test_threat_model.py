"""protos/threat-model.md: what cannot be done is shown by a test that is there."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "protos/threat-model.md").read_text()
LINK = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SECTIONS = (
    "The server, and whoever runs it",
    "The network",
    "A thief of the database",
    "A thief of a token, a device or its store",
    "Somebody one talks to",
    "A malicious member of a group",
)


def tables(text: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Each table by the first word of its head, and its rows' cells."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [
            [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            for line in block.splitlines()
        ]
        yield lines[0][0], lines[2:]


CANNOT = [row for head, rows in tables(TEXT) if head == "cannot" for row in rows]


@cache
def found_in(file: str) -> set[str]:
    path = ROOT / file
    if not path.exists():
        return set()
    found = ast.walk(ast.parse(path.read_text()))
    return {node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_each_adversary_can_do_something_and_cannot_do_something() -> None:
    for section in SECTIONS:
        part = TEXT.split(f"\n## {section}\n")[1].split("\n## ")[0]
        heads = [head for head, rows in tables(part) if rows]
        assert {"can", "cannot"} <= set(heads), f"{section}: one of the two is missing"


@pytest.mark.parametrize("row", CANNOT, ids=[row[0][:60] for row in CANNOT])
def test_what_cannot_be_done_is_shown_by_a_test_that_is_there(row: list[str]) -> None:
    claim, shown_by = row
    shown = LINK.findall(shown_by)
    assert shown, f"nothing shows that nobody can {claim}"
    assert LINK.sub("", shown_by).replace(",", "").strip() == "", "a test, and nothing else"
    for file, name in shown:
        assert name.startswith("test_")
        assert name in found_in(file), f"{file} has no {name}"


def test_a_cannot_without_a_test_would_be_noticed() -> None:
    assert len(CANNOT) > 40
    assert found_in("tests/unit/no_such_file.py") == set()
    assert "test_no_such_test" not in found_in("tests/unit/test_threat_model.py")
