"""One conversation, whatever it looks like: what is shown, and what the lines typed do.

`Talk` keeps the messages, the presence and the connection; a screen draws them when `changed`
says so, and the plain mode prints what `news` says.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from signet.cli import commands, look
from signet.cli.commands import (
    Command,
    Edit,
    NotUnderstood,
    Plain,
    React,
    Save,
    Say,
    SendFile,
    Timer,
)
from signet.cli.failures import problem_of
from signet.cli.host import Host
from signet.cli.shown import name
from signet.cli.transfers import Transfers
from signet.client import (
    BlockChanged,
    ConnectionChanged,
    ConnectionState,
    DecryptionFailed,
    Deleted,
    DeviceAdded,
    DeviceDropped,
    Edited,
    Event,
    GroupAction,
    GroupChanged,
    GroupDistrusted,
    GroupReceipts,
    IdentityChanged,
    Message,
    MessageReceived,
    MessagesExpired,
    MessageSynced,
    Online,
    PeerChanged,
    PresenceChanged,
    ProfileChanged,
    ReactionReceived,
    ReceiptChanged,
    SendFailed,
    TimerChanged,
    TypingChanged,
    UpdateNeeded,
)
from signet.core.errors import Code
from signet.core.ids import MessageId, UserId

HISTORY = 200  # messages that a chat starts with
TYPING_GOES = 6.0  # seconds after which "typing" is over without another word of it
TYPING_AGAIN = 3.0  # seconds after which we say again that we type


GROUP_WORDS = {
    GroupAction.FOUND: "know of the group on this device, too",
    GroupAction.CREATED: "made the group",
    GroupAction.ADDED: "added {}",
    GroupAction.REMOVED: "removed {}",
    GroupAction.LEFT: "left",
    GroupAction.JOINED: "joined by the link",
    GroupAction.ADMINISTRATOR: "made {} an administrator",
    GroupAction.NO_ADMINISTRATOR: "made {} no administrator any more",
    GroupAction.LINK: "made a link",
    GroupAction.NO_LINK: "ended the link",
    GroupAction.PROFILE: "gave the group its name",
}


class Quit(Exception):
    """/quit was typed."""


@dataclass(frozen=True, slots=True)
class Told:
    """A line that is no message: what happened, or the answer to a command."""

    text: str
    style: str = "quiet"


News = Message | Told


class Talk:
    """A conversation with one person, or a group. `on_news` gets each message (again, when it
    changed).
    """

    def __init__(self, host: Host, peer: UserId, peer_name: str) -> None:
        self.host, self.client = host, host.client
        self.peer, self.peer_name = peer, peer_name
        self.messages: dict[MessageId, Message] = {}
        self.counts: dict[MessageId, str] = {}  # how many of a group have a message of ours
        self._names: dict[UserId, str] = {}
        self._is_group = False
        self.presence = ""
        self.typing = False
        self.online = False
        self.connection = "connecting …"
        self.transfers = Transfers(self.client, self._transfer_changed)
        self.on_news: Callable[[News], None] = lambda _: None
        self.on_status: Callable[[], None] = lambda: None
        self._seen: tuple[Online, int] | None = None
        self._typing_ends: asyncio.TimerHandle | None = None
        self._said_typing = 0.0

    # --- what happens -----------------------------------------------------------------------

    async def begin(self) -> list[Message]:
        """The history so far; their presence is watched from now on."""
        history = await self.client.history(self.peer, HISTORY)
        self.messages = {message.id: message for message in history}
        self._is_group = await self.client.is_group(self.peer)
        if self._is_group:
            for message in history:
                await self._learn_name(message.author)
        else:
            await self.client.watch([self.peer])
        await self._read_all()
        return history

    def who(self, message: Message) -> str:
        """Who wrote it; in a group by the name that they have here."""
        return self._names.get(message.author, self.peer_name) if self._is_group else self.peer_name

    async def _learn_name(self, user: UserId) -> None:
        if user not in self._names:
            self._names[user] = await name(self.client, user)

    async def follow(self) -> None:
        """Until the client is closed."""
        async for event in self.host.follow():
            await self.apply(event)

    async def apply(self, event: Event) -> None:
        match event:
            case (
                MessageReceived(message=message)
                | MessageSynced(message=message)
                | Edited(message=message)
                | DecryptionFailed(message=message)
                | UpdateNeeded(message=message)
            ):
                await self._arrived(message)
            case ReceiptChanged(peer=self.peer, message_ids=changed):
                await self._refresh(*changed)
            case ReactionReceived(peer=self.peer, message_id=one):
                await self._refresh(one)
            case Deleted(peer=self.peer, message_id=one):
                await self._refresh(one)
            case GroupReceipts(peer=self.peer, message_id=one):
                self.counts[one] = f" [quiet]{event.delivered}/{event.recipients}[/]"
                if one in self.messages:
                    self.on_news(self.messages[one])
            case GroupChanged(peer=self.peer):
                await self._group_changed(event)
            case SendFailed(peer=self.peer, message_id=one, code=code):
                await self._refresh(one)
                why = code.name if code else "not accepted in time"
                self.on_news(Told(f"not sent: {why}", "bad"))
            case ConnectionChanged():
                self._connection(event)
            case PresenceChanged(peer=self.peer, status=status, last_seen_ms=seen):
                self._seen = status, seen
                self.refresh_presence()
            case TypingChanged(peer=self.peer, started=started):
                self._typing(started)
            case _:
                self._notice(event)

    def refresh_presence(self) -> None:
        """Again as time goes by: "2 minutes ago"."""
        if self._seen is not None:
            now = int(time.time() * 1000)
            self.presence = look.presence(self._seen[0], self._seen[1], now)
            self.on_status()

    async def _arrived(self, message: Message) -> None:
        if message.peer != self.peer:
            if message.outgoing:  # from another device of ours
                return
            who = await name(self.client, message.peer)
            is_group = await self.client.is_group(message.peer)
            news = f"there is news in {who}" if is_group else f"{who} wrote to you"
            self.on_news(Told(f"{news}: signet chat {who}"))
            return
        self._typing(False)
        await self._learn_name(message.author)
        await self._refresh(message.id)
        await self._read_all()

    async def _group_changed(self, event: GroupChanged) -> None:
        who = await name(self.client, event.author)
        about = ", ".join([await name(self.client, user) for user in event.users])
        self.on_news(Told(f"{who} {GROUP_WORDS[event.action].format(about)}"))

    async def _refresh(self, *ids: MessageId) -> None:
        """Look the messages up again, and show what has changed."""
        for one in ids:
            message = await self.client.message(one)
            if self.messages.get(one) != message:
                self.messages[one] = message
                self.on_news(message)

    async def _read_all(self) -> None:
        await self.client.mark_read(self.peer)

    def _connection(self, event: ConnectionChanged) -> None:
        words = {
            ConnectionState.CONNECTING: "connecting …",
            ConnectionState.ONLINE: "",
            ConnectionState.WAITING: f"no server; again in {event.retry_in_s:.0f} s",
            ConnectionState.DISPLACED: "another program uses this device; /quit, then come back",
            ConnectionState.REMOVED: "the account was deleted"
            if event.code is Code.ACCOUNT_DELETED
            else "this device was removed from the account",
            ConnectionState.CLOSED: f"closed: {event.code.name}" if event.code else "closed",
        }
        self.online = event.state is ConnectionState.ONLINE
        self.connection = words[event.state]
        self.on_status()

    def _typing(self, started: bool) -> None:
        if self._typing_ends is not None:
            self._typing_ends.cancel()
        if started:
            loop = asyncio.get_running_loop()
            self._typing_ends = loop.call_later(TYPING_GOES, self._typing, False)
        if started is not self.typing:
            self.typing = started
            self.on_status()

    def _notice(self, event: Event) -> None:
        match event:
            case IdentityChanged(peer=self.peer):
                text = f"{self.peer_name}'s safety number changed: /safety to compare, /consent"
                self.on_news(Told(text, "warn"))
            case PeerChanged(peer=self.peer):
                self.on_news(Told(f"{self.peer_name}'s devices changed"))
            case BlockChanged(peer=self.peer, blocked=blocked):
                word = "blocked" if blocked else "unblocked"
                self.on_news(Told(f"{self.peer_name} is {word}, by another device of yours"))
            case TimerChanged(peer=self.peer, seconds=seconds):
                self.on_news(Told(_timer(seconds)))
            case DeviceAdded(device_ids=devices):
                text = f"your account has a new device ({devices[0]}): yours? signet devices"
                self.on_news(Told(text, "warn"))
            case ProfileChanged(peer=self.peer, name=shown):
                self.on_news(Told(f"{self.peer_name} shows another name: {shown}"))
            case DeviceDropped(device_ids=devices):
                self.on_news(Told(f"device {devices[0]} is not of your account any more"))
            case GroupDistrusted(peer=self.peer):
                text = "the server showed a change that nobody with the right to it made: ignored"
                self.on_news(Told(text, "bad"))
            case MessagesExpired(count=count):
                text = f"{count or 'some'} messages were not fetched in time and are gone"
                self.on_news(Told(text, "warn"))

    # --- what is typed ----------------------------------------------------------------------

    async def type(self, line: str) -> None:
        """Do what a line asks for. Raises Quit."""
        await self._explained(self._type(line))

    async def _type(self, line: str) -> None:
        command = commands.parse(line)
        if command is not None:
            await self._do(command)

    async def _explained(self, work: Coroutine[Any, Any, None]) -> None:
        """What goes wrong is told. Raises Quit."""
        try:
            await work
        except NotUnderstood as error:
            self.on_news(Told(str(error), "warn"))
        except Quit:
            raise
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            self.on_news(Told(f"{problem.name}: {problem.text} → {problem.advice}", "bad"))

    async def now_typing(self) -> None:
        """A key was pressed: say so, now and then."""
        now = time.monotonic()
        if now - self._said_typing > TYPING_AGAIN and self.online:
            self._said_typing = now
            await self.client.typing(self.peer)

    async def _do(self, command: Command) -> None:
        match command:
            case Say(text=text, reply_to=count):
                self._said_typing = 0.0
                reply = self._theirs(count).id if count else None
                message = await self.client.send(self.peer, text, reply_to=reply)
                await self._refresh(message.id)
            case React(emoji=emoji, to=count):
                target = self._theirs(count)
                await self.client.react(target.id, emoji)
                await self._refresh(target.id)
            case Edit(text=text):
                await self.client.edit(self._own().id, text)
                await self._refresh(self._own().id)
            case SendFile(path=path, text=text):
                self.transfers.begin(self._explained(self._send_file(Path(path), text)))
            case Save(path=path, which=count):
                self.transfers.begin(self._explained(self._save(count, Path(path))))
            case Timer(seconds=seconds):
                await self.client.set_disappearing_timer(self.peer, seconds)
                self.on_news(Told(_timer(seconds)))
            case Plain(name=which):
                await self._plain(which)

    def _transfer_changed(self) -> None:
        self.on_status()  # whoever draws may have come later

    async def _send_file(self, path: Path, text: str) -> None:
        self._said_typing = 0.0
        message = await self.transfers.send(self.peer, path, text)
        await self._refresh(message.id)

    async def _save(self, count: int, to: Path) -> None:
        message = self._latest(
            count, lambda one: not one.outgoing and bool(one.attachments), "they have sent no file"
        )
        async for path in self.transfers.save(message, to):
            self.on_news(Told(f"saved: {path}", "good"))

    async def _plain(self, which: str) -> None:
        match which:
            case "delete":
                own = self._own()
                await self.client.delete(own.id)
                await self._refresh(own.id)
            case "safety":
                number = await self.client.safety_number(self.peer)
                self.on_news(Told(f"safety number with {self.peer_name}:", "copy"))
                for row in number_rows(number):
                    self.on_news(Told(f"  {row}", "copy"))
            case "verify":
                await self.client.verify(self.peer)
                self.on_news(Told(f"{self.peer_name} is verified", "good"))
            case "consent":
                await self.client.consent(self.peer)
                self.on_news(Told("their new key is taken", "good"))
            case "block" | "unblock":
                await (self.client.block if which == "block" else self.client.unblock)(self.peer)
                self.on_news(Told(f"{self.peer_name} is {which}ed", "good"))
            case "help":
                for usage, meaning in commands.HELP:
                    self.on_news(Told(f"{usage:<12} {meaning}"))
            case "quit":
                raise Quit

    def _theirs(self, count: int) -> Message:
        return self._latest(count, lambda message: not message.outgoing, "they have not written")

    def _own(self) -> Message:
        return self._latest(1, lambda message: message.outgoing, "you have not written anything")

    def _latest(self, count: int, which: Callable[[Message], bool], none: str) -> Message:
        found = [message for message in self.messages.values() if which(message)]
        if len(found) < count:
            raise NotUnderstood(none)
        return found[-count]


def number_rows(number: str) -> list[str]:
    """60 digits as people compare them: three rows of four groups of five."""
    groups = [number[at : at + 5] for at in range(0, len(number), 5)]
    return [" ".join(groups[at : at + 4]) for at in range(0, len(groups), 4)]


def _timer(seconds: int) -> str:
    if not seconds:
        return "messages do not disappear any more"
    return f"messages disappear {seconds} s after they were read"
