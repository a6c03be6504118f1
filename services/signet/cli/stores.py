"""Where the device stores of this user are: one folder a person, under the XDG data folder."""

import re
from dataclasses import dataclass
from pathlib import Path

from signet.cli.failures import Exit, Problem
from signet.core.limits import MAX_USER_NAME
from signet.settings import data_home

NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{MAX_USER_NAME}}}")


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one device store, and what is in it."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "device.db"

    @property
    def socket(self) -> Path:
        """Where the program that has the store open listens for others (mode 0600)."""
        return self.folder / "control.sock"

    @property
    def exists(self) -> bool:
        return self.file.exists()

    def make(self) -> None:
        """The folder, for its owner only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def forget(self) -> None:
        """Take a store away that got no account: it would be in the way of the next try."""
        for left in self.folder.glob(f"{self.file.name}*"):
            left.unlink()
        self.folder.rmdir()


def home() -> Path:
    return data_home() / "signet"


def place(name: str | None, store: Path | None) -> Place:
    """The store that a command means: `--store`, else `--as`, else the only one there is.

    Raises:
        Problem: it is not there, or there are several.
    """
    if store is not None:
        found = Place(store.expanduser().absolute())
    elif name is not None:
        found = new_place(name, None)
    else:
        found = _only()
    if not found.exists:
        who = name or "NAME"
        raise Problem(
            "NO_ACCOUNT", f"{found.folder} holds no account", f"signet register {who}", Exit.STORE
        )
    return found


def new_place(name: str, store: Path | None) -> Place:
    """Where an account of that name is kept, whether it is there or not.

    Raises:
        Problem: the name cannot be one.
    """
    if store is not None:
        return Place(store.expanduser().absolute())
    if not NAME.fullmatch(name) or name.startswith("."):
        text = f"{name!r} is no user name"
        raise Problem("INVALID_ARGUMENT", text, "letters, digits, _ . - and no spaces", Exit.USAGE)
    return Place(home() / name)


def _only() -> Place:
    known = sorted(path.parent for path in home().glob("*/device.db"))
    match known:
        case [folder]:
            return Place(folder)
        case []:
            raise Problem("NO_ACCOUNT", "nobody is registered", "signet register NAME", Exit.STORE)
        case _:
            names = ", ".join(folder.name for folder in known)
            text = f"several people are registered here: {names}"
            raise Problem("AMBIGUOUS", text, "say who with --as NAME", Exit.USAGE)
