"""From a registration, by each interface, to a browser that is woken by a message and reads why."""

import asyncio
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from grpc import aio

from signet import testing
from signet.adapters.push_vapid import made_or_read
from signet.client import Apns, ApnsEnvironment, Client, Fcm, PushKind, PushState, web_push
from signet.client.errors import PushNotOffered
from signet.core.ids import show
from signet.standalone import Standalone
from signet.v1 import push_pb2 as pb
from signet.v1 import push_pb2_grpc
from tests.support.push_receiver import Receiver, receiving
from tests.support.push_tls import Browser, PushTls
from tests.support.signet_command import Shell

pytestmark = pytest.mark.timeout(180)
PATIENCE = 60.0
CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def pushing_server(folder: Path, kinds: str = "web_push, apns") -> AsyncIterator[Standalone]:
    """It wakes browsers; `localhost` may be a push service of theirs."""
    tls, key = folder / "ca.pem", folder / "vapid.pem"
    public = made_or_read(key)
    push = (
        f"web_push:?key_file={key}&subject=mailto:ops@example.org"
        f"&loopback_hosts=localhost&ca_file={tls}"
    )
    async with testing.server(
        folder / "server", push=push, push_kinds=kinds, vapid_public_key=public
    ) as started:
        yield started.standalone


async def register(server: Standalone, folder: Path, name: str) -> Client:
    return await Client.register(
        server=server.addresses.rest, store=folder / f"{name}.signet", user_name=name
    )


async def test_a_browser_is_woken_by_a_message_and_nobody_between_learns_of_whom(
    tmp_path: Path,
) -> None:
    tls, browser = PushTls(tmp_path), Browser()
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(
            receiving(Receiver(lambda _: CREATED), tls.server())
        )
        server = await stack.enter_async_context(pushing_server(tmp_path))
        alice = await stack.enter_async_context(await register(server, tmp_path, "alice"))
        bob = await register(server, tmp_path, "bob")  # who never connects
        subscription = browser.subscription(receiver.url.replace("127.0.0.1", "localhost"))
        await bob.register_push(subscription)
        found = await alice.find("bob")
        await alice.send(found, "good night")
        async with asyncio.timeout(PATIENCE):
            await receiver.arrived.wait()
        (request,) = receiver.requests
        said = json.loads(browser.decrypted(request.body))
        assert (said["type"], said["urgent"]) == ("NEW_MESSAGE", True)
        assert set(said) == {"type", "urgent", "at_ms"}
        around = repr(request.headers) + request.path
        for user in (alice.user_id, bob.user_id):
            assert user.hex() not in around
            assert show(user) not in around
        await bob.close()


async def test_the_same_is_registered_and_removed_by_sdk_rest_and_grpc(tmp_path: Path) -> None:
    PushTls(tmp_path)
    async with pushing_server(tmp_path) as server:
        bob = await register(server, tmp_path, "bob")
        offered = (PushKind.WEB_PUSH, PushKind.APNS)
        state = await bob.push_state()
        assert (state.registered, state.offered) == (None, offered)
        assert len(state.vapid_public_key) == 87

        phone = Apns("ab" * 32, "org.example.chat", ApnsEnvironment.SANDBOX)
        registered = PushState(PushKind.APNS, offered, state.vapid_public_key)
        assert await bob.register_push(phone) == registered
        with pytest.raises(PushNotOffered):
            await bob.register_push(Fcm("a:token"))

        token = await bob._keys.token()
        await over_rest(server, token)
        await over_grpc(server, token)
        assert await bob.push_state() == state
        await bob.close()


def browser_json(endpoint: str) -> dict[str, str]:
    its = Browser().subscription(endpoint)
    keys = {"p256dh": b64encode(its.p256dh).decode(), "auth": b64encode(its.auth).decode()}
    return {"endpoint": endpoint, **keys}


async def over_rest(server: Standalone, token: str) -> None:
    """From an iPhone to nothing."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=server.addresses.rest, headers=headers) as rest:
        assert (await rest.get("/v1/account/push")).json()["registered"] == "apns"
        refused = await rest.put("/v1/account/push", json={"kind": "fcm", "token": "a:token"})
        assert (refused.status_code, refused.json()["code"]) == (409, "PUSH_NOT_OFFERED")
        for wrong in ({"kind": "fax"}, {"token": "a:token"}, {"kind": "apns", "token": "short"}):
            refused = await rest.put("/v1/account/push", json=wrong)
            assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_ARGUMENT")
        private = {**browser_json("https://10.0.0.1/push"), "kind": "web_push"}
        refused = await rest.put("/v1/account/push", json=private)
        assert (refused.status_code, refused.json()["code"]) == (422, "PUSH_REFUSED")
        assert (await rest.delete("/v1/account/push")).json()["registered"] is None
    async with httpx.AsyncClient(base_url=server.addresses.rest) as nobody:
        assert (await nobody.get("/v1/account/push")).status_code == 401


async def over_grpc(server: Standalone, token: str) -> None:
    """From nothing to a browser, and back."""
    metadata = (("authorization", f"Bearer {token}"),)
    async with aio.insecure_channel(server.addresses.grpc) as channel:
        stub = push_pb2_grpc.PushStub(channel)
        its = Browser().subscription("https://push.example.net/abc")
        wire = pb.WebPush(endpoint=its.endpoint, p256dh=its.p256dh, auth=its.auth)
        wanted = pb.RegisterPushRequest(web_push=wire)
        state = await stub.RegisterPush(wanted, metadata=metadata)
        assert state.registered == pb.PUSH_KIND_WEB_PUSH
        assert list(state.offered) == [pb.PUSH_KIND_WEB_PUSH, pb.PUSH_KIND_APNS]
        assert await stub.GetPush(pb.GetPushRequest(), metadata=metadata) == state
        for wrong in (
            pb.RegisterPushRequest(),
            pb.RegisterPushRequest(apns=pb.Apns(environment=9)),  # type: ignore[arg-type]
        ):
            with pytest.raises(aio.AioRpcError) as error:
                await stub.RegisterPush(wrong, metadata=metadata)
            assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        fcm = pb.RegisterPushRequest(fcm=pb.Fcm(token="a:token"))
        with pytest.raises(aio.AioRpcError) as error:
            await stub.RegisterPush(fcm, metadata=metadata)
        assert error.value.trailing_metadata()["signet-code"] == "PUSH_NOT_OFFERED"
        removed = await stub.RemovePush(pb.RemovePushRequest(), metadata=metadata)
        assert removed.registered == pb.PUSH_KIND_UNSPECIFIED
        assert (await stub.GetPush(pb.GetPushRequest(), metadata=metadata)) == removed


async def test_the_command_line_registers_each_kind_and_says_what_cannot_be(tmp_path: Path) -> None:
    PushTls(tmp_path)
    its = Browser().subscription("https://push.example.net/abc")
    subscription = {
        "endpoint": its.endpoint,
        "expirationTime": None,
        "keys": {"p256dh": base64url(its.p256dh), "auth": base64url(its.auth)},
    }
    file = tmp_path / "subscription.json"
    file.write_text(json.dumps(subscription))
    async with pushing_server(tmp_path) as server:
        shell = Shell(tmp_path / "home", server.addresses.rest)
        assert (await shell.register("bob")).status == 0

        async def told(*words: str) -> dict[str, object]:
            return (await shell.run("notify", *words, "--json")).json

        assert (await told("show"))["registered"] is None
        assert (await told("web-push", str(file)))["registered"] == "web_push"
        apns = ("apns", "ab" * 32, "--topic", "org.example.chat", "--environment", "sandbox")
        assert (await told(*apns))["registered"] == "apns"
        assert (await told("show"))["offered"] == ["web_push", "apns"]
        refused = await shell.run("notify", "fcm", "a:token", "--json")
        assert (refused.status, refused.problem["error"]) == (3, "PUSH_NOT_OFFERED")
        file.write_text("{}")
        wrong = await shell.run("notify", "web-push", str(file), "--json")
        assert (wrong.status, wrong.problem["error"]) == (2, "SUBSCRIPTION")
        assert (await told("off"))["registered"] is None
        shown = await shell.run("notify", "show")
        assert "woken by: nothing" in shown.out


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def test_what_a_browser_gives_is_read_and_anything_else_refused() -> None:
    with pytest.raises(ValueError, match="endpoint, keys"):
        web_push({"endpoint": "https://push.example.net/"})
