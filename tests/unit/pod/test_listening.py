"""Where processes listen: both families of addresses, and what is taken."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from signet.keys.server import KeysServer
from signet.pod.listening import PortTaken, address, check_free
from signet.settings import Settings
from signet.telemetry.listening import listen
from signet_operator.settings import OperatorSettings
from tests.support.gateways import world
from tests.support.keys_service import keys_service
from tests.support.small_service import SmallService
from tests.unit.pod.test_pod import running


def has_ipv6() -> bool:
    try:
        listen("::1", 0).close()
    except OSError:
        return False
    return True


LOOPBACKS = [
    "127.0.0.1",
    pytest.param("::1", marks=pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")),
]


@pytest.mark.parametrize("host", LOOPBACKS)
def test_a_port_that_is_taken_is_named_by_its_setting(host: str) -> None:
    with listen(host, 0) as taken:
        with pytest.raises(PortTaken, match="grpc_port"):
            check_free(host, taken.getsockname()[1], "grpc_port")
        port = taken.getsockname()[1]
    check_free(host, port, "grpc_port")


@pytest.mark.parametrize("host", LOOPBACKS)
async def test_a_pod_listens_and_is_dialled_at_an_address_of_either_family(
    tmp_path: Path, host: str
) -> None:
    async with running(tmp_path, SmallService(), host=host, probe_port=0) as (pod, admin):
        assert pod.listens["admin"].startswith(f"http://{address((host, 0))[:-1]}")
        assert (await admin.get("/v1/pod")).status_code == 200
        assert pod.advertised(7404) == address((host, 7404))


@pytest.mark.parametrize(
    ("ip", "host", "listens"),
    [
        ("10.0.0.7", "0.0.0.0", "0.0.0.0"),
        ("fd00::7", "0.0.0.0", "::"),
        ("fd00::7", "127.0.0.1", "127.0.0.1"),
        ("", "0.0.0.0", "0.0.0.0"),
    ],
)
def test_a_pod_listens_at_all_addresses_of_the_family_of_its_own(
    ip: str, host: str, listens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"ip": ip, "host": host}
    assert Settings(**asked).host == listens
    monkeypatch.setenv("SIGNET_OPERATOR_IP", ip)
    monkeypatch.setenv("SIGNET_OPERATOR_HOST", host)
    assert OperatorSettings(**{}).host == listens


@pytest.mark.parametrize("host", LOOPBACKS)
async def test_a_gateway_listens_at_an_address_of_either_family(tmp_path: Path, host: str) -> None:
    async with world(tmp_path, websocket_host=host, grpc_host=host) as one:
        bound = one.gateway.websocket_address
        assert bound[0] == host
        with socket.create_connection(bound):
            pass
        async with grpc.aio.insecure_channel(address(one.gateway.grpc_address)) as channel:
            asked = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            assert (await asked).status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("host", LOOPBACKS)
async def test_keys_listens_at_an_address_of_either_family(tmp_path: Path, host: str) -> None:
    async with keys_service(tmp_path) as service:
        server = KeysServer(service.keys, host=host)
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=f"http://{server.rest}") as rest:
                assert (await rest.get("/openapi.json")).status_code == 200
            async with grpc.aio.insecure_channel(str(server.grpc)) as channel:
                async with asyncio.timeout(30):
                    await channel.channel_ready()
        finally:
            await server.stop()
