"""What can be written in a chat: text, or a command that starts with a slash. Pure."""

from dataclasses import dataclass

HELP = (
    ("/reply TEXT", "answer their last message; /reply 2 TEXT the one before it, and so on"),
    (
        "/react 👍",
        "to their last message; /react 2 👍 to the one before; /react without takes back",
    ),
    ("/edit TEXT", "change what you wrote last"),
    ("/delete", "take back what you wrote last"),
    ("/file PATH TEXT", "send a file, with a text or without; quote a path that has spaces"),
    ("/save PATH", "keep the file that they sent last; /save 2 PATH the one before; without: here"),
    ("/timer 60", "messages disappear so many seconds after they were read; 0: never"),
    ("/safety", "the safety number: compare it with theirs, then /verify"),
    ("/consent", "take their new identity key, after comparing"),
    ("/block", "hear nothing more of them; /unblock"),
    ("/help", "this list"),
    ("/quit", "leave; what you wrote still goes out when you come back"),
)


class NotUnderstood(ValueError):
    """The line starts with a slash and is none of the commands; the text says what is."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send a text. `reply_to` counts their messages from the last, 1; 0: no reply."""

    text: str
    reply_to: int = 0


@dataclass(frozen=True, slots=True)
class React:
    """An empty emoji takes the reaction back."""

    emoji: str
    to: int = 1


@dataclass(frozen=True, slots=True)
class Edit:
    text: str


@dataclass(frozen=True, slots=True)
class SendFile:
    path: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Save:
    """`which` counts their messages with files from the last, 1. '' is the current folder."""

    path: str
    which: int = 1


@dataclass(frozen=True, slots=True)
class Timer:
    seconds: int


@dataclass(frozen=True, slots=True)
class Plain:
    """A command without arguments, by its name."""

    name: str


Command = Say | React | Edit | SendFile | Save | Timer | Plain
_PLAIN = {"delete", "safety", "verify", "consent", "block", "unblock", "help", "quit"}


def parse(line: str) -> Command | None:
    """What a line asks for; None for an empty one. `//` starts a text with a slash.

    Raises:
        NotUnderstood: the command is unknown, or lacks something.
    """
    line = line.strip()
    if not line:
        return None
    if line.startswith("//") or not line.startswith("/"):
        return Say(line.removeprefix("/") if line.startswith("//") else line)
    name, _, rest = line[1:].partition(" ")
    rest = rest.strip()
    if name in _PLAIN:
        return Plain(name)
    return _with_arguments(name, rest)


def _with_arguments(name: str, rest: str) -> Command:
    match name:
        case "reply":
            count, text = _counted(rest)
            return Say(_needed(text, "/reply TEXT"), count)
        case "react":
            count, emoji = _counted(rest)
            return React(emoji, count)
        case "edit":
            return Edit(_needed(rest, "/edit TEXT"))
        case "file":
            path, text = _quoted(_needed(rest, "/file PATH TEXT"))
            return SendFile(path, text)
        case "save":
            which, path = _counted(rest) if " " in rest else _only_count(rest)
            return Save(_quoted(path)[0] if path[:1] in "\"'" else path, which)
        case "timer":
            if not rest.isdecimal():
                raise NotUnderstood("/timer SECONDS, as in /timer 60")
            return Timer(int(rest))
        case _:
            raise NotUnderstood(f"/{name} is none of the commands; /help lists them")


def _counted(rest: str) -> tuple[int, str]:
    """`2 TEXT` → (2, TEXT); `TEXT` → (1, TEXT)."""
    first, _, after = rest.partition(" ")
    if first.isdecimal() and int(first) > 0 and after.strip():
        return int(first), after.strip()
    return 1, rest


def _only_count(rest: str) -> tuple[int, str]:
    """`2` → (2, ''); `PATH` → (1, PATH)."""
    return (int(rest), "") if rest.isdecimal() and int(rest) > 0 else (1, rest)


def _quoted(rest: str) -> tuple[str, str]:
    """`"A PATH" TEXT` → (A PATH, TEXT); `PATH TEXT` → (PATH, TEXT)."""
    for quote in "\"'":
        if rest.startswith(quote) and quote in rest[1:]:
            path, _, text = rest[1:].partition(quote)
            return path, text.strip()
    path, _, text = rest.partition(" ")
    return path, text.strip()


def _needed(text: str, usage: str) -> str:
    if not text:
        raise NotUnderstood(usage)
    return text
