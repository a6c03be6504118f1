"""Drives the outboxes: seals what is not encrypted yet, transmits, and keeps what was answered.

The order is signet.core.outbox's business. Nothing is transmitted before it is durable with the
ratchet state it used up.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import structlog

from signet.client import sealing
from signet.client.account import Keys
from signet.client.device_store import DeviceStore, Tx
from signet.client.errors import IdentityNotTrusted, NotFound, ServerUnreachable
from signet.client.groups import sealing as group_sealing
from signet.client.groups.directory import GroupDirectory
from signet.client.groups.sealing import Renumbered
from signet.client.sealing import Self
from signet.client.store.outgoing import Row
from signet.core.backoff import Backoff
from signet.core.errors import RULES, Code, Retry, SignetError
from signet.core.groups import GroupId
from signet.core.ids import MessageId, UserId
from signet.core.limits import SEND_BACKOFF_CAP
from signet.core.outbox import Completed, Effect, Failed, Outbox, Seal, Transmit, WakeAt
from signet.e2e import E2eError
from signet.v1.messaging_pb2 import (
    Answer,
    ClientFrame,
    DeviceMismatch,
    GroupSend,
    Refusal,
    Send,
)

log = structlog.get_logger()

MOST_CORRECTIONS = 3
"""WRONG_DEVICES, or WRONG_GROUP, in a row before the sender backs off: the server's list may be
on its way."""


@dataclass(frozen=True, slots=True)
class Result:
    """A send that came to its end. `code` None with `failed`: RETRY_LIMIT is over."""

    row: Row
    failed: bool = False
    code: Code | None = None


@dataclass(slots=True)
class _Conversation:
    group: bool = False
    outbox: Outbox = field(default_factory=Outbox)
    rows: dict[int, Row] = field(default_factory=dict)
    sends: dict[int, Send | GroupSend] = field(default_factory=dict)
    wrong: Refusal | None = None
    corrections: int = 0
    fetches: int = 0
    sealing: asyncio.Task[None] | None = None
    waking: asyncio.TimerHandle | None = None


class Sender:
    """One for each client. `ended` gets results, `identity_changed` people; both must not wait."""

    def __init__(
        self,
        *,
        store: DeviceStore,
        me: Self,
        keys: Keys,
        transmit: Callable[[ClientFrame], None],
        ended: Callable[[list[Result]], None],
        identity_changed: Callable[[UserId], None],
    ) -> None:
        self._store, self._me, self._keys = store, me, keys
        self._transmit, self._ended, self._identity_changed = transmit, ended, identity_changed
        self._conversations: dict[UserId, _Conversation] = {}
        self._peers: dict[MessageId, UserId] = {}
        self._open = False

    def add(self, rows: Iterable[Row]) -> None:
        """Durable sends, each conversation's in order; they go out when they can."""
        touched = dict.fromkeys(row.peer for row in rows if self._take(row))
        for peer in touched:
            self._pump(peer)

    def opened(self) -> None:
        """A stream is there."""
        self._open = True
        for peer, conversation in list(self._conversations.items()):
            self._do(peer, conversation.outbox.opened(self._now()))

    def lost(self) -> None:
        """It is gone."""
        self._open = False
        for conversation in self._conversations.values():
            conversation.outbox.lost()

    def answered(self, answer: Answer) -> None:
        """The server's answer to a send (fleeting ones have none that matters)."""
        peer = self._peers.get(MessageId(answer.message_id))
        if peer is not None:
            self._answered(peer, self._conversations[peer], answer)

    def retry(self, peer: UserId) -> None:
        """Something that held a conversation up is gone: consent was given, time has passed."""
        if peer in self._conversations:
            self._pump(peer)

    def pump_all(self) -> None:
        """Give up what is over its limit, also while there is no stream."""
        for peer in list(self._conversations):
            self._pump(peer)

    async def refresh(self, peer: UserId) -> None:
        """Fetch a person's bundles now; what it finds is reported. Never raises for a refusal."""
        try:
            await self._fetch(peer)
        except (SignetError, ServerUnreachable, E2eError, IdentityNotTrusted) as error:
            log.info("bundles were not fetched", why=type(error).__name__)

    async def close(self) -> None:
        """Stop sealing. What waits is durable."""
        tasks = []
        for conversation in self._conversations.values():
            if conversation.waking is not None:
                conversation.waking.cancel()
            if conversation.sealing is not None:
                conversation.sealing.cancel()
                tasks.append(conversation.sealing)
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- effects ----------------------------------------------------------------------------

    def _now(self) -> float:
        return self._me.environment.now()

    def _take(self, row: Row) -> bool:
        conversation = self._conversations.get(row.peer)
        if conversation is None:
            conversation = self._conversations[row.peer] = _Conversation(row.group)
            if self._open:
                conversation.outbox.opened(self._now())
        if row.ordinal in conversation.rows or row.id in self._peers:
            return False
        conversation.rows[row.ordinal] = row
        self._peers[row.id] = row.peer
        if row.sealed is not None:
            conversation.sends[row.ordinal] = _read(row)
        conversation.outbox.add(row.ordinal, row.queued_at, sealed=row.sealed is not None)
        return True

    def _pump(self, peer: UserId) -> None:
        self._do(peer, self._conversations[peer].outbox.pump(self._now()))

    def _do(self, peer: UserId, effects: list[Effect]) -> None:
        conversation = self._conversations[peer]
        results: list[Result] = []
        for effect in effects:
            match effect:
                case Transmit(ordinal, base):
                    send = conversation.sends[ordinal]
                    send.base = base
                    self._transmit(_frame(send))
                case Seal():
                    self._start_sealing(peer, conversation, effect.ordinals)
                case Completed(ordinal):
                    conversation.corrections = conversation.fetches = 0
                    results.append(Result(self._forget(conversation, ordinal)))
                case Failed(ordinal, code):
                    row = self._forget(conversation, ordinal)
                    results.append(Result(row, failed=True, code=code))
                case WakeAt(at):
                    self._wake_at(peer, conversation, at)
        if results:
            self._ended(results)

    def _forget(self, conversation: _Conversation, ordinal: int) -> Row:
        conversation.sends.pop(ordinal, None)
        row = conversation.rows.pop(ordinal)
        self._peers.pop(row.id, None)
        return row

    def _wake_at(self, peer: UserId, conversation: _Conversation, at: float) -> None:
        if conversation.waking is not None:
            conversation.waking.cancel()
        loop = asyncio.get_running_loop()
        conversation.waking = loop.call_later(max(0.0, at - self._now()), self._pump, peer)

    def _answered(self, peer: UserId, conversation: _Conversation, answer: Answer) -> None:
        now, outbox = self._now(), conversation.outbox
        if answer.WhichOneof("outcome") == "sent":
            return self._do(peer, outbox.sent(answer.ordinal, now))
        refused = answer.refused
        code = _code(refused.code)
        if code in (Code.WRONG_DEVICES, Code.WRONG_GROUP):
            conversation.wrong = refused
            conversation.sends.pop(answer.ordinal, None)
            conversation.corrections += 1
            if conversation.corrections > MOST_CORRECTIONS:
                outbox.hold(now + self._wait(conversation.corrections))
        wait = self._wait(outbox.refusals, refused.retry_after_ms / 1000)
        return self._do(peer, outbox.refused(answer.ordinal, code, now, wait))

    def _wait(self, failures: int, retry_after: float = 0.0) -> float:
        chance = self._me.environment.chance()
        return Backoff(failures).failed(self._now(), chance, retry_after, SEND_BACKOFF_CAP)[0]

    # --- sealing ----------------------------------------------------------------------------

    def _start_sealing(
        self, peer: UserId, conversation: _Conversation, ordinals: tuple[int, ...]
    ) -> None:
        if conversation.sealing is None or conversation.sealing.done():
            work = self._seal(peer, conversation, ordinals)
            conversation.sealing = asyncio.create_task(work)
            conversation.sealing.add_done_callback(partial(self._sealing_over, peer, conversation))

    async def _seal(
        self, peer: UserId, conversation: _Conversation, ordinals: tuple[int, ...]
    ) -> None:
        """Encrypt; fetch bundles first where sessions are missing. Ends in a pump, or a wait."""
        rows = await self._sealed(peer, conversation, ordinals)
        if isinstance(rows, Renumbered):
            return await self._begin_again(peer, conversation)
        if rows is None:
            return None  # held until somebody consents: `retry`
        for row in rows:
            if row.sealed is None or row.ordinal not in conversation.rows:
                continue
            conversation.rows[row.ordinal] = row
            conversation.sends[row.ordinal] = _read(row)
            conversation.outbox.sealed(row.ordinal)
        if not rows:
            conversation.fetches += 1
            conversation.outbox.hold(self._now() + self._wait(conversation.fetches))
        conversation.sealing = None
        return self._pump(peer)

    async def _sealed(
        self, peer: UserId, conversation: _Conversation, ordinals: tuple[int, ...]
    ) -> list[Row] | Renumbered | None:
        """What could be encrypted, if need be with what is fetched for it; None as `_seal_rows`."""
        wrong, conversation.wrong = conversation.wrong, None
        store, me = self._store, self._me
        if conversation.group:
            group, said = GroupId(peer), wrong.group if wrong else None
            await self._fetch_devices(group)
            rows = await store.run(
                lambda tx: group_sealing.seal_rows(tx, me, group, ordinals, said, lenient=False)
            )
            if rows:
                return rows
            await self._fetch_members(group)
            return await store.run(
                lambda tx: group_sealing.seal_rows(tx, me, group, ordinals, None, lenient=True)
            )
        devices = wrong.devices if wrong else None
        found = await store.run(lambda tx: _seal_rows(tx, me, peer, ordinals, devices))
        if found == []:
            await self._fetch_or_wait(peer, conversation)
            found = await store.run(lambda tx: _seal_rows(tx, me, peer, ordinals, None))
        return found

    async def _begin_again(self, peer: UserId, conversation: _Conversation) -> None:
        """Ordinals have changed: all that is unanswered goes anew, as after a loss (O3)."""
        rows = await self._store.run(lambda tx: tx.outgoing.all_of(peer))
        conversation.outbox, conversation.sealing = Outbox(), None
        for ordinal in list(conversation.rows):
            self._forget(conversation, ordinal)
        if self._open:
            conversation.outbox.opened(self._now())
        for row in rows:
            self._take(row)
        self._pump(peer)

    def _sealing_over(
        self, peer: UserId, conversation: _Conversation, task: "asyncio.Task[None]"
    ) -> None:
        """What sealing did not expect (the store failed, or a bug) is tried again, later."""
        if not task.cancelled() and task.exception() is not None:
            log.error("sealing failed", why=type(task.exception()).__name__)
            conversation.fetches += 1
            conversation.outbox.hold(self._now() + self._wait(conversation.fetches))
            self._pump(peer)

    async def _fetch_or_wait(self, peer: UserId, conversation: _Conversation) -> None:
        """Fetch bundles. What will never work fails the sends; else there is a next time."""
        try:
            await self._fetch(peer)
        except NotFound:
            self._fail_all(conversation, Code.UNKNOWN_RECIPIENT)
        except SignetError as error:
            if RULES[error.code].retry is Retry.NEVER:
                self._fail_all(conversation, error.code)
            else:
                conversation.outbox.hold(self._now() + error.retry_after_s)
        except E2eError as error:
            log.warning("a bundle was refused", why=type(error).__name__)
            self._fail_all(conversation, Code.BAD_SIGNATURE)
        except ServerUnreachable:
            pass

    async def _fetch_devices(self, group: GroupId) -> None:
        """Devices of the members, where none are known; else refusals say what is other."""
        if await self._store.run(lambda tx: bool(tx.group_keys.devices(group))):
            return
        try:
            devices = await GroupDirectory(self._keys).devices(group)
        except (SignetError, ServerUnreachable) as error:  # the refusal of the first try says them
            log.info("a group's devices were not fetched", why=type(error).__name__)
        else:
            await self._store.run(lambda tx: tx.group_keys.put_devices(group, devices))

    async def _fetch_members(self, group: GroupId) -> None:
        """Bundles of those who are to be told our sender key; without some of them it goes on."""
        me = self._me
        for user in await self._store.run(lambda tx: group_sealing.wanting(tx, me, group)):
            await self.refresh(user)

    async def _fetch(self, peer: UserId) -> None:
        bundles = await self._keys.bundles(peer)
        me = self._me
        if await self._store.run(lambda tx: sealing.learn_bundles(tx, me, bundles)):
            self._identity_changed(peer)

    def _fail_all(self, conversation: _Conversation, code: Code) -> None:
        results = []
        for ordinal in list(conversation.rows):
            if ordinal not in conversation.sends:
                conversation.outbox.cancel(ordinal)
                results.append(Result(self._forget(conversation, ordinal), failed=True, code=code))
        self._ended(results)


def _read(row: Row) -> Send | GroupSend:
    assert row.sealed is not None
    return GroupSend.FromString(row.sealed) if row.group else Send.FromString(row.sealed)


def _frame(send: Send | GroupSend) -> ClientFrame:
    return ClientFrame(send=send) if isinstance(send, Send) else ClientFrame(group_send=send)


def _code(number: int) -> Code:
    """A code that this client does not know yet is one that may pass."""
    try:
        return Code(number)
    except ValueError:
        return Code.INTERNAL


def _seal_rows(
    tx: Tx, me: Self, peer: UserId, ordinals: tuple[int, ...], wrong: DeviceMismatch | None
) -> list[Row] | None:
    """Seal what can be sealed; [] where bundles are missing, None where consent is."""
    if wrong is not None:
        sealing.correct(tx, me, peer, wrong)
    rows = []
    try:
        for row in tx.outgoing.of(peer, ordinals):
            sealed = sealing.seal(tx, me, row)
            if sealed is None:
                break
            rows.append(sealed)
    except IdentityNotTrusted:
        return None
    return rows
