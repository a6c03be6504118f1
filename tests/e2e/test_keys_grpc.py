"""The keys service over gRPC, on a real server: the same names, rules and codes as REST."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from prometheus_client import REGISTRY

from signet.core.errors import RULES, Code
from signet.core.limits import STORE_RETRY_AFTER
from signet.keys.server import KeysServer
from signet.ports.pre_keys import (
    KeyUpload,
    PreKey,
)
from signet.v1 import keys_pb2 as pb
from signet.v1 import keys_pb2_grpc
from tests.support.identities import NewPerson
from tests.support.keys_service import Service, generous, keys_service

NOBODY = bytes(16)


def signed(key: PreKey) -> pb.SignedPreKey:
    return pb.SignedPreKey(id=key.id, public_key=key.public, signature=key.signature)


def kyber(key: PreKey) -> pb.KyberPreKey:
    return pb.KyberPreKey(id=key.id, public_key=key.public, signature=key.signature)


def upload(keys: KeyUpload) -> pb.UploadKeysRequest:
    return pb.UploadKeysRequest(
        signed_pre_key=signed(keys.signed) if keys.signed else None,
        last_resort_kyber_pre_key=kyber(keys.last_resort) if keys.last_resort else None,
        pre_keys=[pb.PreKey(id=key.id, public_key=key.public) for key in keys.one_time],
        kyber_pre_keys=[kyber(key) for key in keys.one_time_kem],
    )


def registration(person: NewPerson, **fields: Any) -> pb.RegisterRequest:
    return pb.RegisterRequest(
        identity_key=person.identity.public,
        login_key=person.login_public,
        registration_id=person.registration_id,
        keys=upload(person.upload()),
        signature=person.registration_signature(),
        **fields,
    )


Bearer = tuple[tuple[str, str], ...]


def bearer(done: pb.Registered) -> Bearer:
    return (("authorization", f"Bearer {done.token.token}"),)


@dataclass
class Running:
    """A server and a stub of it."""

    service: Service
    stub: Any  # the asyncio stub has no type of its own

    async def register(self, **fields: Any) -> tuple[NewPerson, pb.Registered, Bearer]:
        person = NewPerson()
        done: pb.Registered = await self.stub.Register(registration(person, **fields))
        return person, done, bearer(done)


async def serve(service: Service) -> AsyncIterator[Running]:
    server = KeysServer(service.keys)
    await server.start()
    async with aio.insecure_channel(str(server.grpc)) as channel:
        yield Running(service, keys_pb2_grpc.KeysStub(channel))
    await server.stop()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with keys_service(tmp_path) as service:
        async for one in serve(service):
            yield one


async def refusal(call: Awaitable[Any]) -> tuple[Code, dict[str, Any]]:
    """The code in the trailing metadata, which agrees with the status; and the metadata."""
    with pytest.raises(aio.AioRpcError) as found:
        await call
    trailing = dict(found.value.trailing_metadata() or ())
    code = Code[str(trailing["signet-code"])]
    assert found.value.code() is grpc.StatusCode[RULES[code].grpc]
    return code, trailing


async def test_from_registration_to_a_bundle(running: Running) -> None:
    ann_person, ann, ann_token = await running.register(user_name="Ann", findable=True)
    _, _, bob_token = await running.register()
    stub = running.stub

    found = await stub.FindUser(pb.FindUserRequest(user_name="ann"), metadata=bob_token)
    assert found.user_id == ann.user_id

    request = pb.GetKeysRequest(user_id=ann.user_id)
    keys = await stub.GetKeys(request, metadata=bob_token)
    assert keys.identity_key == ann_person.identity.public
    (device,) = keys.devices
    assert (device.device_id, device.registration_id) == (1, ann_person.registration_id)
    assert len(device.pre_key.public_key) == 33
    assert len(device.kyber_pre_key.public_key) == 1569
    for _ in range(2):
        keys = await stub.GetKeys(request, metadata=bob_token)
    assert not keys.devices[0].HasField("pre_key")

    count = await stub.CountKeys(pb.CountKeysRequest(), metadata=ann_token)
    assert (count.pre_keys, count.kyber_pre_keys) == (0, 0)
    more = upload(ann_person.upload(3, 4))
    count = await stub.UploadKeys(more, metadata=ann_token)
    assert (count.pre_keys, count.kyber_pre_keys) == (3, 4)
    same = await stub.CheckKeys(pb.CheckKeysRequest(digest=bytes(32)), metadata=ann_token)
    assert not same.same


async def test_a_device_logs_in_with_its_own_key(running: Running) -> None:
    person, ann, _ = await running.register()
    who = pb.GetNonceRequest(user_id=ann.user_id, device_id=ann.device_id)
    nonce = (await running.stub.GetNonce(who)).nonce
    proof = pb.LoginRequest(
        user_id=ann.user_id,
        device_id=ann.device_id,
        nonce=nonce,
        signature=person.login_signature(ann.user_id, ann.device_id, nonce),
    )
    token = await running.stub.Login(proof)
    account = await running.stub.GetAccount(
        pb.GetAccountRequest(), metadata=(("authorization", f"bearer {token.token}"),)
    )
    assert account.user_id == ann.user_id
    code, _ = await refusal(running.stub.Login(proof))
    assert code is Code.NONCE_REFUSED


async def test_the_account_is_changed_field_by_field(running: Running) -> None:
    _, ann, token = await running.register(user_name="ann", findable=True, device_name="phone")
    changes = pb.UpdateAccountRequest(presence=pb.AUDIENCE_NOBODY, registration_lock="1234")
    account = await running.stub.UpdateAccount(changes, metadata=token)
    assert (account.user_name, account.findable) == ("ann", True)
    assert (account.presence, account.registration_lock) == (pb.AUDIENCE_NOBODY, True)
    assert [device.name for device in account.devices] == ["phone"]
    empty = pb.UpdateAccountRequest(user_name="", findable=False, registration_lock="")
    account = await running.stub.UpdateAccount(empty, metadata=token)
    assert (account.user_name, account.findable, account.registration_lock) == ("", False, False)
    block = pb.SetBlockedRequest(user_id=NOBODY, blocked=True)
    account = await running.stub.SetBlocked(block, metadata=token)
    assert list(account.blocked) == [NOBODY]
    wrong = pb.UpdateAccountRequest(presence=pb.AUDIENCE_UNSPECIFIED)
    code, _ = await refusal(running.stub.UpdateAccount(wrong, metadata=token))
    assert code is Code.INVALID_ARGUMENT
    account = await running.stub.RemoveDevice(
        pb.RemoveDeviceRequest(device_id=ann.device_id), metadata=token
    )
    assert not account.devices
    code, _ = await refusal(running.stub.GetAccount(pb.GetAccountRequest(), metadata=token))
    assert code is Code.DEVICE_REMOVED


async def test_a_lost_account_is_taken_over(running: Running) -> None:
    _, ann, _ = await running.register()
    request = pb.RecoverRequest(
        user_id=ann.user_id,
        recovery_key=ann.recovery_key,
        registration=registration(NewPerson()),
    )
    done = await running.stub.Recover(request)
    assert (done.user_id, done.device_id) == (ann.user_id, 2)
    request = pb.RecoverRequest(user_id=NOBODY, registration=registration(NewPerson()))
    code, _ = await refusal(running.stub.Recover(request))
    assert code is Code.NOT_FOUND


async def test_the_server_says_what_to_know_before_registering(running: Running) -> None:
    server = await running.stub.GetServer(pb.GetServerRequest())
    assert server.server_name == "localhost"
    assert server.registration == pb.REGISTRATION_MODE_OPEN


async def test_bad_input_has_the_codes_of_rest(running: Running) -> None:
    stub, (person, _, token) = running.stub, await running.register()
    bad_signature = registration(NewPerson())
    bad_signature.signature = bytes(64)
    no_keys = registration(NewPerson())
    no_keys.ClearField("keys")
    used = person.upload(1, 0, long_lived=False)
    await stub.UploadKeys(upload(used), metadata=token)
    other = PreKey(used.one_time[0].id, person.ec().public)
    reused = upload(KeyUpload(one_time=(other,)))
    for call, code in (
        (stub.Register(pb.RegisterRequest()), Code.INVALID_ARGUMENT),
        (stub.Register(bad_signature), Code.BAD_SIGNATURE),
        (stub.Register(no_keys), Code.INVALID_ARGUMENT),
        (stub.GetNonce(pb.GetNonceRequest()), Code.INVALID_ARGUMENT),
        (stub.GetNonce(pb.GetNonceRequest(user_id=NOBODY, device_id=128)), Code.INVALID_ARGUMENT),
        (stub.Login(pb.LoginRequest(user_id=NOBODY, device_id=1)), Code.NONCE_REFUSED),
        (stub.CountKeys(pb.CountKeysRequest()), Code.UNAUTHENTICATED),
        (
            stub.CountKeys(pb.CountKeysRequest(), metadata=(("authorization", "Basic x"),)),
            Code.UNAUTHENTICATED,
        ),
        (stub.GetKeys(pb.GetKeysRequest(), metadata=token), Code.INVALID_ARGUMENT),
        (stub.GetKeys(pb.GetKeysRequest(user_id=NOBODY), metadata=token), Code.NOT_FOUND),
        (
            stub.GetKeys(pb.GetKeysRequest(user_id=NOBODY, device_id=999), metadata=token),
            Code.INVALID_ARGUMENT,
        ),
        (stub.CheckKeys(pb.CheckKeysRequest(), metadata=token), Code.INVALID_ARGUMENT),
        (stub.RemoveDevice(pb.RemoveDeviceRequest(), metadata=token), Code.INVALID_ARGUMENT),
        (stub.SetBlocked(pb.SetBlockedRequest(), metadata=token), Code.INVALID_ARGUMENT),
        (stub.UploadKeys(reused, metadata=token), Code.KEY_ID_REUSED),
    ):
        assert (await refusal(call))[0] is code


async def test_who_is_to_come_back_is_told_when(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(logins_a_minute=1)) as service:
        async for running in serve(service):
            who = pb.GetNonceRequest(user_id=NOBODY, device_id=1)
            await running.stub.GetNonce(who)
            code, trailing = await refusal(running.stub.GetNonce(who))
            assert code is Code.RATE_LIMITED
            assert 0 < int(trailing["retry-after-ms"]) <= 60_000
            await service.directory.migrate("base")
            request = registration(NewPerson())
            code, trailing = await refusal(running.stub.Register(request))
            assert code is Code.STORE_UNAVAILABLE
            assert int(trailing["retry-after-ms"]) == STORE_RETRY_AFTER * 1000


def counted(status: str) -> float:
    labels = {"route": "/signet.v1.Keys/GetNonce", "status": status}
    return REGISTRY.get_sample_value("signet_keys_requests_total", labels) or 0.0


async def test_calls_are_counted_by_name_and_status(running: Running) -> None:
    before = counted("OK"), counted("INVALID_ARGUMENT")
    await running.stub.GetNonce(pb.GetNonceRequest(user_id=NOBODY, device_id=1))
    await refusal(running.stub.GetNonce(pb.GetNonceRequest()))
    assert (counted("OK"), counted("INVALID_ARGUMENT")) == (before[0] + 1, before[1] + 1)


async def test_the_service_joins_a_server_of_others(tmp_path: Path) -> None:
    async with keys_service(tmp_path) as service:
        shared = aio.server()
        port = shared.add_insecure_port("127.0.0.1:0")
        keys = KeysServer(service.keys, grpc=shared)
        await keys.start()
        await shared.start()
        assert keys.grpc is None
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = keys_pb2_grpc.KeysStub(channel)
            assert (await stub.GetServer(pb.GetServerRequest())).server_name == "localhost"
            await keys.stop()
            assert (await stub.GetServer(pb.GetServerRequest())).server_name == "localhost"
        await shared.stop(0)


async def test_a_new_device_is_linked_renamed_renewed_and_shows_a_profile(running: Running) -> None:
    person, ann, token = await running.register(device_name="phone")
    stub, new = running.stub, NewPerson(identity=person.identity, registration_id=815)
    opened = await stub.OpenLink(pb.OpenLinkRequest())
    at = opened.address
    await stub.OfferLink(pb.OfferLinkRequest(address=at, offer=bytes(32)), metadata=token)
    await stub.AnswerLink(pb.AnswerLinkRequest(address=at, answer=b"answer"))
    signed = b"signet-link-v1" + b"localhost" + at + ann.user_id + new.login_public
    approval = pb.ApproveLinkRequest(
        address=at,
        login_key=new.login_public,
        registration_id=new.registration_id,
        signature=person.identity.sign(signed + new.registration_id.to_bytes(4, "big")),
        sealed=b"sealed",
    )
    await stub.ApproveLink(approval, metadata=token)
    state = await stub.GetLink(pb.GetLinkRequest(address=at))
    assert (state.offer, state.answer, state.sealed) == (bytes(32), b"answer", b"sealed")
    request = pb.AddDeviceRequest(
        address=at,
        login_key=new.login_public,
        registration_id=new.registration_id,
        keys=upload(new.upload()),
        device_name="tablet",
    )
    made = await stub.AddDevice(request)
    assert (made.user_id, made.device_id) == (ann.user_id, 2)
    assert (await stub.GetLink(pb.GetLinkRequest(address=at))).device_id == 2
    await stub.CloseLink(pb.CloseLinkRequest(address=at))
    code, _ = await refusal(stub.GetLink(pb.GetLinkRequest(address=at)))
    assert code is Code.NOT_FOUND

    renamed = pb.RenameDeviceRequest(device_id=2, name="big")
    account = await stub.RenameDevice(renamed, metadata=bearer(made))
    assert [device.name for device in account.devices] == ["phone", "big"]
    again = pb.RenewDeviceRequest(registration_id=816, keys=upload(new.upload()))
    renewed = await stub.RenewDevice(again, metadata=bearer(made))
    now = (("authorization", f"Bearer {renewed.token}"),)
    account = await stub.GetAccount(pb.GetAccountRequest(), metadata=now)
    assert [device.registration_id for device in account.devices] == [4711, 816]

    shown = await stub.SetProfile(pb.SetProfileRequest(sealed=b"sealed"), metadata=now)
    found = await stub.GetProfile(pb.GetProfileRequest(user_id=ann.user_id), metadata=token)
    assert (shown.version, found.version, found.sealed) == (1, 1, b"sealed")
