"""A WebSocket client that can break WebSocket's own rules: bytes in, frames out."""

import asyncio
import struct
from typing import Self

from signet.v1 import messaging_pb2 as pb

TEXT, BINARY, CLOSE = 1, 2, 8


def frame(opcode: int, payload: bytes, *, first: int = 0x80, masked: bool = True) -> bytes:
    """One frame; `first` is what the first byte has besides the opcode (FIN and RSV bits)."""
    size, flag = len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes((first | opcode, flag | size))
    elif size < 65536:
        head = struct.pack(">BBH", first | opcode, flag | 126, size)
    else:
        head = struct.pack(">BBQ", first | opcode, flag | 127, size)
    # a mask of zeroes leaves the payload as it is
    return head + (bytes(4) if masked else b"") + payload


class RawWebSocket:
    """Does the handshake by the book, with headers of the test's own, then writes anything."""

    def __init__(self, host: str, port: int, path: str = "/v1/connect", **headers: str) -> None:
        self._host, self._port, self._path = host, port, path
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        headers = {
            "Host": "signet.test",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Protocol": "signet.v1",
        } | self._headers
        lines = [f"GET {self._path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items() if v)]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.status = int(head.split()[1])
        self.answer = head.decode().lower()
        return self

    async def __aexit__(self, *failed: object) -> None:
        self._writer.close()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def end(self) -> tuple[pb.Close, int]:
        """Read frames to the end; the last binary one is the Close, then the closing code."""
        last, number = b"", 0
        async with asyncio.timeout(10):
            while (found := await self._frame()) is not None:
                opcode, payload = found
                if opcode == CLOSE:
                    number = int.from_bytes(payload[:2], "big")
                    self._writer.write(frame(CLOSE, payload[:2]))
                else:
                    assert opcode == BINARY
                    assert not number, "something follows the closing frame"
                    last = payload
        frame_ = pb.ServerFrame.FromString(last)
        assert frame_.WhichOneof("body") == "close", frame_
        return frame_.close, number

    async def _frame(self) -> tuple[int, bytes] | None:
        try:
            first, size = await self._reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", await self._reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack(">Q", await self._reader.readexactly(8))
            return first & 0x0F, await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
