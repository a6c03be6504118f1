"""Deletion, a new identity, export and reports on a real keys service, over REST and gRPC."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from grpc import aio

from signet.core.errors import Code
from signet.core.ids import UserId
from signet.keys.server import KeysServer
from signet.v1 import keys_pb2 as pb
from signet.v1 import keys_pb2_grpc
from tests.support.identities import Identity, Json, NewPerson, b64, unb64, upload_json
from tests.support.keys_service import Service, keys_service

SOMEBODY = bytes(range(16))


@dataclass
class Running:
    """One service, and a stub for each way to it."""

    service: Service
    http: httpx.AsyncClient
    stub: Any  # the asyncio stub has no type of its own


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with keys_service(tmp_path) as service:
        server = KeysServer(service.keys)
        await server.start()
        async with (
            httpx.AsyncClient(base_url=f"http://{server.rest}") as http,
            aio.insecure_channel(str(server.grpc)) as channel,
        ):
            yield Running(service, http, keys_pb2_grpc.KeysStub(channel))
        await server.stop()


class OverRest:
    """Says with JSON what the protocol says."""

    def __init__(self, running: Running, user: bytes, token: str) -> None:
        self._http, self._user = running.http, user
        self._headers = {"Authorization": f"Bearer {token}"}

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = await self._http.request(method, path, json=body, headers=self._headers)
        if answer.is_success:
            found: Json = answer.json()
            return found
        raise RefusedError(Code[answer.json()["code"]])

    async def nonce(self) -> bytes:
        who = {"user_id": str(UUID(bytes=self._user)), "device_id": 1}
        return unb64((await self._call("POST", "/v1/login/nonce", who))["nonce"])

    async def delete(self, nonce: bytes, signature: bytes) -> None:
        body = {"nonce": b64(nonce), "signature": b64(signature)}
        await self._call("POST", "/v1/account/delete", body)

    async def change(self, person: NewPerson, nonce: bytes, old: bytes, new: bytes) -> str:
        body = {
            "nonce": b64(nonce),
            "identity_key": b64(person.identity.public),
            "keys": upload_json(person.upload()),
            "signature": b64(old),
            "possession": b64(new),
        }
        return str((await self._call("PUT", "/v1/account/identity", body))["token"])

    async def export(self) -> Json:
        return await self._call("GET", "/v1/account/export")

    async def report(self, user: bytes, reason: int) -> None:
        name = pb.ReportReason.Name(pb.ReportReason.ValueType(reason))
        body = {
            "user_id": str(UUID(bytes=user)),
            "reason": name.removeprefix("REPORT_REASON_").lower(),
            "message_ids": [str(UUID(bytes=SOMEBODY))],
        }
        await self._call("POST", "/v1/reports", body)


class OverGrpc:
    """Says the same with the messages of keys.proto."""

    def __init__(self, running: Running, user: bytes, token: str) -> None:
        self._stub, self._user = running.stub, user
        self._token = (("authorization", f"Bearer {token}"),)

    async def _call(self, call: Callable[..., Awaitable[object]], request: object) -> object:
        try:
            return await call(request, metadata=self._token)
        except aio.AioRpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            raise RefusedError(Code[str(trailing["signet-code"])]) from None

    async def nonce(self) -> bytes:
        request = pb.GetNonceRequest(user_id=self._user, device_id=1)
        answer = await self._call(self._stub.GetNonce, request)
        assert isinstance(answer, pb.Nonce)
        return answer.nonce

    async def delete(self, nonce: bytes, signature: bytes) -> None:
        request = pb.DeleteAccountRequest(nonce=nonce, signature=signature)
        await self._call(self._stub.DeleteAccount, request)

    async def change(self, person: NewPerson, nonce: bytes, old: bytes, new: bytes) -> str:
        keys = person.upload()
        assert keys.signed
        assert keys.last_resort
        request = pb.ChangeIdentityRequest(
            nonce=nonce,
            identity_key=person.identity.public,
            keys=pb.UploadKeysRequest(
                signed_pre_key=pb.SignedPreKey(
                    id=keys.signed.id,
                    public_key=keys.signed.public,
                    signature=keys.signed.signature,
                ),
                last_resort_kyber_pre_key=pb.KyberPreKey(
                    id=keys.last_resort.id,
                    public_key=keys.last_resort.public,
                    signature=keys.last_resort.signature,
                ),
            ),
            signature=old,
            possession=new,
        )
        answer = await self._call(self._stub.ChangeIdentity, request)
        assert isinstance(answer, pb.Token)
        return answer.token

    async def export(self) -> Json:
        answer = await self._call(self._stub.ExportAccount, pb.ExportAccountRequest())
        assert isinstance(answer, pb.AccountExport)
        found: Json = json.loads(answer.json)
        return found

    async def report(self, user: bytes, reason: int) -> None:
        request = pb.ReportRequest(
            user_id=user, reason=pb.ReportReason.ValueType(reason), message_ids=[SOMEBODY]
        )
        await self._call(self._stub.Report, request)


class RefusedError(Exception):
    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


Way = type[OverRest] | type[OverGrpc]
both_ways = pytest.mark.parametrize("way", [OverRest, OverGrpc])


async def code_of(call: Awaitable[object]) -> Code:
    with pytest.raises(RefusedError) as found:
        await call
    return found.value.code


@both_ways
async def test_an_account_is_deleted_and_its_token_says_so(running: Running, way: Way) -> None:
    person = NewPerson()
    done = await running.service.register(person)
    ann = way(running, done.user, done.token.token)
    nonce = await ann.nonce()
    signed = b"signet-delete-v1" + b"localhost" + done.user + b"\x01" + nonce
    assert await code_of(ann.delete(nonce, bytes(64))) is Code.BAD_SIGNATURE
    await ann.delete(nonce, person.identity.sign(signed))
    assert await code_of(ann.export()) is Code.ACCOUNT_DELETED
    assert await running.service.directory.account(done.user) is None


@both_ways
async def test_an_identity_is_changed_and_the_new_token_is_good(running: Running, way: Way) -> None:
    person = NewPerson()
    done = await running.service.register(person)
    ann = way(running, done.user, done.token.token)
    nonce, before = await ann.nonce(), person.identity
    person.identity = Identity()
    public = person.identity.public
    signed = b"signet-identity-v1" + b"localhost" + done.user + b"\x01" + public + nonce
    proofs = before.sign(signed), person.identity.sign(signed)
    assert await code_of(ann.change(person, nonce, *reversed(proofs))) is Code.BAD_SIGNATURE
    token = await ann.change(person, nonce, *proofs)
    assert await code_of(ann.export()) is Code.DEVICE_REMOVED
    exported = await way(running, done.user, token).export()
    assert unb64(exported["directory"]["account"][0]["identity_key"]) == public


@both_ways
async def test_a_report_reaches_the_audit_trail(running: Running, way: Way) -> None:
    done = await running.service.register(NewPerson())
    ann = way(running, done.user, done.token.token)
    await ann.report(SOMEBODY, pb.REPORT_REASON_IMPERSONATION)
    event = running.service.told.events[-1]
    assert event.user == UserId(SOMEBODY)
    assert event.abuse is not None
    assert (event.abuse.by, event.abuse.reason) == (done.user, "IMPERSONATION")
    assert event.abuse.message_ids == (SOMEBODY,)
    assert await code_of(ann.report(done.user, 1)) is Code.FORBIDDEN
