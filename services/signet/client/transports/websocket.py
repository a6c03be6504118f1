"""The stream over WebSocket: one frame a binary message, subprotocol `signet.v1`."""

import asyncio

import picows

from signet.client.transports.stream import (
    Arrivals,
    TurnedAway,
    said_code,
    said_milliseconds,
)
from signet.core.limits import BACKOFF_CAP, MAX_FRAME
from signet.v1.messaging_pb2 import ClientFrame, ServerFrame

SUBPROTOCOL = "signet.v1"
CONNECT_TIMEOUT = 15.0  # of TCP, TLS and the upgrade. Lower: slow networks cannot connect.
_FRAME_ROOM = 4096  # around MAX_FRAME of contents
_NOT_NOW = (429, 503)  # of a proxy; it is believed for as long as a back-off may take


class _Listener(picows.WSListener):
    """Puts messages together; the transport's callbacks run on the event loop."""

    def __init__(self) -> None:
        super().__init__()
        self.arrivals = Arrivals()
        self.connected = self.abandoned = False
        self._part = b""

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.connected = True
        if self.abandoned:  # picows goes on with what nobody waits for any more
            transport.disconnect()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        kind = frame.msg_type
        if kind in (picows.WSMsgType.BINARY, picows.WSMsgType.CONTINUATION):
            self._part += frame.get_payload_as_bytes()
            if len(self._part) > MAX_FRAME + _FRAME_ROOM:
                transport.disconnect()
            elif frame.fin:
                data, self._part = self._part, b""
                self.arrivals.add_bytes(data)
        elif kind == picows.WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.arrivals.end()


class WebSocketStream:
    """See `Stream`."""

    def __init__(self, transport: picows.WSTransport, listener: _Listener) -> None:
        self._transport = transport
        self._arrivals = listener.arrivals
        self._closed = False

    def send(self, frame: ClientFrame) -> None:
        if not self._closed:
            self._transport.send(picows.WSMsgType.BINARY, frame.SerializeToString())

    async def receive(self) -> list[ServerFrame]:
        return await self._arrivals.take()

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._transport.send_close(picows.WSCloseCode.OK)
            self._transport.disconnect()
        await asyncio.wait({asyncio.ensure_future(self._transport.wait_disconnected())}, timeout=1)


async def dial(address: str) -> WebSocketStream:
    """Raises OSError where nobody answers, or what answers is no Signet; TurnedAway (T2)."""
    listener = _Listener()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            transport, _ = await picows.ws_connect(
                lambda: listener,
                address,
                websocket_handshake_timeout=CONNECT_TIMEOUT,
                extra_headers={"Sec-WebSocket-Protocol": SUBPROTOCOL},
                max_frame_size=MAX_FRAME + _FRAME_ROOM,
                max_redirects=0,
                read_buffer_init_size=4096,
            )
    except (TimeoutError, asyncio.CancelledError):
        listener.abandoned = True
        raise
    except picows.WSHandshakeError as error:
        raise _turned_away(error) or ConnectionError(str(error)) from error
    except picows.WSError as error:
        raise ConnectionError(str(error)) from error
    if not listener.connected:  # cut before the upgrade was answered: picows returns as if it were
        raise ConnectionError(f"{address} hung up")
    return WebSocketStream(transport, listener)


def _turned_away(error: picows.WSHandshakeError) -> TurnedAway | None:
    """Where an HTTP answer says when to come: Signet's own, or one of what stands before it."""
    if error.response is None:
        return None
    headers = error.response.headers
    code = said_code(headers.get("signet-code", ""))
    if code is not None:
        return TurnedAway(code, said_milliseconds(headers.get("retry-after-ms", "")) / 1000)
    seconds = said_milliseconds(headers.get("Retry-After", ""))
    if error.response.status not in _NOT_NOW or not seconds:
        return None
    return TurnedAway(None, min(seconds, BACKOFF_CAP))
