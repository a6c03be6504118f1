"""One client's stream: performs what core/session.py decides, the same for both transports.

No task, no queue and no timer a stream: frames go on from here at once, time-outs come from the
hub's wheel, and what is unanswered is in holding.py.
"""

from collections.abc import KeysView
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from signet.core import limits
from signet.core.buckets import Bucket
from signet.core.errors import Code, SignetError
from signet.core.ids import START, DeviceAddress, Position, SessionId, ShardId, UserId
from signet.core.link import Attach, ReadAfter, SetStatus, ToRouterBody, WatchUsers
from signet.core.resume import Resume
from signet.core.session import Do, Input, State, step
from signet.core.shards import shard_of
from signet.gateway.edge import Edge
from signet.v1 import convert
from signet.v1 import messaging_pb2 as pb

if TYPE_CHECKING:
    from signet.gateway.hub import Hub

log = structlog.get_logger()

_INPUTS = {
    "hello": Input.HELLO,
    "send": Input.REQUEST,
    "group_send": Input.REQUEST,
    "ack": Input.REQUEST,
    "read": Input.REQUEST,
    "heartbeat": Input.HEARTBEAT,
    "set_presence": Input.REQUEST,
    "watch": Input.REQUEST,
    "bye": Input.BYE,
}
_SENDS = ("send", "group_send")
_LIVE = (State.ACTIVE, State.DRAINING)


class Session:
    """`number` is the gateway's own, never used twice. Times are seconds of the hub's clock."""

    __slots__ = (
        "_attach", "_edge", "_frames", "_hello_request", "_hub", "_position",
        "_resumed", "_since", "_watching", "_written", "alarm", "heard", "heartbeat", "id",
        "number", "shard", "slow", "state", "told", "transport",
    )  # fmt: skip

    def __init__(self, hub: "Hub", edge: Edge, number: int, transport: str) -> None:
        self._hub, self._edge = hub, edge
        self.number, self.transport = number, transport
        self.state = State.OPENED
        self.heard = self._since = hub.clock()
        self.heartbeat = 0.0
        self.id = SessionId(b"")
        self.alarm = 0.0  # when the wheel rings for it
        self.slow = False  # more is pending than the network takes at once
        self.told = ""  # of which gateway it was told that it belongs there
        self.shard: ShardId | None = None
        self._attach: Attach | None = None
        self._position = START
        self._frames: Bucket | None = None
        self._hello_request = 0
        self._resumed = False
        self._written = 0
        self._watching: dict[ShardId, tuple[UserId, ...]] = {}

    # --- from the client ----------------------------------------------------------------------

    @property
    def max_frame(self) -> int:
        """Bytes of a frame: strangers may cost less."""
        return limits.MAX_FRAME if self._attach else limits.MAX_HELLO

    def receive(self, data: bytes) -> None:
        """One frame off the wire. Never raises."""
        if self.state is State.CLOSED:
            return
        self.heard = self._hub.clock()
        self._hub.frames_in += 1
        try:
            if len(data) > self.max_frame:
                raise SignetError(Code.FRAME_TOO_LARGE)
            self._handle(convert.parse(data))
        except SignetError as error:
            self.fault(error)
        except Exception:
            log.exception("a frame was not handled")
            self.fault(SignetError(Code.INTERNAL))

    def _handle(self, frame: pb.ClientFrame) -> None:
        kind = frame.WhichOneof("body")
        what = _INPUTS.get(kind or "", Input.UNKNOWN)
        then = step(self.state, what)
        if then.do is Do.CARRY:
            self._carry(kind or "", frame)
        elif then.do is Do.GREET:
            self._greet(frame.request, frame.hello)
            self.state = then.state
            self._hub.watch_time(self)
            self._hub.owners.attach(self)
        elif then.do is Do.CLOSE:
            self.end(then.code or Code.INTERNAL)
        elif then.do is Do.BEAT:
            if self._may(frame.request):
                self.write(convert.heartbeat_frame(frame.request))
        elif then.do is Do.REFUSE and self._may(frame.request):
            self._refuse(frame.request, SignetError(Code.UNSUPPORTED_FRAME))

    def _greet(self, request: int, hello: pb.Hello) -> None:
        """S2, S4. Raises SignetError, which closes."""
        self._position = convert.check_hello(hello)
        address, resume = self._hub.identify(hello)
        asked = hello.heartbeat_seconds or limits.HEARTBEAT
        config = self._hub.config
        self.heartbeat = min(max(asked, config.heartbeat_min), config.heartbeat_max)
        self._hello_request, self._resumed = request, resume is not None
        self.shard = shard_of(address.device.user, self._hub.config.shards)
        self._attach = Attach(
            self.number,
            address,
            hello.connection_counter,
            self._position,
            limits.WINDOW_ITEMS,
            limits.WINDOW_BYTES,
            int(self.heartbeat),
            frozenset(hello.capabilities),
            resume.counter if resume else None,
        )
        self._since = self.heard

    def _carry(self, kind: str, frame: pb.ClientFrame) -> None:
        if kind in _SENDS:
            self._send(frame.request, getattr(frame, kind))
        elif kind == "ack":
            self._ack(frame.request, frame.ack)
        elif self._may(frame.request):
            try:
                self._request(kind, frame)
            except SignetError as error:
                self._refuse(frame.request, error)

    def _send(self, request: int, wire: pb.Send | pb.GroupSend) -> None:
        """Each gets one Answer (M1)."""
        hub = self._hub
        try:
            send = convert.any_send_of(wire)
            wait = hub.sends.take(self.address.device, self.heard)
            if wait:
                raise SignetError(Code.RATE_LIMITED, retry_after_s=wait)
            hub.owners.send(self, request, send)
        except SignetError as error:
            hub.refused(error.code)
            self.write(convert.send_refused_frame(request, wire, error))

    def _ack(self, request: int, wire: pb.Ack) -> None:
        """Not limited by a bucket: as many as there are items, and gathered for a turn."""
        try:
            up_to = convert.acked(wire)
        except SignetError as error:
            self._refuse(request, error)
            return
        self._position = max(self._position, up_to)
        self._hub.owners.acked(self, up_to)

    def _request(self, kind: str, frame: pb.ClientFrame) -> None:
        if kind == "read":
            after = convert.position(frame.read.after, "after")
            self._to_owner(ReadAfter(self.number, after))
        elif kind == "set_presence":
            self._to_owner(SetStatus(self.number, convert.status(frame.set_presence)))
        else:
            self._watch(convert.watched(frame.watch))

    def _watch(self, users: tuple[UserId, ...]) -> None:
        """Each shard gets its part of the whole set; shards that have none any more are told so.

        That of a shard whose owner is not known now is told when it is: a router that keeps a
        shard after all goes on with what it was told before.
        """
        if pb.CAPABILITY_PRESENCE not in self.capabilities:
            raise SignetError(Code.INVALID_ARGUMENT, "CAPABILITY_PRESENCE was not announced")  # T4
        wanted: dict[ShardId, list[UserId]] = {}
        for user in users:
            wanted.setdefault(shard_of(user, self._hub.config.shards), []).append(user)
        gone = self._watching.keys() - wanted.keys()
        self._watching = dict.fromkeys(gone, ())
        self._watching |= {shard: tuple(those) for shard, those in wanted.items()}
        self._hub.owners.watches(self)
        for shard in list(self._watching):
            self.say_watch(shard)

    def say_watch(self, shard: ShardId) -> None:
        """Tell a shard's owner, where it is known, whom to watch there."""
        told = self._hub.owners.tell(shard, self._watch_frame(shard))
        if told and not self._watching[shard]:
            del self._watching[shard]

    @property
    def watching(self) -> KeysView[ShardId]:
        """The shards of those whom it watches, and those that are still to be told: nobody."""
        return self._watching.keys()

    def _watch_frame(self, shard: ShardId) -> WatchUsers:
        """Whom it watches in a shard."""
        return WatchUsers(self.number, self.address, self._watching[shard])

    def _to_owner(self, body: ToRouterBody) -> None:
        if self.shard is not None:
            self._hub.owners.tell(self.shard, body)

    def _may(self, request: int) -> bool:
        """The bucket of frames other than sends and acknowledgements."""
        config = self._hub.config
        if self._frames is None:
            self._frames = Bucket(config.frame_burst, self.heard)
        wait = self._frames.take(self.heard, config.frame_burst, config.frame_rate)
        if wait:
            self._refuse(request, SignetError(Code.RATE_LIMITED, retry_after_s=wait))
        return not wait

    def _refuse(self, request: int, error: SignetError) -> None:
        self._hub.refused(error.code)
        self.write(convert.refused_frame(request, error))

    # --- from the owner -----------------------------------------------------------------------

    @property
    def address(self) -> DeviceAddress:
        """Whose stream it is; only after Hello."""
        assert self._attach is not None
        return self._attach.address

    def recipient_shard(self, to: UserId) -> ShardId:
        """Where sends to a user go."""
        return shard_of(to, self._hub.config.shards)

    @property
    def capabilities(self) -> frozenset[int]:
        return self._attach.capabilities if self._attach else frozenset()

    def attach_frame(self) -> Attach | None:
        """What attaches it: at first, or again at a new owner, from what it has acknowledged."""
        if self._attach is None or self.state in (State.OPENED, State.CLOSED):
            return None
        if self.state is State.GREETING:
            return self._attach
        return replace(self._attach, position=self._position, resume_counter=None, again=True)

    def attached(self, acknowledged: Position) -> None:
        """The owner follows the inbox, and the connection counter is durable (O4)."""
        then = step(self.state, Input.ATTACHED)
        if then.do is not Do.WELCOME:
            return
        self.state = then.state
        self.id = self._hub.new_session_id()
        frame = convert.welcome_frame(
            request=self._hello_request,
            session=self.id,
            resume_token=self.resume_token(),
            resumed=self._resumed,
            heartbeat_s=int(self.heartbeat),
            better_address=self._hub.strays.welcome(self),
            server_time_ms=self._hub.now_ms(),
            acknowledged=acknowledged,
        )
        self._hub.greeted(self, resumed=self._resumed)
        self.write(frame)

    def resume_token(self) -> bytes:
        """For this connection's counter; good for RESUME_TTL from now (S4)."""
        assert self._attach is not None
        expires_ms = self._hub.now_ms() + int(limits.RESUME_TTL * 1000)
        resume = Resume(self._attach.address, self._attach.counter, self.id, expires_ms)
        return self._hub.issue(resume)

    def write(self, frame: bytes) -> None:
        """A serialised ServerFrame to the client, if it is still there."""
        if self.state is not State.CLOSED:
            self._hub.frames_out += 1
            self._written += len(frame)
            self._edge.write(frame)
            if self.slow and self._edge.pending > self._hub.config.max_pending:
                self.fault(SignetError(Code.SLOW_READER))

    @property
    def pending(self) -> int:
        """Bytes that the network has not taken yet."""
        return self._edge.pending

    @property
    def taken(self) -> int:
        """Bytes that it has taken, near enough to see progress (S6)."""
        return self._written - self._edge.pending

    # --- ends ---------------------------------------------------------------------------------

    def fault(self, error: SignetError) -> None:
        """Close with the error's code."""
        if step(self.state, Input.FAULT).do is Do.CLOSE:
            self.end(error.code, error.retry_after_s, error.detail)

    def happens(self, what: Input) -> None:
        """Anything that has no more to it than its name."""
        then = step(self.state, what)
        if then.do is Do.CLOSE:
            late = then.code is Code.STORE_UNAVAILABLE
            self.end(then.code or Code.INTERNAL, limits.HELD_RETRY_AFTER if late else 0.0)
        elif then.do is Do.FORGET:
            self._gone()
        else:
            self.state = then.state

    def move(self, why: Input, to: str, after_s: float) -> None:
        """Ask it to move: DRAIN or STRAY (S7). Without the capability it is closed by a drain (T4).

        `to` is an address of its transport, '' for the entry address.
        """
        then = step(self.state, why)
        if then.do is Do.CLOSE:
            self.end(then.code or Code.DRAINING)
        elif then.do is Do.MOVE and pb.CAPABILITY_RECONNECT in self.capabilities:
            self.state = then.state
            self.write(convert.reconnect_frame(to, after_s, self.resume_token()))
        elif then.do is Do.MOVE and why is Input.DRAIN:
            self.end(Code.DRAINING)

    def end(self, code: Code, retry_after_s: float = 0.0, detail: str = "") -> None:
        """One Close, the last thing on the stream (T5)."""
        if self.state is State.CLOSED:
            return
        frame = convert.close_frame(code, retry_after_s, detail)
        self._hub.closed(code)
        self._gone()
        self._edge.finish(frame, code, retry_after_s)

    def _gone(self) -> None:
        greeted = self.state in _LIVE
        self.state = State.CLOSED
        if self._attach is not None:
            self._hub.owners.leaving(self)
            self._hub.owners.detach(self)
            self._watching = dict.fromkeys(self._watching, ())
            for shard in list(self._watching):
                self.say_watch(shard)
        self._hub.left(self, greeted=greeted)

    # --- time ---------------------------------------------------------------------------------

    def deadline(self) -> float:
        """When to look at it next."""
        config = self._hub.config
        if self.state is State.OPENED:
            return self._since + config.hello_timeout
        if self.state is State.GREETING:
            return self._since + config.hold_time
        return self.heard + self.heartbeat * limits.HEARTBEATS_MISSED

    def expired(self) -> None:
        """The deadline has passed."""
        if self.state is State.OPENED:
            self.happens(Input.HELLO_LATE)
        elif self.state is State.GREETING:
            self.happens(Input.OWNER_LATE)
        else:
            self.happens(Input.SILENT)
