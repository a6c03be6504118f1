"""What of requirements.lock a running server needs: not the tools, not other platforms.

Images are built from it and name it in their bill of materials. The lock says versions and hashes;
which of them belong to the server, the installed distributions say of each other.
"""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PROJECT = "signet"
# What images are, whatever this machine is.
TARGET = {
    "python_version": "3.11",
    "python_full_version": "3.11.2",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}


def needed(extra: str = "") -> set[str]:
    """The names of all that the project needs, with one of its extras; canonical."""
    found: dict[str, set[str]] = {}
    _walk(PROJECT, {"", extra}, found)
    return set(found) - {PROJECT}


def _walk(name: str, extras: set[str], found: dict[str, set[str]]) -> None:
    known = found.setdefault(canonicalize_name(name), set())
    asked = extras - known
    if not asked:
        return
    known |= asked
    try:
        texts = distribution(name).requires or ()
    except PackageNotFoundError:  # images need it and this machine's Python does not: a backport
        return
    for text in texts:
        needs = Requirement(text)
        if _applies(needs, asked):
            _walk(needs.name, {"", *needs.extras}, found)


def _applies(needs: Requirement, extras: set[str]) -> bool:
    marker = needs.marker
    return marker is None or any(marker.evaluate({**TARGET, "extra": extra}) for extra in extras)


def pinned(names: set[str]) -> str:
    """Their lines of the lock, hashes and all: what pip's --require-hashes takes.

    Raises:
        ValueError: the lock lacks one.
    """
    blocks = dict(_blocks(LOCK.read_text()))
    if missing := sorted(names - set(blocks)):
        raise ValueError(f"requirements.lock lacks {', '.join(missing)}: make lock")
    return "\n".join(blocks[name] for name in sorted(names)) + "\n"


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each requirement for TARGET, with its hashes; without its marker, which has done its work."""
    for line, hashes in re.findall(r"^([^\s#].*?)((?: \\\n    --hash=\S+)+)", text, re.MULTILINE):
        needs = Requirement(line)
        if _applies(needs, {""}):
            needs.marker = None
            yield canonicalize_name(needs.name), f"{needs}{hashes}"
