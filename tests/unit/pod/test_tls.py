"""Mutual TLS between pods: who is let in, and certificates that change."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest

from signet.pod.tls import BadCertificates, PodTls
from signet.telemetry.pages import Pages
from tests.support.pod_files import Files, Folder


def of(files: Files) -> PodTls:
    return PodTls(files.ca, files.cert, files.key)


@asynccontextmanager
async def admin_port(mine: PodTls) -> AsyncIterator[str]:
    pages = Pages(lambda: "", tls=mine.server)
    _, port = await pages.start("127.0.0.1", 0)
    try:
        yield f"https://127.0.0.1:{port}"
    finally:
        await pages.stop()


async def get(url: str, context: ssl.SSLContext) -> int:
    async with httpx.AsyncClient(verify=context, trust_env=False) as client:
        return (await client.get(f"{url}/healthz")).status_code


@asynccontextmanager
async def link_port(mine: PodTls) -> AsyncIterator[str]:
    server = grpc.aio.server()

    async def echo(request: bytes, _: object) -> bytes:
        return request

    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(echo)
    handlers = {"Echo": method}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Test", handlers),))
    port = server.add_secure_port("127.0.0.1:0", mine.grpc_server())
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def call(address: str, credentials: grpc.ChannelCredentials | None) -> bytes:
    """Raises AioRpcError."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channel = (
        grpc.aio.insecure_channel(address, options=options)
        if credentials is None
        else grpc.aio.secure_channel(address, credentials, options=options)
    )
    async with channel:
        echo: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/Test/Echo")
        return await echo(b"hello", timeout=20)


async def serial(address: str, caller: PodTls) -> str:
    """Which certificate a port shows now."""
    host, port = address.removeprefix("https://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=caller.client())
    shown = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    return str(shown)


async def test_a_pod_of_the_same_authority_is_let_in_and_nobody_else(tmp_path: Path) -> None:
    ours, theirs = Folder(tmp_path / "ours"), Folder(tmp_path / "theirs")
    pod, other, stranger = of(ours.issue("pod")), of(ours.issue("other")), of(theirs.issue("x"))
    naked = ssl.create_default_context(cafile=ours.ca)
    async with admin_port(pod) as url:
        assert await get(url, other.client()) == 200
        for context in (naked, stranger.client()):
            with pytest.raises(httpx.TransportError):
                await get(url, context)
    async with link_port(pod) as address:
        assert await call(address, other.grpc_channel()) == b"hello"
        without = grpc.ssl_channel_credentials(ours.ca.read_bytes())
        for credentials in (None, without, stranger.grpc_channel()):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(address, credentials)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_of_another_address_is_not_believed(tmp_path: Path) -> None:
    ours = Folder(tmp_path)
    elsewhere, caller = of(ours.issue("elsewhere", "10.1.2.3")), of(ours.issue("caller"))
    async with admin_port(elsewhere) as url:
        with pytest.raises(httpx.ConnectError, match=r"IP address mismatch|not valid"):
            await get(url, caller.client())
    async with link_port(elsewhere) as address:
        with pytest.raises(grpc.aio.AioRpcError):
            await call(address, caller.grpc_channel())


async def test_new_handshakes_see_certificates_that_were_renewed(
    tmp_path: Path,
) -> None:
    ours = Folder(tmp_path)
    pod, caller = of(ours.issue("pod")), of(ours.issue("caller"))
    async with admin_port(pod) as url, link_port(pod) as address:
        watching = asyncio.create_task(pod.watch(every_s=0.01))
        before = await serial(url, caller)
        assert await serial(address, caller) == before
        channel = caller.grpc_channel()
        assert caller.grpc_channel() is channel
        ours.issue("pod")
        ours.issue("caller")
        assert await serial(address, caller) != before
        async with asyncio.timeout(30):
            while await serial(url, caller) == before:
                await asyncio.sleep(0.01)
        assert caller.grpc_channel() is not channel
        assert await call(address, caller.grpc_channel()) == b"hello"
        watching.cancel()


async def test_an_authority_that_was_taken_away_is_not_believed_any_more(tmp_path: Path) -> None:
    before, after = Folder(tmp_path / "before"), Folder(tmp_path / "after")
    ca, both = tmp_path / "bundle.crt", tmp_path / "both.crt"

    def trust(*folders: Folder) -> None:
        ca.write_bytes(b"".join(folder.ca.read_bytes() for folder in folders))

    trust(before, after)
    mine, old, new = after.issue("pod"), before.issue("old"), after.issue("new")
    pod = PodTls(ca, mine.cert, mine.key)
    bundle, certificate = pod.bundle, pod.certificate
    both.write_bytes(ca.read_bytes())
    callers = {name: PodTls(both, one.cert, one.key) for name, one in (("old", old), ("new", new))}
    async with admin_port(pod) as url, link_port(pod) as address:
        for caller in callers.values():
            assert await get(url, caller.client()) == 200
            assert await call(address, caller.grpc_channel()) == b"hello"
        trust(after)
        pod.client()  # looks at the files
        assert (pod.bundle != bundle, pod.certificate) == (True, certificate)
        assert await get(url, callers["new"].client()) == 200
        with pytest.raises(httpx.TransportError):
            await get(url, callers["old"].client())
        with pytest.raises(grpc.aio.AioRpcError):
            await call(address, callers["old"].grpc_channel())
        assert await call(address, callers["new"].grpc_channel()) == b"hello"


async def test_files_that_are_half_replaced_change_nothing(tmp_path: Path) -> None:
    ours = Folder(tmp_path)
    files = ours.issue("pod")
    pod, caller = of(files), of(ours.issue("caller"))
    async with admin_port(pod) as url, link_port(pod) as address:
        files.cert.write_text("not yet")
        pod.client()  # looks at the files
        assert await get(url, caller.client()) == 200
        ours.issue("pod")
        pod.client()
        assert await get(url, caller.client()) == 200
        assert await call(address, caller.grpc_channel()) == b"hello"


def test_files_that_cannot_be_are_refused_by_the_name_of_the_setting(tmp_path: Path) -> None:
    ours = Folder(tmp_path)
    good, other = ours.issue("pod"), ours.issue("other")
    with pytest.raises(BadCertificates, match=r"tls_cert, tls_key: .*KEY_VALUES_MISMATCH"):
        PodTls(good.ca, good.cert, other.key)
    with pytest.raises(BadCertificates, match="tls_ca: "):
        PodTls(good.key, good.cert, good.key)
