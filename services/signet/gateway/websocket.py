"""The stream over WebSocket (picows): one binary message a frame, subprotocol `signet.v1`.

Whatever is refused is refused after the upgrade, by a `Close` frame with its code and then the
WebSocket close of that code, because browsers see nothing before it (T2); only where there is no
room for a handshake, an HTTP answer says it (turning_away.py). Compression is never
negotiated. Frames of one turn of the loop leave in one system call: uvloop gathers writes.
"""

import asyncio
from typing import Any

import picows
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in its stubs

from signet.core import limits
from signet.core.addresses import FORWARDED
from signet.core.errors import RULES, Code, SignetError
from signet.core.session import Input, State
from signet.gateway.accepting import Acceptor
from signet.gateway.hub import Hub
from signet.gateway.session import Session
from signet.v1 import convert

PATH = b"/v1/connect"
SUBPROTOCOL = "signet.v1"
_BUFFER = 4096  # bytes a connection starts with; it grows with what arrives
_HIGH_WATER = 64 * limits.KIB  # bytes pending from which a reader is watched (S6)


class WebSocketServer:
    """See edge.Listening."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._acceptor = Acceptor(hub.config, self._protocol, hub.certificate, hub.not_now)
        self._edges: set[WebSocketEdge] = set()

    @property
    def address(self) -> tuple[str, int]:
        return self._acceptor.address

    async def start(self) -> None:
        self._acceptor.start()

    async def stop(self) -> None:
        await self._acceptor.stop()
        gone = [asyncio.ensure_future(edge.gone()) for edge in self._edges]
        for end in (WebSocketEdge.cut, WebSocketEdge.abort):
            if gone:
                await asyncio.wait(gone, timeout=limits.LINGER)
            for edge in list(self._edges):
                end(edge)
        for waiting in gone:  # one that the loop does not call lost must not keep the process
            waiting.cancel()
        await asyncio.gather(*gone, return_exceptions=True)

    def _protocol(self) -> WSProtocol:
        """One connection. picows' own `ws_create_server` shares one log among all; see Reports."""
        edge = WebSocketEdge(self._hub, self._edges)
        return WSProtocol(
            None,
            None,
            False,
            edge.upgrade,
            Reports(edge),
            True,  # disconnect on an exception of ours
            self._hub.config.hello_timeout,  # of the upgrade
            False,  # no pings of ours (T6)
            0,
            0,
            picows.WSAutoPingStrategy.PING_WHEN_IDLE,
            True,  # theirs are answered
            limits.MAX_FRAME,
            None,
            _BUFFER,
        )


class Reports:
    """What picows says of one connection, in the place of its log.

    Of bytes that break WebSocket's own rules (too large, unmasked, an unknown opcode …) it tells
    nobody but its log, and then closes without a `Close` of ours (T5): so its log is where the
    stream is closed by name first. What it would write to a log is dropped: it holds addresses.
    """

    __slots__ = ("_edge",)

    def __init__(self, edge: "WebSocketEdge") -> None:
        self._edge = edge

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's own name
        return False

    def debug(self, *said: object) -> None:
        """Nothing of interest."""

    log = info = warning = debug

    def error(self, said: str, problem: Any = None, *more: object) -> None:
        """A parser's error comes with the close code that picows is about to send."""
        large = bool(problem) and problem[0] == picows.WSCloseCode.MESSAGE_TOO_BIG
        code = Code.FRAME_TOO_LARGE if large else Code.MALFORMED
        self._edge.broken(SignetError(code, "" if large else "not WebSocket"))

    def exception(self, said: str, *more: object) -> None:
        """The parser itself failed, or a callback of ours, which never raises."""
        self._edge.broken(SignetError(Code.INTERNAL))


class WebSocketEdge(picows.WSListener):
    """One connection: an Edge for its session, a listener for picows."""

    __slots__ = (
        "_closing",
        "_edges",
        "_forwarded",
        "_hub",
        "_part",
        "_parts",
        "_raw",
        "_refusal",
        "_session",
        "_ws",
    )

    def __init__(self, hub: Hub, edges: "set[WebSocketEdge]") -> None:
        super().__init__()
        self._hub, self._edges = hub, edges
        self._session: Session | None = None
        self._refusal: SignetError | None = None
        self._forwarded = ""
        self._ws: picows.WSTransport | None = None
        self._raw: asyncio.Transport | None = None
        self._part: bytearray | None = None
        self._parts = 0
        self._closing: asyncio.TimerHandle | None = None

    # --- the upgrade --------------------------------------------------------------------------

    def upgrade(self, request: picows.WSUpgradeRequest) -> Any:
        """What is answered to the HTTP request. None: 404."""
        if request.path.partition(b"?")[0] != PATH:
            return None
        self._forwarded = ",".join(request.headers.getall(FORWARDED, []))
        origin = request.headers.get("Origin")
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        chosen = SUBPROTOCOL in [name.strip() for name in offered.split(",")]
        if not self._allowed(origin):
            self._refusal = SignetError(Code.ORIGIN_REFUSED)
        elif not chosen:
            detail = f"offer the subprotocol {SUBPROTOCOL}"
            self._refusal = SignetError(Code.UNSUPPORTED_VERSION, detail)
        headers = {"Sec-WebSocket-Protocol": SUBPROTOCOL} if chosen else None
        response = picows.WSUpgradeResponse.create_101_response(extra_headers=headers)
        return picows.WSUpgradeResponseWithListener(response, self)

    def _allowed(self, origin: str | None) -> bool:
        """Only browsers send an Origin; without one there is no other site to keep out."""
        return origin is None or not self._hub.config.origins.isdisjoint({origin, "*"})

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._ws, self._raw = transport, transport.underlying_transport
        self._raw.set_write_buffer_limits(high=_HIGH_WATER)
        self._edges.add(self)
        try:
            if self._refusal is not None:
                raise self._refusal
            self._session = self._hub.open(self, "websocket", self._address())
        except SignetError as error:
            self._hub.closed(error.code)
            frame = convert.close_frame(error.code, error.retry_after_s, error.detail)
            self.finish(frame, error.code, error.retry_after_s)

    def _address(self) -> str:
        """Where it comes from: what a proxy of ours says, else the peer."""
        peer = self._raw.get_extra_info("peername") if self._raw else None
        proxies = self._hub.addresses.proxies
        return proxies.caller(str(peer[0]), [self._forwarded]) if peer else ""

    # --- from the client ----------------------------------------------------------------------

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        session = self._session
        if session is None or session.state is State.CLOSED:
            if kind is picows.WSMsgType.CLOSE:
                self.cut()
        elif (
            kind is picows.WSMsgType.BINARY and frame.fin and self._part is None and not frame.rsv1
        ):
            session.receive(frame.get_payload_as_bytes())
        else:
            self._rare(session, frame)

    def _rare(self, session: Session, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind is picows.WSMsgType.TEXT:
            session.fault(SignetError(Code.TEXT_FRAME))
        elif kind is picows.WSMsgType.CLOSE:
            session.happens(Input.LOST)
            self._ws_close(picows.WSCloseCode.OK, "")
            self.cut()
        elif kind in (picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION):
            self._fragment(session, frame)

    def _fragment(self, session: Session, frame: picows.WSFrame) -> None:
        """A message in parts: bounded as a whole, and in WebSocket's order."""
        starts = frame.msg_type is picows.WSMsgType.BINARY
        if frame.rsv1 or frame.rsv2 or frame.rsv3 or starts == (self._part is not None):
            session.fault(SignetError(Code.MALFORMED, "not WebSocket"))
            return
        if self._part is None:
            self._part, self._parts = bytearray(), 0
        self._part += frame.get_payload_as_memoryview()
        self._parts += 1
        if len(self._part) > session.max_frame or self._parts > limits.MAX_FRAGMENTS:
            self._part = None
            session.fault(SignetError(Code.FRAME_TOO_LARGE))
        elif frame.fin:
            whole, self._part = bytes(self._part), None
            session.receive(whole)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        if self._closing is not None:
            self._closing.cancel()
        self._edges.discard(self)
        if self._session is not None:
            self._session.happens(Input.LOST)
        self._session = self._closing = None
        self._ws = self._raw = None  # they lead back here: without a cycle it is freed at once

    def broken(self, error: SignetError) -> None:
        """Bytes that are not WebSocket: a named close, and nothing more is read as frames."""
        if self._session is not None:
            self._session.fault(error)
        raw = self._raw
        if raw is not None and not isinstance(raw.get_protocol(), _Discard):
            raw.set_protocol(_Discard(raw.get_protocol()))
            if raw.can_write_eof():
                raw.write_eof()

    # --- to the client ------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return self._raw.get_write_buffer_size() if self._raw is not None else 0

    def write(self, frame: bytes) -> None:
        if self._raw is not None:
            self._raw.write(_header(len(frame)) + frame)

    def pause_writing(self) -> None:
        if self._session is not None:
            self._hub.paused(self._session)

    def resume_writing(self) -> None:
        if self._session is not None:
            self._hub.resumed(self._session)

    def finish(self, frame: bytes, code: Code, retry_after_s: float) -> None:
        """The client closes when it has read it; who does not is cut."""
        self.write(frame)
        self._ws_close(RULES[code].websocket, code.name)
        loop = asyncio.get_running_loop()
        self._closing = loop.call_later(limits.LINGER, self.cut)

    def _ws_close(self, number: Any, reason: str) -> None:
        if self._ws is not None:
            self._ws.send_close(number, reason.encode())

    def cut(self) -> None:
        """End the connection. What the network has not taken is dropped."""
        if self._raw is not None:
            if self._raw.get_write_buffer_size():
                self._raw.abort()
            else:
                self._raw.close()

    def abort(self) -> None:
        """End the connection, now; nothing more is sent."""
        if self._raw is not None:
            self._raw.abort()

    async def gone(self) -> None:
        """Wait until the connection is over."""
        if self._ws is not None:
            await self._ws.wait_disconnected()


class _Discard(asyncio.BufferedProtocol):
    """Reads on without looking, so that the client reads our Close before it sees a reset."""

    _void = memoryview(bytearray(64 * limits.KIB))

    def __init__(self, before: Any) -> None:
        self._before = before

    def connection_lost(self, exc: Exception | None) -> None:
        self._before.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._void

    def buffer_updated(self, nbytes: int) -> None:
        """Dropped."""

    def eof_received(self) -> bool:
        return False


def _header(size: int) -> bytes:
    """Of an unmasked binary frame that is a whole message (RFC 6455, 5.2)."""
    if size < 126:
        return bytes((0x82, size))
    if size < 65536:
        return b"\x82\x7e" + size.to_bytes(2, "big")
    return b"\x82\x7f" + size.to_bytes(8, "big")
