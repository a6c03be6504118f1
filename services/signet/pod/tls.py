"""Mutual TLS between pods: the link port and the admin port show a certificate and ask for one.

Both sides are verified against the authority of the settings, and a server also by the name at
which it was dialled: a pod's certificate names what the pod advertises. A peer without one is
refused in the handshake. Files that change are read again for new handshakes: over gRPC at each,
over HTTP within LOOK. What was taken away with them is not believed any more.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from signet.settings import Settings

log = structlog.get_logger()

LOOK = 5.0  # seconds between looks at the files


class BadCertificates(ValueError):
    """The files of the settings are no certificate, or do not belong together."""


class PodTls:
    """Raises: BadCertificates, when it is made.

    `bundle` and `certificate` say which files count now (docs/admin.md), for whoever replaces them.
    """

    def __init__(self, ca: Path, cert: Path, key: Path) -> None:
        self._files = (ca, cert, key)
        self._seen = self._stamp()
        self.bundle = self.certificate = ""
        self._load()
        self._server = self._context(ssl.PROTOCOL_TLS_SERVER)
        self._server.sni_callback = self._answer
        self._channel = self._read_channel()

    @staticmethod
    def of(settings: Settings) -> "PodTls | None":
        """None where the settings name no certificates. Raises BadCertificates."""
        files = settings.tls_ca, settings.tls_cert, settings.tls_key
        return PodTls(*files) if None not in files else None  # type: ignore[arg-type]

    # --- HTTP ---------------------------------------------------------------------------------

    @property
    def server(self) -> ssl.SSLContext:
        """Of a port that pods call; stays the same while its files change."""
        return self._server

    def _answer(self, connection: ssl.SSLObject, name: str | None, of: ssl.SSLContext) -> None:
        """In each handshake, whether it names a host or not: with the files that count now."""
        connection.context = self._now

    def client(self) -> ssl.SSLContext:
        """For calls of such a port."""
        self._refresh()
        return self._client

    async def watch(self, every_s: float = LOOK) -> None:
        """Look at the files, for ever."""
        while True:
            await asyncio.sleep(every_s)
            self._refresh()

    # --- gRPC ---------------------------------------------------------------------------------

    def grpc_server(self) -> grpc.ServerCredentials:
        """Of a port that pods call; reads files that have changed at the next handshake."""
        served = self._stamp()

        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal served
            try:
                now = self._stamp()
                if now == served:
                    return None
                configuration = self._configuration()
            except OSError:
                return None  # half replaced: at the next handshake
            served = now
            return configuration

        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            changed,  # type: ignore[arg-type] # None is "the same": its types do not know
            require_client_authentication=True,
        )

    def grpc_channel(self) -> grpc.ChannelCredentials:
        """For a new channel; the same object as long as the files are."""
        self._refresh()
        return self._channel

    # --- files --------------------------------------------------------------------------------

    def _stamp(self) -> tuple[tuple[int, int], ...]:
        """Raises OSError."""
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in (f.stat() for f in self._files))

    def _refresh(self) -> None:
        """Read files that have changed; keep what there is where that fails, and try again."""
        try:
            now = self._stamp()
            if now == self._seen:
                return
            self._load()
            self._channel = self._read_channel()
        except (OSError, BadCertificates) as error:
            log.warning("new certificates are not taken yet", reason=str(error))
            return
        self._seen = now
        log.info("new certificates are taken")

    def _load(self) -> None:
        """Into new contexts: one that is in use cannot forget an authority.

        Raises BadCertificates.
        """
        server, client = map(self._context, (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
        ca, cert, _ = self._files
        with _named("tls_ca", ca):
            bundle = _short(hashlib.sha256(ca.read_bytes()).digest())
        with _named("tls_cert, tls_key", cert):
            leaf = x509.load_pem_x509_certificate(cert.read_bytes())
        self._now, self._client = server, client
        self.bundle, self.certificate = bundle, _short(leaf.fingerprint(hashes.SHA256()))

    def _context(self, side: int) -> ssl.SSLContext:
        """Raises BadCertificates."""
        context = ssl.SSLContext(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        if side == ssl.PROTOCOL_TLS_SERVER:
            context.num_tickets = 0  # a handshake that is resumed would verify nothing
        ca, cert, key = self._files
        with _named("tls_ca", ca):
            context.load_verify_locations(ca)
        with _named("tls_cert, tls_key", cert):
            context.load_cert_chain(cert, key)
        return context

    def _read_channel(self) -> grpc.ChannelCredentials:
        ca, cert, key = (file.read_bytes() for file in self._files)
        return grpc.ssl_channel_credentials(ca, key, cert)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        ca, cert, key = (file.read_bytes() for file in self._files)
        return grpc.ssl_server_certificate_configuration([(key, cert)], ca)


def _short(digest: bytes) -> str:
    return digest.hex()[:16]


@contextmanager
def _named(settings: str, file: Path) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise BadCertificates(f"{settings}: {file}: {error.reason or 'not PEM'}") from None
    except OSError as error:
        raise BadCertificates(f"{settings}: {file}: {error.strerror}") from None
