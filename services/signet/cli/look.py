"""How the command line looks: colours, ticks, times and names, in one place."""

import sys
from datetime import datetime

from rich.console import Console
from rich.text import Text
from rich.theme import Theme

from signet.client import Online, Status
from signet.core.ids import UserId, show

THEME = Theme(
    {
        "me": "bold green",
        "peer": "bold cyan",
        "quiet": "bright_black",
        "good": "green",
        "bad": "bold red",
        "warn": "yellow",
        "copy": "bold white",
        "read": "bright_cyan",
    }
)
TICKS = {
    Status.FAILED: ("✗", "bad"),
    Status.PENDING: ("…", "quiet"),
    Status.SENT: ("✓", "quiet"),
    Status.DELIVERED: ("✓✓", "quiet"),
    Status.READ: ("✓✓", "read"),
}
WORDS = {
    Status.FAILED: "failed",
    Status.PENDING: "waiting to be sent",
    Status.SENT: "sent",
    Status.DELIVERED: "delivered",
    Status.READ: "read",
}


def console(stderr: bool = False) -> Console:
    """Colours on a terminal, plain text elsewhere; long lines are left to whoever reads."""
    return Console(
        theme=THEME, stderr=stderr, highlight=False, soft_wrap=True, emoji=False, file=None
    )


def styled(markup: str) -> Text:
    """Markup with the names of THEME, as a text that textual draws."""
    text = Text.from_markup(markup)
    for span in list(text.spans):
        style = THEME.styles.get(str(span.style))
        if style is not None:
            text.stylize(style, span.start, span.end)
    text.spans = [span for span in text.spans if str(span.style) not in THEME.styles]
    return text


def is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def tick(status: Status) -> str:
    """The ticks of an outgoing message, as rich markup."""
    mark, style = TICKS[status]
    return f"[{style}]{mark}[/]"


def short(user: UserId) -> str:
    """How somebody is called whose name is not known here."""
    return show(user)[:8]


def clock(unix_ms: int) -> str:
    """Hours and minutes, local time."""
    return datetime.fromtimestamp(unix_ms / 1000).strftime("%H:%M")


def presence(status: Online, last_seen_ms: int, now_ms: int) -> str:
    """`online`, `away`, or when somebody was last seen."""
    if status is Online.ONLINE:
        return "online"
    if status is Online.AWAY:
        return "away"
    return f"last seen {ago(now_ms - last_seen_ms)}" if last_seen_ms else "offline"


def size(count: int) -> str:
    """A number of bytes in a person's words."""
    for unit, word in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f} {word}"
    return f"{count} bytes"


def ago(elapsed_ms: int) -> str:
    """A length of time in a person's words."""
    seconds = max(0, elapsed_ms // 1000)
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {word}{'s' if count > 1 else ''} ago"
    return "just now"
