"""Which owner has which shard, and what goes to it (L7, O3).

Frames gather for one turn of the loop, and go to a link in one batch. When a link is lost or a
shard has another owner, its streams are attached again first, then all that is unanswered goes
again, oldest first, then what they watch; only then what is new.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from signet.core.errors import Code, SignetError
from signet.core.ids import Position, ShardId
from signet.core.limits import HOLDING_MISSED, OWNER_ASKED
from signet.core.link import (
    ANY_INCARNATION,
    Acked,
    Answered,
    AnySend,
    Attached,
    Detach,
    Drop,
    Holding,
    NotOwner,
    Push,
    Submit,
    ToGateway,
    ToRouter,
    ToRouterBody,
)
from signet.core.session import State
from signet.core.shards import place
from signet.gateway.holding import Held, held_for_too_long
from signet.gateway.holding import Holding as HeldSends
from signet.gateway.ownership import Owner, Ownership
from signet.gateway.renewing import Renewing
from signet.gateway.uplink import Uplink
from signet.ports.links import Routers
from signet.telemetry import metrics
from signet.v1 import convert

if TYPE_CHECKING:
    from signet.gateway.hub import Hub
    from signet.gateway.session import Session

log = structlog.get_logger()

_SLOW_ANSWER = 0.5  # seconds after which an unanswered send counts as held


class Owners:
    """All links of a gateway. Nothing here waits."""

    def __init__(self, hub: "Hub", routers: Routers) -> None:
        self._hub, self._routers = hub, routers
        self._uplinks: dict[str, Uplink] = {}
        self._unlisted: set[str] = set()  # not on the list any more, and holding shards
        self._cluster = False  # each router says what it holds; no one has everything
        self._active: Mapping[str, str] = {}
        self._placed: dict[ShardId, str] | None = None
        self._known: Ownership[Uplink] = Ownership()
        self._streams: dict[ShardId, dict[int, Session]] = {}
        self._watchers: dict[int, Session] = {}
        self._watch_again: set[ShardId] = set()
        self._unowned: dict[
            ShardId, float
        ] = {}  # wanted and nobody's: since when, or since it was asked for
        self._acks: dict[int, tuple[ShardId, Position]] = {}
        self._flushing = False
        self.held: HeldSends[Session] = HeldSends(hub.config.hold_time, hub.config.hold_bytes)
        self._renewing = Renewing()
        self._on: dict[type, Callable[..., None]] = {
            Attached: self._attached,
            Answered: self._answered,
            Drop: hub.dropped,
        }

    # --- links --------------------------------------------------------------------------------

    def follow(self, addresses: Iterable[str], active: Mapping[str, str] | None = None) -> None:
        """Keep a link to each of these routers.

        `active`: name and address of those that shards are placed on; None: there is no members'
        list, and a single router has everything. One that is not on the list any more keeps its
        link while it holds shards: a list is a hint (L6), a link that speaks is none.
        """
        wanted = set(addresses)
        self._cluster = self._cluster or active is not None
        if active != self._active:
            self._active, self._placed = active or {}, None
        if self._cluster or len(wanted) > 1:
            self._known.only = None
        self._unlisted = {a for a in self._uplinks.keys() - wanted if self._is_owner(a)}
        for address in self._uplinks.keys() - wanted - self._unlisted:
            self._uplinks.pop(address).stop()
        for address in wanted - self._uplinks.keys():
            uplink = Uplink(self._routers, address, self._hub.config.name, self)
            self._uplinks[address] = uplink
            uplink.start()

    def _is_owner(self, address: str) -> bool:
        return self._known.has_any(self._uplinks[address])

    def _let_go(self, address: str) -> None:
        """A router that is not on the list holds nothing any more."""
        if address in self._unlisted and not self._is_owner(address):
            self._unlisted.discard(address)
            self._uplinks.pop(address).stop()

    async def close(self) -> None:
        """Detach all, hand over what waits, close the links."""
        self._flush()
        self._unlisted = set()  # links that end now let nothing go
        uplinks, self._uplinks = list(self._uplinks.values()), {}
        for uplink in uplinks:
            uplink.stop()
        await asyncio.gather(*(uplink.wait() for uplink in uplinks))

    @property
    def ready(self) -> bool:
        """Whether at least one router answers."""
        return any(uplink.is_open for uplink in self._uplinks.values())

    @property
    def links(self) -> int:
        """How many routers answer."""
        return sum(uplink.is_open for uplink in self._uplinks.values())

    def opened(self, uplink: Uplink) -> None:
        """A link is there. A single router has everything, even before it says what it holds."""
        if len(self._uplinks) == 1 and not self._cluster:
            self._known.only = Owner(uplink)
            self._moved(None)

    def lost(self, uplink: Uplink) -> None:
        """A link is gone, and what was on it is unknown."""
        self._known.lost(uplink)
        for held in self.held.all():
            if held.uplink is uplink:
                held.uplink = None
        self._let_go(uplink.address)

    # --- to owners ----------------------------------------------------------------------------

    def attach(self, session: "Session") -> None:
        """Attach a stream at its owner: now, or as soon as there is one."""
        frame, shard = session.attach_frame(), session.shard
        if frame is not None and shard is not None:
            self._streams.setdefault(shard, {})[session.number] = session
            self.tell(shard, frame)

    def send(self, session: "Session", request: int, send: AnySend) -> None:
        """Hold a send until it is answered. Raises SignetError: there is no room (P7)."""
        shard = session.recipient_shard(send.to)
        held = self.held.add(session, request, shard, send, session.heard)
        self._submit(held)

    def _submit(self, held: "Held[Session]") -> None:
        if held.session.state is State.CLOSED:  # its device sends it again on its next stream
            self.held.answered(held.ticket)
            return
        owner = self._known.of(held.shard)
        if owner is not None:
            self._submit_to(owner, held)

    def _submit_to(self, owner: "Owner[Uplink]", held: "Held[Session]") -> None:
        held.uplink = owner.link
        self._put(owner, held.shard, Submit(held.ticket, held.session.address, held.send))

    def tell(self, shard: ShardId, body: ToRouterBody) -> bool:
        """Anything that a new owner is told anew by `_moved`; False: dropped, there is none."""
        owner = self._known.of(shard)
        if owner is not None:
            self._put(owner, shard, body)
        return owner is not None

    def detach(self, session: "Session") -> None:
        """Its stream is gone. A router that has just named nobody may keep the shard after all.

        It ends what the stream watches there, too.
        """
        shard, frame = session.shard, Detach(session.number)
        if shard is None:
            return
        if all(self._known.of(one) is not None for one in {shard, *session.watching}):
            self.tell(shard, frame)
            return
        for uplink in self._uplinks.values():
            uplink.waiting.append(ToRouter(shard, frame))
        if self._uplinks:
            self._flush_soon()

    def watches(self, session: "Session") -> None:
        """It watches somebody: new owners are told so."""
        self._watchers[session.number] = session

    def acked(self, session: "Session", up_to: Position) -> None:
        """The highest of a turn goes: an acknowledgement includes those below it."""
        if session.shard is None:
            return
        known = self._acks.get(session.number)
        if known is None or up_to > known[1]:
            self._acks[session.number] = (session.shard, up_to)
            self._flush_soon()

    def leaving(self, session: "Session") -> None:
        """What it acknowledged goes before its Detach, or nobody is told DELIVERED."""
        known = self._acks.pop(session.number, None)
        if known is not None:
            self.tell(known[0], Acked(session.number, known[1]))
        self._watchers.pop(session.number, None)
        streams = self._streams.get(session.shard) if session.shard is not None else None
        if streams is not None and session.shard is not None:
            streams.pop(session.number, None)
            if not streams:
                del self._streams[session.shard]

    def _put(self, owner: "Owner[Uplink]", shard: ShardId, body: ToRouterBody) -> None:
        owner.link.waiting.append(ToRouter(shard, body, owner.incarnation, owner.epoch))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        acks, self._acks = self._acks, {}
        for number, (shard, up_to) in acks.items():
            self.tell(shard, Acked(number, up_to))
        self._flushing = False
        for uplink in self._uplinks.values():
            uplink.flush()

    # --- from owners --------------------------------------------------------------------------

    def deliver(self, uplink: Uplink, frames: Sequence[ToGateway]) -> None:
        """A batch off a link, in order."""
        sessions = self._hub.sessions
        for frame in frames:
            if type(frame) is Push:
                session = sessions.get(frame.session)
                if session is not None:
                    session.write(frame.frame)
            elif isinstance(frame, Holding):
                self._holding(uplink, frame)
            elif isinstance(frame, NotOwner):
                self._not_owner(uplink, frame)
            else:
                self._on[type(frame)](frame)

    def _attached(self, frame: Attached) -> None:
        session = self._hub.sessions.get(frame.session)
        if session is not None:
            session.attached(frame.acknowledged)

    def _answered(self, frame: Answered) -> None:
        held = self.held.answered(frame.ticket)
        if held is None:
            return
        answer = frame.answer
        if answer.code is None:
            metrics.SENT_SECONDS.observe(self._hub.clock() - held.since)
        else:
            self._hub.refused(answer.code)
        held.session.write(convert.answer_frame(held.request, answer))

    def _holding(self, uplink: Uplink, frame: Holding) -> None:
        """Every second: what this router holds. What is new or has another epoch has moved."""
        moved = self._known.holding(uplink, frame.incarnation, frame.shards)
        uplink.heard(self._hub.clock(), frame.incarnation)
        if moved:
            self._moved(moved)
        self._let_go(uplink.address)

    def _not_owner(self, uplink: Uplink, frame: NotOwner) -> None:
        """What the router read in the row is believed, if it is newer than what is known."""
        owner = frame.owner or ANY_INCARNATION
        found = [u for u in self._uplinks.values() if owner and u.incarnation == owner]
        named = found[0] if found else None
        if self._known.not_owner(uplink, frame.shard, frame.epoch, named, owner):
            self._moved({frame.shard})

    def _moved(self, shards: "set[ShardId] | None") -> None:
        """New owners (None: of everything): attach, send again; with the next tick, watch again."""
        for shard in list(self._streams if shards is None else shards):
            for session in list(self._streams.get(shard, {}).values()):
                self.attach(session)
        for held in self.held.all():
            if shards is None or held.shard in shards:
                self._submit(held)
        if shards is None:
            shards = {shard for s in self._watchers.values() for shard in s.watching}
        self._watch_again |= shards

    def _say_watches(self) -> None:
        """Not at once, but once for all shards that moved in a tick: presence may be late (P8)."""
        again, self._watch_again = self._watch_again, set()
        for session in list(self._watchers.values()) if again else ():
            for shard in again & session.watching:
                session.say_watch(shard)

    # --- questions ----------------------------------------------------------------------------

    def _ask(self, now: float) -> None:
        """What is wanted and has had no owner for a while: ask where it is placed (L7).

        By the oldest of what waits: who holds the shard takes it, another names the owner.
        """
        oldest: dict[ShardId, Held[Session]] = {}
        for held in self.held.all():
            oldest.setdefault(held.shard, held)
        lost = {s for s in oldest.keys() | self._streams.keys() if self._known.of(s) is None}
        self._unowned = {shard: self._unowned.get(shard, now) for shard in lost}
        for shard, since in self._unowned.items():
            if now - since >= OWNER_ASKED:
                self._unowned[shard] = now
                self._ask_for(shard, oldest.get(shard))

    def _ask_for(self, shard: ShardId, send: "Held[Session] | None") -> None:
        if self._placed is None:
            self._placed = place(self._hub.config.shards, sorted(self._active))
        uplink = self._uplinks.get(self._active.get(self._placed.get(shard, ""), ""))
        if uplink is None:
            return
        if send is not None:
            self._submit_to(Owner(uplink), send)
        for session in list(self._streams.get(shard, {}).values())[:1]:
            frame = session.attach_frame()
            if frame is not None:
                self._put(Owner(uplink), shard, frame)

    # --- time ---------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Refuse what was held for too long; give up links that say nothing (L7)."""
        for held in self.held.overdue(now):
            self._hub.refused(Code.STORE_UNAVAILABLE)
            refusal: SignetError = held_for_too_long()
            held.session.write(convert.answer_frame(held.request, held.refusal(refusal)))
        self._ask(now)
        self._say_watches()
        metrics.HELD_SENDS.set(self.held.older(now - _SLOW_ANSWER))
        metrics.HELD_BYTES.set(self.held.bytes)
        self._renewing.step(now, self._uplinks.values())
        for uplink in self._uplinks.values():
            if uplink.silent(now, HOLDING_MISSED):
                log.warning("a router has not said what it holds; the link is opened again")
                uplink.reset()
