"""A chat that fills the terminal: who and their presence above, messages, a line to type below."""

import asyncio
from typing import ClassVar

from rich.markup import escape
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input, Static

from signet.cli import lines, look
from signet.cli.talk import News, Quit, Talk, Told
from signet.core.ids import MessageId

AGO_EVERY = 20.0  # seconds after which "2 minutes ago" is looked at again


class Line(Static):
    """One message, or something that was told."""


class ChatScreen(App[None]):
    """Draws a `Talk`."""

    CSS = """
    Screen { background: $background; }
    #who { dock: top; height: 1; padding: 0 1; background: $boost; }
    #messages { padding: 0 1; scrollbar-size-vertical: 1; }
    #state { dock: bottom; height: 1; padding: 0 1; color: $text-muted; }
    #typed { dock: bottom; border: round $primary; margin-bottom: 1; height: 3; }
    Line { margin: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+d", "leave", "leave", priority=True)
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, talk: Talk) -> None:
        super().__init__()
        self._talk = talk
        self._lines: dict[MessageId, Line] = {}
        talk.on_news = self._news
        talk.on_status = self._draw_status

    def compose(self) -> ComposeResult:
        yield Static(id="who")
        yield VerticalScroll(id="messages")
        yield Input(placeholder="write something, Enter sends · /help", id="typed")
        yield Static(id="state")

    async def on_mount(self) -> None:
        for message in await self._talk.begin():
            self._news(message)
        if not self._lines:
            self._news(
                Told(f"Say hello to {self._talk.peer_name}. /help lists what else you can do.")
            )
        self._following = asyncio.create_task(self._talk.follow())
        self.set_interval(AGO_EVERY, self._talk.refresh_presence)
        self._draw_status()
        self.query_one(Input).focus()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        event.input.value = ""
        try:
            await self._talk.type(event.value)
        except Quit:
            self.action_leave()

    async def on_input_changed(self, event: Input.Changed) -> None:
        if event.value and not event.value.startswith("/"):
            await self._talk.now_typing()

    def action_leave(self) -> None:
        self._following.cancel()
        self.exit()

    def _news(self, news: News) -> None:
        if isinstance(news, Told):
            self._add(Line(look.styled(f"[{news.style}]{escape(news.text)}[/]")))
            return
        own, own_name = self._talk.client.user_id, self._talk.client.user_name
        who, counts = self._talk.who(news), self._talk.counts.get(news.id, "")
        text = look.styled(lines.line(news, own, own_name, who, counts))
        if known := self._lines.get(news.id):
            known.update(text)
        else:
            self._lines[news.id] = Line(text)
            self._add(self._lines[news.id])

    def _add(self, line: Line) -> None:
        messages = self.query_one("#messages", VerticalScroll)
        messages.mount(line)
        messages.scroll_end(animate=False)

    def _draw_status(self) -> None:
        talk = self._talk
        beside = "typing …" if talk.typing else talk.presence if talk.online else ""
        who = f"[bold cyan]{escape(talk.peer_name)}[/]  [quiet]{beside}[/]"
        self.query_one("#who", Static).update(look.styled(who))
        connected = f"[warn]{talk.connection}[/]" if talk.connection else "[good]●[/] connected"
        ticks = escape(talk.transfers.shown) or "✓ sent  ✓✓ delivered  [read]✓✓[/] read"
        self.query_one("#state", Static).update(look.styled(f"{connected}   [quiet]{ticks}[/]"))
