"""TLS in front of a server that was built without it, as a cluster's proxy would have it.

The lanes' wheels of Valkey and PostgreSQL have no TLS of their own (neither is linked to OpenSSL);
Cassandra, Kafka, ZooKeeper and S3 have. What a client does is the same: the handshake, the
verification of certificate and name, the client's own certificate.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.pod_files import Files

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # PostgreSQL's question, before TLS begins
CHUNK = 64 * 1024


def context(files: Files, *, asks: bool) -> ssl.SSLContext:
    """Of a server; `asks`: callers must have a certificate of the authority."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(files.cert, files.key)
    if asks:
        made.load_verify_locations(files.ca)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


@dataclass
class Front:
    """Where it listens, and how many have come through the handshake."""

    port: int = 0
    let_in: int = 0


@asynccontextmanager
async def tls_front(
    host: str, port: int, files: Files, *, asks: bool = False, postgres: bool = False
) -> AsyncIterator[Front]:
    """One that forwards to a server in plain text."""
    tls, front = context(files, asks=asks), Front()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if postgres:
                assert await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(tls)
            front.let_in += 1
            there, back = await asyncio.open_connection(host, port)
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=None if postgres else tls)
    try:
        front.port = server.sockets[0].getsockname()[1]
        yield front
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
