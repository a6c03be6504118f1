"""Mutual TLS between pods: the link port and the admin port show a certificate and ask for one.

Both sides are verified against the authority of the settings, and a server also by the name at
which it was dialled: a pod's certificate names what the pod advertises. A peer without one is
refused in the handshake. Files that change are read again for new handshakes: over gRPC at each,
over HTTP within LOOK. Over HTTP authorities are added so; one that was taken away is forgotten by
a restart.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import structlog

from signet.settings import Settings

log = structlog.get_logger()

LOOK = 5.0  # seconds between looks at the files


class BadCertificates(ValueError):
    """The files of the settings are no certificate, or do not belong together."""


class PodTls:
    """Raises: BadCertificates, when it is made."""

    def __init__(self, ca: Path, cert: Path, key: Path) -> None:
        self._files = (ca, cert, key)
        self._seen = self._stamp()
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.verify_mode = ssl.CERT_REQUIRED
        self._client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for context in (self._server, self._client):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._load()
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
        """Into a context that nobody uses first: a pair that does not fit would spoil it.

        Raises BadCertificates.
        """
        ca, cert, key = self._files
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._server, self._client):
            with _named("tls_ca", ca):
                context.load_verify_locations(ca)
            with _named("tls_cert, tls_key", cert):
                context.load_cert_chain(cert, key)

    def _read_channel(self) -> grpc.ChannelCredentials:
        ca, cert, key = (file.read_bytes() for file in self._files)
        return grpc.ssl_channel_credentials(ca, key, cert)

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        ca, cert, key = (file.read_bytes() for file in self._files)
        return grpc.ssl_server_certificate_configuration([(key, cert)], ca)


@contextmanager
def _named(settings: str, file: Path) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise BadCertificates(f"{settings}: {file}: {error.reason or 'not PEM'}") from None
    except OSError as error:
        raise BadCertificates(f"{settings}: {file}: {error.strerror}") from None
