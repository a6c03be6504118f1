"""The keys service over REST, on a real server, as a client developer meets it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from prometheus_client import REGISTRY

from signet.core.errors import RULES, Code
from signet.core.limits import MAX_BODY, STORE_RETRY_AFTER
from signet.keys.server import KeysServer
from tests.support.identities import Json, NewPerson, b64, unb64, upload_json
from tests.support.keys_service import Service, generous, keys_service

NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass
class Phone:
    """Somebody with a token."""

    person: NewPerson
    http: httpx.AsyncClient
    user: str
    device: int
    recovery_key: str
    token: str

    async def call(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.http.request(method, path, json=body, headers=headers)


@dataclass
class Running:
    """A server, and who asks it."""

    service: Service
    server: KeysServer
    http: httpx.AsyncClient

    async def register(self, **fields: Any) -> Phone:
        person = NewPerson()
        answer = await self.http.post("/v1/register", json=person.register_json(**fields))
        assert answer.status_code == 201, answer.text
        return self.phone(person, answer.json())

    def phone(self, person: NewPerson, done: Json) -> Phone:
        token = done["token"]["token"]
        return Phone(
            person, self.http, done["user_id"], done["device_id"], done["recovery_key"], token
        )


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    async with keys_service(tmp_path) as service:
        server = KeysServer(service.keys)
        await server.start()
        async with httpx.AsyncClient(base_url=f"http://{server.rest}") as http:
            yield Running(service, server, http)
        await server.stop()


def problem(answer: httpx.Response) -> Code:
    """The code of a refusal, which is a whole problem document."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    code = Code[body["code"]]
    assert body["status"] == answer.status_code
    assert body["title"] == RULES[code].meaning
    assert body.keys() == {"type", "title", "status", "code", "detail", "retry_after_ms"}
    return code


async def test_from_registration_to_a_bundle(running: Running) -> None:
    ann = await running.register(user_name="Ann", findable=True, device_name="phone")
    bob = await running.register(user_name="bob")

    found = await bob.call("GET", "/v1/users/by-name/ANN")
    assert found.json() == {"user_id": ann.user}

    keys = (await bob.call("GET", f"/v1/keys/{ann.user}")).json()
    assert unb64(keys["identity_key"]) == ann.person.identity.public
    (device,) = keys["devices"]
    assert device["device_id"] == 1
    assert device["registration_id"] == ann.person.registration_id
    assert len(unb64(device["pre_key"]["public_key"])) == 33
    assert len(unb64(device["kyber_pre_key"]["public_key"])) == 1569

    for _ in range(2):
        keys = (await bob.call("GET", f"/v1/keys/{ann.user}?device_id=1")).json()
    assert "pre_key" not in keys["devices"][0]

    assert (await ann.call("GET", "/v1/keys/count")).json() == {"pre_keys": 0, "kyber_pre_keys": 0}
    more = upload_json(ann.person.upload(5, 6))
    answer = await ann.call("POST", "/v1/keys/upload", more)
    assert answer.json() == {"pre_keys": 5, "kyber_pre_keys": 6}
    same = await ann.call("POST", "/v1/keys/check", {"digest": b64(bytes(32))})
    assert same.json() == {"same": False}


async def test_a_device_logs_in_with_its_own_key(running: Running) -> None:
    ann = await running.register()
    who = {"user_id": ann.user, "device_id": ann.device}
    nonce = (await running.http.post("/v1/login/nonce", json=who)).json()["nonce"]
    body = ann.person.login_json(UUID(ann.user).bytes, ann.device, unb64(nonce))
    token = (await running.http.post("/v1/login", json=body)).json()
    ann.token = token["token"]
    assert (await ann.call("GET", "/v1/account")).json()["user_id"] == ann.user
    again = await running.http.post("/v1/login", json=body)
    assert problem(again) is Code.NONCE_REFUSED
    assert again.headers["www-authenticate"] == "Bearer"


async def test_tokens_verify_with_the_published_key_set(running: Running) -> None:
    ann = await running.register()
    document = (await running.http.get("/v1/jwks")).json()
    key = jwt.PyJWKSet.from_dict(document)[jwt.get_unverified_header(ann.token)["kid"]]
    claims = jwt.decode(
        ann.token,
        key,
        algorithms=["EdDSA"],
        audience="signet",
        issuer="localhost",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["sub"] == ann.user


async def test_the_account_is_changed_and_shown(running: Running) -> None:
    ann = await running.register(user_name="ann")
    changes = {"findable": True, "presence": "contacts", "registration_lock": "1234"}
    changed = (await ann.call("PATCH", "/v1/account", changes)).json()
    assert changed == (await ann.call("GET", "/v1/account")).json()
    assert changed == {
        "user_id": ann.user,
        "user_name": "ann",
        "findable": True,
        "presence": "contacts",
        "registration_lock": True,
        "devices": [
            {
                "device_id": 1,
                "registration_id": 4711,
                "name": "",
                "created_at": int(running.service.clock.now),
                "last_login_at": int(running.service.clock.now),
            }
        ],
        "blocked": [],
    }
    blocked = await ann.call("PUT", f"/v1/account/blocked/{NOBODY}")
    assert blocked.json()["blocked"] == [NOBODY]
    unblocked = await ann.call("DELETE", f"/v1/account/blocked/{NOBODY}")
    assert unblocked.json()["blocked"] == []


async def test_a_removed_device_is_told_so(running: Running) -> None:
    ann = await running.register()
    removed = await ann.call("DELETE", "/v1/account/devices/1")
    assert removed.json()["devices"] == []
    answer = await ann.call("GET", "/v1/account")
    assert (answer.status_code, problem(answer)) == (403, Code.DEVICE_REMOVED)


async def test_a_lost_account_is_taken_over(running: Running) -> None:
    ann, new = await running.register(user_name="ann"), NewPerson()
    await ann.call("PATCH", "/v1/account", {"registration_lock": "1234"})
    body: Json = {
        "user_id": ann.user,
        "recovery_key": ann.recovery_key,
        "registration": new.register_json(),
    }
    locked = await running.http.post("/v1/recover", json=body)
    assert (locked.status_code, problem(locked)) == (423, Code.LOCKED)
    done = await running.http.post("/v1/recover", json={**body, "registration_lock": "1234"})
    again = running.phone(new, done.json())
    account = (await again.call("GET", "/v1/account")).json()
    assert (account["user_id"], account["user_name"]) == (ann.user, "ann")
    assert [device["device_id"] for device in account["devices"]] == [2]
    assert problem(await ann.call("GET", "/v1/account")) is Code.DEVICE_REMOVED


async def test_a_hundred_fetches_at_once_get_the_last_one_time_key_once(running: Running) -> None:
    """P8, from the outside."""
    ann = await running.register()
    callers = [await running.register() for _ in range(20)]
    asked = [caller.call("GET", f"/v1/keys/{ann.user}") for caller in callers for _ in range(5)]
    devices = [answer.json()["devices"][0] for answer in await asyncio.gather(*asked)]
    given = [device["pre_key"]["id"] for device in devices if "pre_key" in device]
    assert len(devices) == 100
    assert len(given) == len(set(given)) == 2


async def test_all_routes_have_one_answer_for_who_is_not_there(running: Running) -> None:
    """K5."""
    ann = await running.register()
    await running.register(user_name="hidden")
    answers = [
        await ann.call("GET", f"/v1/keys/{NOBODY}"),
        await ann.call("GET", f"/v1/keys/{NOBODY}?device_id=3"),
        await ann.call("GET", f"/v1/keys/{ann.user}?device_id=1"),
        await ann.call("GET", "/v1/users/by-name/hidden"),
        await ann.call("GET", "/v1/users/by-name/nobody"),
        await ann.call("GET", "/v1/users/by-name/can%20be%20no%20name"),
        await ann.call("DELETE", "/v1/account/devices/5"),
        await ann.call("GET", "/v1/keys/no-uuid"),
    ]
    assert {problem(answer) for answer in answers} == {Code.NOT_FOUND}
    assert len({answer.text for answer in answers}) == 1


# --- bad input ------------------------------------------------------------------------------------


async def test_every_call_of_an_account_wants_a_token(running: Running) -> None:
    document = (await running.http.get("/openapi.json")).json()
    guarded = [
        (method, path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation.get("security")
    ]
    assert ("get", "/v1/account") in guarded
    for method, path in guarded:
        where = path.format_map(defaultdict(lambda: NOBODY, device_id="1", user_name="ann"))
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
            answer = await running.http.request(method, where, headers=headers)
            assert problem(answer) is Code.UNAUTHENTICATED, (method, path)


@pytest.mark.parametrize(
    "change",
    [
        {"identity_key": "!"},
        {"identity_key": b64(bytes(33))},
        {"identity_key": b64(b"\x05" + bytes(31))},
        {"login_key": b64(bytes(31))},
        {"signature": b64(bytes(63))},
        {"registration_id": 0},
        {"registration_id": "5"},
        {"registration_id": 1.5},
        {"registration_id": True},
        {"user_name": "a"},
        {"user_name": 5},
        {"findable": "yes"},
        {"keys": {}},
        {"keys": None},
        {"device_name": "x" * 65},
    ],
    ids=str,
)
async def test_a_field_out_of_its_range_is_named(running: Running, change: Json) -> None:
    body = {**NewPerson().register_json(), **change}
    answer = await running.http.post("/v1/register", json=body)
    assert problem(answer) is Code.INVALID_ARGUMENT
    assert next(iter(change)) in answer.json()["detail"]


async def test_refusals_do_not_repeat_what_was_sent(running: Running) -> None:
    body = NewPerson().register_json(invitation=5, recovery="secret", device_name=["secret"])
    answer = await running.http.post("/v1/register", json=body)
    assert problem(answer) is Code.INVALID_ARGUMENT
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", Code.INVALID_ARGUMENT),
        (b"{", Code.MALFORMED),
        (b"\xff\xfe", Code.MALFORMED),
        (b"[]", Code.INVALID_ARGUMENT),
        (b"null", Code.INVALID_ARGUMENT),
        (b'{"user_id": "\\ud800", "device_id": 1}', Code.INVALID_ARGUMENT),
        (b"[" * 100_000, Code.MALFORMED),
    ],
    ids=["empty", "cut", "no text", "a list", "null", "half a character", "deep"],
)
async def test_what_is_not_a_body_has_its_code(
    running: Running, content: bytes, code: Code
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await running.http.post("/v1/login/nonce", content=content, headers=headers)
    assert (answer.status_code, problem(answer)) == (400, code)


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 1024):
        yield bytes(1024)


async def test_a_body_is_bounded_whether_it_says_its_length_or_not(running: Running) -> None:
    said = await running.http.post("/v1/login", content=bytes(MAX_BODY + 1))
    assert (said.status_code, problem(said)) == (413, Code.PAYLOAD_TOO_LARGE)
    unsaid = await running.http.post("/v1/login", content=in_pieces(MAX_BODY + 1024))
    assert problem(unsaid) is Code.PAYLOAD_TOO_LARGE
    headers = {"Content-Type": "application/json"}
    content = in_pieces(MAX_BODY)
    under = await running.http.post("/v1/login", content=content, headers=headers)
    assert problem(under) is Code.MALFORMED


async def test_unknown_paths_and_methods_are_problems_too(running: Running) -> None:
    answer = await running.http.get("/v1/no/such")
    assert (answer.status_code, problem(answer)) == (404, Code.NOT_FOUND)
    answer = await running.http.put("/v1/account")
    assert (answer.status_code, problem(answer)) == (405, Code.UNSUPPORTED_FRAME)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "PATCH"}
    answer = await running.http.get("/v1/keys/upload")  # no user's id
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_who_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(logins_a_minute=1)) as service:
        server = KeysServer(service.keys)
        await server.start()
        async with httpx.AsyncClient(base_url=f"http://{server.rest}") as http:
            who = {"user_id": NOBODY, "device_id": 1}
            assert (await http.post("/v1/login/nonce", json=who)).status_code == 200
            answer = await http.post("/v1/login/nonce", json=who)
            assert (answer.status_code, problem(answer)) == (429, Code.RATE_LIMITED)
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert 0 < answer.json()["retry_after_ms"] <= 60_000
        await server.stop()


# --- the service as operators see it --------------------------------------------------------------


async def test_a_store_that_is_away_is_said_so_and_nothing_is_lost(
    running: Running, tmp_path: Path
) -> None:
    ann = await running.register()
    await running.service.directory.migrate("base")  # its tables are gone
    for answer in (
        await ann.call("GET", "/v1/account"),
        await running.http.get("/readyz"),
        await running.http.post("/v1/register", json=NewPerson().register_json()),
    ):
        assert (answer.status_code, problem(answer)) == (503, Code.STORE_UNAVAILABLE)
        assert answer.headers["retry-after"] == str(int(STORE_RETRY_AFTER))
    assert (await running.http.get("/healthz")).json() == {"status": "ok"}
    await running.service.directory.migrate()
    assert (await running.http.get("/readyz")).json() == {"status": "ok"}


async def test_the_server_says_what_to_know_before_registering(running: Running) -> None:
    running.service.keys.announce("ws://127.0.0.1:1/v1/connect", "127.0.0.1:2")
    assert (await running.http.get("/v1/server")).json() == {
        "server_name": "localhost",
        "version": running.service.keys.version,
        "websocket": "ws://127.0.0.1:1/v1/connect",
        "grpc": "127.0.0.1:2",
        "registration": "open",
        "proof_of_work_bits": 0,
    }


def counted(route: str, status: str) -> float:
    labels = {"route": route, "status": status}
    return REGISTRY.get_sample_value("signet_keys_requests_total", labels) or 0.0


async def test_requests_are_counted_by_route_and_never_by_whom(running: Running) -> None:
    ann = await running.register()
    before = counted("/v1/keys/{user_id}", "404"), counted("other", "404")
    await ann.call("GET", f"/v1/keys/{NOBODY}")
    await ann.call("GET", "/v1/no/such")
    after = counted("/v1/keys/{user_id}", "404"), counted("other", "404")
    assert after == (before[0] + 1, before[1] + 1)


async def test_a_port_that_is_taken_is_an_error(running: Running) -> None:
    other = KeysServer(running.service.keys, rest_port=running.server.rest.port)
    with pytest.raises(OSError, match="in use"):
        await other.start()
    assert running.server.grpc is not None
    other = KeysServer(running.service.keys, grpc_port=running.server.grpc.port)
    with pytest.raises(OSError, match="gRPC"):
        await other.start()
