"""Messages as lines of text with rich markup: the same in the screen and in the plain mode."""

from rich.markup import escape

from signet.cli import files, look
from signet.client import Kind, Message
from signet.core.ids import UserId

NAMES = {
    Kind.UNDECRYPTABLE: "could not be read; asked for again",
    Kind.UPDATE_NEEDED: "was written for a newer signet: update",
    Kind.DELETED: "taken back",
}


def body(message: Message) -> str:
    """What stands where the text is, with what was answered and how people reacted."""
    if message.kind in NAMES:
        return f"[quiet]({NAMES[message.kind]})[/]"
    parts = []
    if message.quote:
        parts.append(f"[quiet]↪ “{escape(message.quote)}”[/]")
    for attachment in message.attachments:
        what = f"{files.name_of(attachment)}, {look.size(attachment.size)}"
        parts.append(f"[copy]▣ {escape(what)}[/]")
    parts.append(escape(message.text))
    if message.edited:
        parts.append("[quiet](edited)[/]")
    if message.reactions:
        parts.append(" ".join(escape(emoji) for _, emoji in message.reactions))
    return " ".join(filter(None, parts))


def line(message: Message, own: UserId, own_name: str, peer_name: str, counts: str = "") -> str:
    """Time, who, text, and the ticks of one's own; `counts` says how many of a group have it."""
    time = f"[quiet]{look.clock(message.received_ms)}[/]"
    if message.author == own:
        ticks = look.tick(message.status) + counts
        return f"{time} [me]{escape(own_name)}[/]  {body(message)}  {ticks}"
    return f"{time} [peer]{escape(peer_name)}[/]  {body(message)}"
