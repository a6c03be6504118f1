"""A client that knows nothing but an address: it lists, reads and calls by reflection."""

import asyncio
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from signet.core.drain import Order
from tests.support.gateways import ALICE, World
from tests.support.server import server


class Stranger:
    """A tool like grpcurl: all it has of the protocol, it fetched from the server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        database = ProtoReflectionDescriptorDatabase(channel)
        self.services = set(database.get_services())
        self._pool = DescriptorPool(database)

    def connect(self, token: str) -> list[str]:
        """Hello, wait for the Welcome, Bye; the kinds of all frames that came."""
        method = self._pool.FindServiceByName("signet.v1.Messaging").methods_by_name["Connect"]
        client_frame = GetMessageClass(method.input_type)
        server_frame = GetMessageClass(method.output_type)
        going: SimpleQueue[Any] = SimpleQueue()
        hello = {"protocol": 1, "token": token, "connection_counter": 1}
        going.put(client_frame(hello=hello))
        connect: grpc.StreamStreamMultiCallable[Any, Any] = self._channel.stream_stream(
            "/signet.v1.Messaging/Connect",
            request_serializer=client_frame.SerializeToString,
            response_deserializer=server_frame.FromString,
        )
        kinds = []
        for frame in connect(iter(going.get, None)):
            kinds.append(frame.WhichOneof("body"))
            if kinds[-1] == "welcome":
                going.put(client_frame(bye={}))
                going.put(None)
        return kinds


def channel_to(target: str) -> grpc.Channel:
    return grpc.insecure_channel(target)


async def test_a_stranger_lists_the_services(here: World) -> None:
    def services() -> set[str]:
        with channel_to(here.target) as channel:
            return Stranger(channel).services

    assert await asyncio.to_thread(services) >= {
        "signet.v1.Messaging",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_a_whole_server_lists_the_services_of_keys_too(tmp_path: Path) -> None:
    async with server(tmp_path / "data") as running:

        def services() -> set[str]:
            with channel_to(running.addresses.grpc) as channel:
                return Stranger(channel).services

        listed = await asyncio.to_thread(services)
    assert listed >= {f"signet.v1.{name}" for name in ("Keys", "Media", "Push", "Groups")}


async def test_a_stranger_calls_connect_with_descriptors_from_the_server(here: World) -> None:
    token = here.keys.token(ALICE)

    def call() -> list[str]:
        with channel_to(here.target) as channel:
            return Stranger(channel).connect(token)

    kinds = await asyncio.to_thread(call)
    assert kinds[0] == "welcome"
    assert kinds[-1] == "close"


async def test_health_says_serving_until_a_drain(here: World) -> None:
    async with grpc.aio.insecure_channel(here.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="signet.v1.Messaging")
        watch: Any = stub.Watch(request)  # a stream of statuses
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        await here.gateway.drain(Order(0.0))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
