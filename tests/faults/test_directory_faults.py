"""The directory's file is locked by another process, or its disk is full: said so, on each route.

Writes wait a moment, then are STORE_UNAVAILABLE with a time to come back, over REST and gRPC;
what only reads goes on; nothing is half done.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import httpx
import pytest
from grpc import aio
from sqlalchemy import event

from signet.adapters.directory_engine import make_engine
from signet.adapters.directory_sql import SqlDirectory
from signet.adapters.rate_limits import MemoryRateLimits
from signet.core.errors import Code
from signet.core.ids import DeviceId, UserId
from signet.core.limits import STORE_RETRY_AFTER
from signet.keys.registration import Registered
from signet.keys.server import KeysServer
from signet.keys.service import Keys
from signet.ports.inbox import StoreUnavailable
from signet.v1 import keys_pb2 as pb
from signet.v1 import keys_pb2_grpc
from tests.support.directories import an_account
from tests.support.identities import NewPerson, upload_json
from tests.support.keys_service import HERE, Told, application, generous
from tests.support.lanes import Server
from tests.support.lanes.postgres import dsn

WAIT_S = 0.05
SCHEME = "postgresql+asyncpg"
OTHER = "11111111-1111-4111-8111-111111111111"


@dataclass
class Running:
    """A server whose directory waits for WAIT_S; ann, who has an account, and a nonce of hers."""

    file: Path
    keys: Keys
    http: httpx.AsyncClient
    stub: Any  # the asyncio stub has no type of its own
    person: NewPerson
    ann: Registered
    nonce: bytes

    @property
    def bearer(self) -> str:
        return f"Bearer {self.ann.token.token}"


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another process's transaction has the file."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    file = tmp_path / "directory.db"
    engine = make_engine(f"sqlite+aiosqlite:///{file}", timeout_s=WAIT_S)
    directory = SqlDirectory(engine, turn_s=WAIT_S)
    await directory.migrate()
    told = Told()
    keys = Keys(directory, MemoryRateLimits(), told, told, generous())
    person = NewPerson()
    ann = await keys.registrations.register(application(person), HERE)
    nonce = await keys.logins.nonce(DeviceId(ann.user, ann.device), HERE)
    server = KeysServer(keys)
    await server.start()
    async with (
        httpx.AsyncClient(base_url=f"http://{server.rest}") as http,
        aio.insecure_channel(str(server.grpc)) as channel,
    ):
        stub = keys_pb2_grpc.KeysStub(channel)
        yield Running(file, keys, http, stub, person, ann, nonce)
    await server.stop()
    await directory.close()


def rest_writes(at: Running) -> list[tuple[str, str, Any]]:
    """A request for each route that writes."""
    user, device = str(UUID(bytes=at.ann.user)), at.ann.device
    recovery = {
        "user_id": user,
        "recovery_key": at.ann.recovery_key,
        "registration": NewPerson().register_json(),
    }
    return [
        ("POST", "/v1/register", NewPerson().register_json()),
        ("POST", "/v1/recover", recovery),
        ("POST", "/v1/login/nonce", {"user_id": user, "device_id": device}),
        ("POST", "/v1/login", at.person.login_json(at.ann.user, device, at.nonce)),
        ("POST", "/v1/keys/upload", upload_json(at.person.upload())),
        ("GET", f"/v1/keys/{user}?device_id=0", None),
        ("PATCH", "/v1/account", {"user_name": "ann"}),
        ("PUT", f"/v1/account/blocked/{OTHER}", None),
        ("DELETE", f"/v1/account/blocked/{OTHER}", None),
        ("DELETE", f"/v1/account/devices/{device}", None),
    ]


def grpc_writes(at: Running) -> list[Callable[[], Any]]:
    """What makes a call of each kind that writes."""
    user, device = at.ann.user, at.ann.device
    person = NewPerson()
    registration = pb.RegisterRequest(
        identity_key=person.identity.public,
        login_key=person.login_public,
        registration_id=person.registration_id,
        keys=grpc_upload(person),
        signature=person.registration_signature(),
    )
    recovery = pb.RecoverRequest(
        user_id=user, recovery_key=at.ann.recovery_key, registration=registration
    )
    signature = at.person.login_signature(user, device, at.nonce)
    login = pb.LoginRequest(user_id=user, device_id=device, nonce=at.nonce, signature=signature)
    mine = {"metadata": (("authorization", at.bearer),)}
    return [
        lambda: at.stub.Register(registration),
        lambda: at.stub.Recover(recovery),
        lambda: at.stub.GetNonce(pb.GetNonceRequest(user_id=user, device_id=device)),
        lambda: at.stub.Login(login),
        lambda: at.stub.UploadKeys(grpc_upload(at.person), **mine),
        lambda: at.stub.GetKeys(pb.GetKeysRequest(user_id=user), **mine),
        lambda: at.stub.UpdateAccount(pb.UpdateAccountRequest(user_name="ann"), **mine),
        lambda: at.stub.SetBlocked(pb.SetBlockedRequest(user_id=bytes(16), blocked=True), **mine),
        lambda: at.stub.RemoveDevice(pb.RemoveDeviceRequest(device_id=device), **mine),
    ]


def grpc_upload(person: NewPerson) -> pb.UploadKeysRequest:
    keys = person.upload(0, 0)
    assert keys.signed is not None
    assert keys.last_resort is not None
    signed, last = keys.signed, keys.last_resort
    return pb.UploadKeysRequest(
        signed_pre_key=pb.SignedPreKey(
            id=signed.id, public_key=signed.public, signature=signed.signature
        ),
        last_resort_kyber_pre_key=pb.KyberPreKey(
            id=last.id, public_key=last.public, signature=last.signature
        ),
    )


async def test_over_rest_a_locked_file_is_said_so_with_a_time_to_come_back(
    running: Running,
) -> None:
    headers = {"Authorization": running.bearer}
    with locked(running.file):
        for method, path, body in rest_writes(running):
            answer = await running.http.request(method, path, json=body, headers=headers)
            said = answer.json()
            assert (answer.status_code, said["code"]) == (503, "STORE_UNAVAILABLE"), path
            assert said["retry_after_ms"] == STORE_RETRY_AFTER * 1000
            assert answer.headers["retry-after"] == str(int(STORE_RETRY_AFTER))
        for path in ("/readyz", "/v1/jwks", "/v1/account", "/v1/keys/count"):
            assert (await running.http.get(path, headers=headers)).status_code == 200, path
    for method, path, body in rest_writes(running)[2:]:  # none was half done
        answer = await running.http.request(method, path, json=body, headers=headers)
        assert answer.status_code == 200, (path, answer.text)


async def test_over_grpc_a_locked_file_is_said_so_with_a_time_to_come_back(
    running: Running,
) -> None:
    with locked(running.file):
        for call in grpc_writes(running):
            with pytest.raises(aio.AioRpcError) as found:
                await call()
            said = dict(found.value.trailing_metadata() or ())
            assert found.value.code() is grpc.StatusCode.UNAVAILABLE
            assert said["signet-code"] == Code.STORE_UNAVAILABLE.name
            assert said["retry-after-ms"] == str(int(STORE_RETRY_AFTER * 1000))
    for call in grpc_writes(running)[2:]:
        await call()


async def test_writers_behind_one_that_waits_do_not_wait_for_all_before_them(
    running: Running,
) -> None:
    """Or the last of many would be refused only when its client is long gone."""
    many = 40
    directory = SqlDirectory(make_engine(f"sqlite+aiosqlite:///{running.file}"), turn_s=WAIT_S)
    holding = asyncio.Event()

    async def hold(_tx: object) -> None:
        holding.set()
        await asyncio.Event().wait()

    first = asyncio.create_task(directory._write(hold))
    await holding.wait()
    done = await asyncio.gather(
        *(directory.create_account(an_account()) for _ in range(many)), return_exceptions=True
    )
    assert {type(one) for one in done} == {StoreUnavailable}
    first.cancel()
    await asyncio.wait([first])
    await directory.create_account(an_account())
    await directory.close()


async def test_a_full_disk_refuses_what_writes_and_serves_what_reads(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite+aiosqlite:///{tmp_path / 'directory.db'}")
    event.listen(engine.sync_engine, "connect", _of_few_pages)
    directory = SqlDirectory(engine)
    await directory.migrate()
    kept = await directory.create_account(an_account())
    with pytest.raises(StoreUnavailable):
        await fill(directory)
    assert await directory.account(kept.user) == kept
    await directory.close()


async def fill(directory: SqlDirectory) -> None:
    while True:
        await directory.create_account(an_account())


def _of_few_pages(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA max_page_count=80")
    cursor.close()


@pytest.mark.lane("postgres")
async def test_a_postgresql_that_refuses_connections_is_unavailable(
    postgres_server: Server,
) -> None:
    """As while it starts or stops, or has no connection left: the driver has its own errors."""
    url = dsn(postgres_server).rpartition("/")[0]
    directory = SqlDirectory(make_engine(f"{url}/not_there".replace("postgresql", SCHEME, 1)))
    with pytest.raises(StoreUnavailable):
        await directory.account(UserId(bytes(16)))
    with pytest.raises(StoreUnavailable):
        await directory.create_account(an_account())
    await directory.close()
