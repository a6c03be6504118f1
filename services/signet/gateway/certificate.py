"""The server's certificate for clients: read again for new handshakes when its files change.

What is open stays as it is. Files that do not fit together (one of the two was written already) are
looked at again; until they do, the last pair goes on.
"""

import os
import ssl
from pathlib import Path

import grpc
import structlog

log = structlog.get_logger()

Signature = tuple[tuple[int, int, int], ...]


class Certificate:
    """Of PEM files: a chain and its key. Both transports use the same."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises OSError (ssl.SSLError among it): no files, or none that fit together."""
        self._chain, self._key = chain, key
        self._seen = self._signature()
        self.context = _context()
        self._load()

    def _signature(self) -> Signature:
        stats = [os.stat(path) for path in (self._chain, self._key)]
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)

    def _load(self) -> None:
        _context().load_cert_chain(self._chain, self._key)  # first one that nobody uses
        self.context.load_cert_chain(self._chain, self._key)
        pair = (self._key.read_bytes(), self._chain.read_bytes())
        self._for_grpc = grpc.ssl_server_certificate_configuration([pair])

    def look(self) -> None:
        """Load what has changed. Cheap: call it every second."""
        try:
            found = self._signature()
            if found == self._seen:
                return
            self._load()
        except OSError as error:
            log.warning("a changed certificate was not taken", reason=type(error).__name__)
            return
        self._seen = found
        log.info("a changed certificate was taken")

    def credentials(self) -> grpc.ServerCredentials:
        """Of a gRPC server; asks for the newest pair in each handshake, on gRPC's own threads."""
        return grpc.dynamic_ssl_server_credentials(self._for_grpc, lambda: self._for_grpc)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])  # WebSocket's
    context.num_tickets = 1  # one is enough to come back with
    return context
