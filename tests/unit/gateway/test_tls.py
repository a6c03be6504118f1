"""TLS for clients on both transports, and certificates that change while streams are open."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from signet.gateway.certificate import Certificate
from tests.support.certificates import LOOPBACK, Authority, Pair
from tests.support.gateways import BOB, World, world
from tests.support.streams import GrpcStream, Stream, WebSocketStream, greet, send


@dataclass
class Secured:
    """A world whose gateway has a certificate in two files."""

    here: World
    authority: Authority
    chain: Path
    key: Path
    first: Pair

    def client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority.certificate.decode())

    def stream(self, transport: str) -> Stream:
        if transport == "websocket":
            url = self.here.url.replace("ws://", "wss://")
            return WebSocketStream(url, ssl=self.client())
        credentials = grpc.ssl_channel_credentials(self.authority.certificate)
        return GrpcStream(self.here.target, credentials=credentials)

    async def shown(self, transport: str) -> int:
        """The serial number of the certificate that a new connection sees."""
        address = self.here.gateway.websocket_address
        if transport == "grpc":
            address = self.here.gateway.grpc_address
        context = self.client()
        context.set_alpn_protocols(["h2"] if transport == "grpc" else ["http/1.1"])
        _, writer = await asyncio.open_connection(*address, ssl=context)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return x509.load_der_x509_certificate(der).serial_number

    async def until_shown(self, transport: str, pair: Pair) -> None:
        async with asyncio.timeout(30):
            while await self.shown(transport) != pair.serial:
                await asyncio.sleep(0.02)


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    authority, chain, key = Authority(), tmp_path / "chain.pem", tmp_path / "key.pem"
    first = authority.sign()
    first.write(chain, key)
    async with world(tmp_path, tls_certificate=chain, tls_key=key) as here:
        yield Secured(here, authority, chain, key, first)


async def test_people_talk_over_tls(secured: Secured, transport: str) -> None:
    async with secured.stream(transport) as alice, secured.stream(transport) as bob:
        await greet(secured.here, alice)
        await greet(secured.here, bob, BOB)
        await alice.send(send(BOB, 1, b"sealed twice"))
        assert (await bob.until("item")).item.envelope.content == b"sealed twice"


async def test_without_tls_nobody_is_heard(secured: Secured) -> None:
    reader, writer = await asyncio.open_connection(*secured.here.gateway.websocket_address)
    writer.write(b"GET /v1/connect HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(30):
        assert b"HTTP" not in await reader.read()
    writer.close()


async def test_a_changed_certificate_is_shown_to_newcomers_and_disturbs_nobody(
    secured: Secured, transport: str
) -> None:
    async with secured.stream(transport) as alice:
        await greet(secured.here, alice)
        assert await secured.shown(transport) == secured.first.serial
        second = secured.authority.sign()
        second.write(secured.chain, secured.key)
        await secured.until_shown(transport, second)
        await alice.send(send(BOB, 1))
        assert (await alice.until("answer")).answer.HasField("sent")


async def test_files_that_do_not_fit_together_are_not_taken_until_they_do(
    secured: Secured, transport: str
) -> None:
    certificate = secured.here.gateway.hub.certificate
    assert certificate is not None
    second = secured.authority.sign()
    secured.chain.write_bytes(second.certificate)
    certificate.look()
    assert await secured.shown(transport) == secured.first.serial
    secured.chain.unlink()
    certificate.look()
    assert await secured.shown(transport) == secured.first.serial
    second.write(secured.chain, secured.key)
    await secured.until_shown(transport, second)


def test_a_certificate_that_cannot_be_read_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="chain"):
        Certificate(tmp_path / "chain.pem", tmp_path / "key.pem")
    other = Authority().sign()
    (tmp_path / "chain.pem").write_bytes(other.certificate)
    (tmp_path / "key.pem").write_bytes(Authority().sign().key)
    with pytest.raises(ssl.SSLError):
        Certificate(tmp_path / "chain.pem", tmp_path / "key.pem")


async def test_a_resumed_tls_session_is_taken_up(secured: Secured) -> None:
    """By a ticket of the first connection (TLS 1.3)."""

    def twice() -> bool:
        context, address = secured.client(), secured.here.gateway.websocket_address
        with (
            socket.create_connection(address) as raw,
            context.wrap_socket(raw, server_hostname=LOOPBACK) as first,
        ):
            first.sendall(b"GET / HTTP/1.1\r\n\r\n")
            first.recv(1)  # the ticket came before it
            session = first.session
        with (
            socket.create_connection(address) as raw,
            context.wrap_socket(raw, server_hostname=LOOPBACK, session=session) as second,
        ):
            return bool(second.session_reused)

    assert await asyncio.to_thread(twice)
