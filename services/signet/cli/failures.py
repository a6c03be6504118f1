"""What went wrong, in one line with its code and what to do; and what the shell is told.

Exit codes: 0 done · 1 a check of the product failed (demo, bench) · 2 wrong usage or settings ·
3 the server refused (the line names its code) · 4 the server cannot be reached, or has not
answered yet · 5 the store is in use, missing or does not open · 130 interrupted.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer
from rich.markup import escape

from signet.cli.look import console
from signet.client import (
    AttachmentDamaged,
    AttachmentGone,
    IdentityNotTrusted,
    LinkOver,
    NoAccount,
    NotAGroupLink,
    NotALink,
    SendRefused,
    ServerUnreachable,
    StoreFailed,
    StoreHasAccount,
    StoreInUse,
    UnknownGroup,
    UnknownMessage,
    WrongPassphrase,
)
from signet.core.errors import RULES, Code, Retry, SignetError
from signet.settings import BadSettings


class Exit(IntEnum):
    """What the shell is told; the module's text says what each means."""

    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    STORE = 5
    INTERRUPTED = 130


class Problem(Exception):
    """Something that a person can put right: a name, a sentence, and what to do."""

    def __init__(self, name: str, text: str, advice: str, status: Exit) -> None:
        super().__init__(text)
        self.name, self.text, self.advice, self.status = name, text, advice, status

    def to_json(self) -> dict[str, str | int]:
        return {
            "error": self.name,
            "detail": self.text,
            "advice": self.advice,
            "status": int(self.status),
        }

    @staticmethod
    def from_json(told: dict[str, str | int]) -> "Problem":
        status = Exit(int(told["status"]))
        return Problem(str(told["error"]), str(told["detail"]), str(told["advice"]), status)


_CODES = {
    Code.USER_NAME_TAKEN: "choose another name",
    Code.NOT_FOUND: "check the spelling; people can be found only if they registered and allow it",
    Code.DISPLACED: "another program uses this device; close it, then come back",
    Code.DEVICE_REMOVED: "register again, under another --store",
    Code.ACCOUNT_DELETED: "register anew, under another --store",
    Code.REGISTRATION_REFUSED: "ask the server's operator for an invitation (signet invite)",
    Code.UNSUPPORTED_VERSION: "update signet",
    Code.LOCKED: "the account has a registration lock: give its PIN with --pin",
    Code.MEDIA_TOO_LARGE: "send a smaller one, or in pieces",
    Code.GROUP_CHANGED: "somebody else changed the group; try again",
    Code.GROUP_FULL: "a group has at most 100 members",
    Code.LAST_ADMINISTRATOR: "make somebody else an administrator first: signet group admin",
    Code.NOT_A_MEMBER: "ask an administrator to add you",
    Code.DEVICE_LIMIT: "remove a device first: signet devices remove N",
}
_RETRIES = {
    Retry.NEVER: "the same again would fail again",
    Retry.CHANGED: "change what the code names, then try again",
    Retry.LATER: "try again later",
    Retry.NOW: "try again",
}
_CLIENT: dict[type[Exception], tuple[str, str, Exit]] = {
    StoreInUse: ("STORE_IN_USE", "another signet has it open; close that one", Exit.STORE),
    WrongPassphrase: ("WRONG_PASSPHRASE", "the store needs its own passphrase", Exit.STORE),
    StoreHasAccount: ("STORE_EXISTS", "choose another --store", Exit.STORE),
    NoAccount: ("NO_ACCOUNT", "signet register NAME", Exit.STORE),
    NotAGroupLink: ("NOT_A_GROUP_LINK", "copy all of the link, and quote it", Exit.USAGE),
    UnknownGroup: ("UNKNOWN_GROUP", "signet group list shows those you are in", Exit.USAGE),
    NotALink: ("NOT_A_LINK", "copy all that the new device shows", Exit.USAGE),
    LinkOver: ("LINK_OVER", "show a new link: signet link NAME", Exit.REFUSED),
    StoreFailed: ("STORE_FAILED", "is the disk full?", Exit.STORE),
    ServerUnreachable: ("UNREACHABLE", "does it run? start one with: signet run", Exit.UNREACHABLE),
    IdentityNotTrusted: ("IDENTITY_CHANGED", "compare with signet keys PEER", Exit.REFUSED),
    AttachmentDamaged: ("ATTACHMENT_DAMAGED", "ask for it again", Exit.REFUSED),
    AttachmentGone: ("ATTACHMENT_GONE", "ask for it again", Exit.REFUSED),
    UnknownMessage: ("UNKNOWN_MESSAGE", "there is no such message here", Exit.USAGE),
}


def problem_of(error: Exception) -> Problem | None:
    """What a person is told about an exception; None for a bug, which keeps its traceback."""
    match error:
        case Problem():
            return error
        case SignetError(code=code):
            return _refused(code, error.detail, error.retry_after_s)
        case SendRefused(code=code):
            if code is not None:
                return _refused(code, "", 0)
            return Problem("FAILED", str(error), "send it again", Exit.REFUSED)
        case BadSettings():
            return Problem("SETTINGS", str(error), "signet settings lists them", Exit.USAGE)
    known = _CLIENT.get(type(error))
    return Problem(known[0], str(error), known[1], known[2]) if known else None


def _refused(code: Code, detail: str, retry_after_s: float) -> Problem:
    rule = RULES[code]
    advice = _CODES.get(code, _RETRIES[rule.retry])
    if retry_after_s:
        advice = f"{advice} (in {retry_after_s:.0f} s)"
    return Problem(code.name, detail or rule.meaning, advice, Exit.REFUSED)


def tell(problem: Problem, as_json: bool = False) -> None:
    """One line for a person, or one object for a program, on standard error."""
    if as_json:
        print(json.dumps(problem.to_json()), file=sys.stderr)
        return
    line = f"[bad]{problem.name}[/]: {escape(problem.text)} [quiet]→ {escape(problem.advice)}[/]"
    console(stderr=True).print(line)


@contextmanager
def explained(as_json: bool = False) -> Iterator[None]:
    """Turn what a person can put right into one line and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            raise
        tell(problem, as_json)
        raise typer.Exit(problem.status) from None
