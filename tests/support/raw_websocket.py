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
        self._ended = False
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

    def write_eof(self) -> None:
        self._ended = True
        self._writer.write_eof()

    async def next(self) -> pb.ServerFrame:
        """The next binary message."""
        async with asyncio.timeout(30):
            found = await self._frame()
        assert found is not None, "the stream ended"
        assert found[0] == BINARY
        return pb.ServerFrame.FromString(found[1])

    async def end(self) -> tuple[pb.Close, int]:
        """Read to the end: the Close frame, and the closing code."""
        close, number = await self.rest()
        assert close is not None, f"no Close before the end ({number})"
        return close, number

    async def rest(self) -> tuple[pb.Close | None, int]:
        """Read to the end: the Close frame, if there is one, and the closing code."""
        last, number = None, 0
        async with asyncio.timeout(30):
            while (found := await self._frame()) is not None:
                opcode, payload = found
                assert not number, "something follows the closing frame"
                if opcode == CLOSE:
                    number = int.from_bytes(payload[:2], "big")
                    if not self._ended:
                        self._writer.write(frame(CLOSE, payload[:2]))
                elif opcode == BINARY:
                    assert last is None, "something follows Close"
                    answer = pb.ServerFrame.FromString(payload)
                    last = answer.close if answer.HasField("close") else None
        return last, number

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
