"""Which owner has which shard, and what goes to it (L7, O3).

Frames gather for one turn of the loop, and go to a link in one batch. When a link is lost or a
shard has another owner, its streams are attached again first, then all that is unanswered goes
again, oldest first, then what they watch; only then what is new.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from signet.core.errors import Code, SignetError
from signet.core.ids import Epoch, Incarnation, Position, ShardId
from signet.core.limits import HOLDING_MISSED
from signet.core.link import (
    ANY_EPOCH,
    ANY_INCARNATION,
    Acked,
    Answered,
    Attached,
    Drop,
    Holding,
    NotOwner,
    Push,
    Send,
    Submit,
    ToGateway,
    ToRouter,
    ToRouterBody,
)
from signet.core.session import State
from signet.gateway.holding import Held, unavailable
from signet.gateway.holding import Holding as HeldSends
from signet.gateway.uplink import Uplink
from signet.ports.links import Routers
from signet.telemetry import metrics
from signet.v1 import convert

if TYPE_CHECKING:
    from signet.gateway.hub import Hub
    from signet.gateway.session import Session

log = structlog.get_logger()

_SLOW_ANSWER = 0.5  # seconds after which an unanswered send counts as held


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has a shard, as far as is known here."""

    uplink: Uplink
    incarnation: Incarnation = ANY_INCARNATION
    epoch: Epoch = ANY_EPOCH

    def has(self, uplink: Uplink, epoch: Epoch) -> bool:
        """Whether it is this one. A link's incarnation never changes."""
        return self.uplink is uplink and self.epoch == epoch


class Owners:
    """All links of a gateway. Nothing here waits."""

    def __init__(self, hub: "Hub", routers: Routers) -> None:
        self._hub, self._routers = hub, routers
        self._uplinks: dict[str, Uplink] = {}
        self._owner: dict[ShardId, Owner] = {}
        self._only: Owner | None = None  # one router has everything
        self._refused: set[ShardId] = set()  # by who was thought to be the owner
        self._acks: dict[int, tuple[ShardId, Position]] = {}
        self._flushing = False
        self.held: HeldSends[Session] = HeldSends(hub.config.hold_time, hub.config.hold_bytes)
        self._on: dict[type, Callable[..., None]] = {
            Attached: self._attached,
            Answered: self._answered,
            Drop: hub.dropped,
        }

    # --- links --------------------------------------------------------------------------------

    def follow(self, addresses: Iterable[str]) -> None:
        """Keep a link to each of these routers, and to no others."""
        wanted = set(addresses)
        if len(wanted) > 1:
            self._only = None  # each says what it holds
        for address in self._uplinks.keys() - wanted:
            self._uplinks.pop(address).stop()
        for address in wanted - self._uplinks.keys():
            uplink = Uplink(self._routers, address, self._hub.config.name, self)
            self._uplinks[address] = uplink
            uplink.start()

    async def close(self) -> None:
        """Detach all, hand over what waits, close the links."""
        self._flush()
        uplinks, self._uplinks = list(self._uplinks.values()), {}
        for uplink in uplinks:
            uplink.stop()
        await asyncio.gather(*(uplink.wait() for uplink in uplinks))

    @property
    def ready(self) -> bool:
        """Whether at least one router answers."""
        return any(uplink.is_open for uplink in self._uplinks.values())

    def opened(self, uplink: Uplink) -> None:
        """A link is there. A single router has everything, even before it says what it holds."""
        if len(self._uplinks) == 1:
            self._only = Owner(uplink)
            self._moved(None)

    def lost(self, uplink: Uplink) -> None:
        """A link is gone, and what was on it is unknown."""
        for shard in [s for s, owner in self._owner.items() if owner.uplink is uplink]:
            del self._owner[shard]
        if self._only is not None and self._only.uplink is uplink:
            self._only = None
        for held in self.held.all():
            if held.uplink is uplink:
                held.uplink = None

    # --- to owners ----------------------------------------------------------------------------

    def attach(self, session: "Session") -> None:
        """Attach a stream at its owner: now, or as soon as there is one."""
        frame, shard = session.attach_frame(), session.shard
        if frame is not None and shard is not None:
            self.tell(shard, frame)

    def send(self, session: "Session", request: int, send: Send) -> None:
        """Hold a send until it is answered. Raises SignetError: there is no room (P7)."""
        shard = session.recipient_shard(send.to)
        held = self.held.add(session, request, shard, send, session.heard)
        self._submit(held)

    def _submit(self, held: "Held[Session]") -> None:
        if held.session.state is State.CLOSED:  # its device sends it again on its next stream
            self.held.answered(held.ticket)
            return
        owner = self._owner.get(held.shard) or self._only
        if owner is not None:
            held.uplink = owner.uplink
            body = Submit(held.ticket, held.session.address, held.send)
            self._put(owner, held.shard, body)

    def tell(self, shard: ShardId, body: ToRouterBody) -> None:
        """Anything that a new owner is told anew by `_moved`: dropped while there is none."""
        owner = self._owner.get(shard) or self._only
        if owner is not None:
            self._put(owner, shard, body)

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

    def _put(self, owner: Owner, shard: ShardId, body: ToRouterBody) -> None:
        owner.uplink.waiting.append(ToRouter(shard, body, owner.incarnation, owner.epoch))
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
                self._not_owner(frame)
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
        moved = set()
        for shard, epoch in frame.shards.items():
            known = self._owner.get(shard)
            if known is not None and (known.epoch > epoch or known.has(uplink, epoch)):
                continue
            self._owner[shard] = Owner(uplink, frame.incarnation, epoch)
            if known is not None or self._only is None or shard in self._refused:
                moved.add(shard)
        self._refused -= moved
        for shard in [s for s, o in self._owner.items() if o.uplink is uplink]:
            if shard not in frame.shards:
                del self._owner[shard]
        uplink.heard(self._hub.clock(), frame.incarnation)
        if moved:
            self._moved(moved)

    def _not_owner(self, frame: NotOwner) -> None:
        """What the router read in the row is believed, if it is newer than what is known."""
        known = self._owner.get(frame.shard)
        if known is not None and known.epoch > frame.epoch:
            return
        found = [u for u in self._uplinks.values() if frame.owner and u.incarnation == frame.owner]
        if found and frame.owner is not None:
            self._owner[frame.shard] = Owner(found[0], frame.owner, frame.epoch)
            self._moved({frame.shard})
        else:
            self._owner.pop(frame.shard, None)
            self._refused.add(frame.shard)

    def _moved(self, shards: "set[ShardId] | None") -> None:
        """New owners (None: of everything): attach, send again, watch again."""
        sessions = list(self._hub.sessions.values())
        for session in sessions:
            if session.shard is not None and (shards is None or session.shard in shards):
                self.attach(session)
        for held in self.held.all():
            if shards is None or held.shard in shards:
                self._submit(held)
        for session in sessions:
            for shard, watch in session.watch_frames():
                if shards is None or shard in shards:
                    self.tell(shard, watch)

    # --- time ---------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Refuse what was held for too long; give up links that say nothing (L7)."""
        for held in self.held.overdue(now):
            self._hub.refused(Code.STORE_UNAVAILABLE)
            refusal: SignetError = unavailable()
            held.session.write(convert.answer_frame(held.request, held.refusal(refusal)))
        metrics.HELD_SENDS.set(self.held.older(now - _SLOW_ANSWER))
        metrics.HELD_BYTES.set(self.held.bytes)
        for uplink in self._uplinks.values():
            if uplink.silent(now, HOLDING_MISSED):
                log.warning("a router has not said what it holds; the link is opened again")
                uplink.reset()
