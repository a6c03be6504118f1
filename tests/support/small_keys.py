"""The keys service of the small server: REST on a dict of users, without a check of signatures."""

import asyncio
import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx

from signet.core.errors import RULES, Code
from signet.core.ids import START, Position
from signet.core.limits import MAX_PRE_KEYS
from signet.v1 import messaging_pb2 as pb

if TYPE_CHECKING:
    from tests.support.small_server import SmallStream

Json = dict[str, Any]


@dataclass
class Device:
    """One registered device: its keys as REST has them, and its inbox."""

    user: bytes
    id: int
    registration: int
    login_key: bytes
    keys: Json
    items: list[pb.Item] = field(default_factory=list)
    last: Position = field(default_factory=lambda: Position(1, 0))
    sent_up_to: Position = START
    counter: int = 0
    resume: bytes = b""
    stream: "SmallStream | None" = None


@dataclass
class User:
    id: bytes
    name: str
    identity: str
    devices: dict[int, Device] = field(default_factory=dict)


class SmallKeys:
    """`http` goes into an Environment."""

    def __init__(self) -> None:
        self.users: dict[bytes, User] = {}
        self.entry = "ws://small.test/v1/connect"  # where it says that streams are opened
        self.down = False
        self.keys_down = False  # REST alone
        self.missed = asyncio.Event()  # somebody asked while it was
        self.fetched: list[bytes] = []
        self.uploads: list[Json] = []
        self.uploaded = asyncio.Event()
        self.http = httpx.MockTransport(self._rest)
        self._made = 0

    def _rest(self, request: httpx.Request) -> httpx.Response:
        if self.keys_down:
            self.missed.set()
        if self.down or self.keys_down:
            raise httpx.ConnectError("down")
        body: Json = json.loads(request.content) if request.content else {}
        for method, pattern, handler in self._routes():
            match = re.fullmatch(pattern, request.url.path)
            if match and method == request.method:
                token = request.headers.get("authorization", "").removeprefix("Bearer ")
                return handler(self._bearer(token), body, *match.groups())  # type: ignore[no-any-return]
        return _problem(Code.NOT_FOUND)

    def _routes(self) -> list[tuple[str, str, Any]]:
        return [
            ("GET", "/v1/server", self._server),
            ("POST", "/v1/register", self._register),
            ("POST", "/v1/login/nonce", lambda *_: _ok({"nonce": _b64(bytes(32))})),
            ("POST", "/v1/login", self._login),
            ("GET", "/v1/users/by-name/(.+)", self._find),
            ("GET", "/v1/keys/count", self._count),
            ("POST", "/v1/keys/check", lambda *_: _ok({"same": True})),
            ("POST", "/v1/keys/upload", self._upload),
            ("GET", "/v1/keys/(.+)", self._bundles),
            ("GET", "/v1/account", self._account),
            ("GET", "/v1/groups", lambda *_: _ok({"groups": []})),
            ("PATCH", "/v1/account", self._account),
        ]

    def _bearer(self, token: str) -> Device | None:
        every = (d for u in self.users.values() for d in u.devices.values())
        return next((device for device in every if token == token_of(device)), None)

    def _server(self, *_: object) -> httpx.Response:
        return _ok(
            {
                "server_name": "small",
                "websocket": self.entry,
                "grpc": "small.test:7401",
            }
        )

    def _register(self, _: object, body: Json) -> httpx.Response:
        if any(body["user_name"] == user.name for user in self.users.values()):
            return _problem(Code.USER_NAME_TAKEN)
        self._made += 1
        user = User(self._made.to_bytes(16, "big"), body["user_name"], body["identity_key"])
        self.users[user.id] = user
        device = self.add_device(user, body["registration_id"], body["keys"])
        token = {"token": token_of(device), "expires_at": 2**40}
        return _ok(
            {
                "user_id": str(UUID(bytes=user.id)),
                "device_id": device.id,
                "recovery_key": "once",
                "token": token,
            }
        )

    def add_device(self, user: User, registration: int, keys: Json) -> Device:
        device = Device(user.id, len(user.devices) + 1, registration, b"", keys)
        user.devices[device.id] = device
        return device

    def _login(self, _: object, body: Json) -> httpx.Response:
        user = self.users.get(UUID(body["user_id"]).bytes)
        device = user.devices.get(body["device_id"]) if user else None
        if device is None:
            return _problem(Code.UNAUTHENTICATED)
        return _ok({"token": token_of(device), "expires_at": 2**40})

    def _find(self, _: object, __: Json, name: str) -> httpx.Response:
        found = next((user for user in self.users.values() if user.name == name), None)
        return _ok({"user_id": str(UUID(bytes=found.id))}) if found else _problem(Code.NOT_FOUND)

    def _bundles(self, _: object, __: Json, user_id: str) -> httpx.Response:
        user = self.users.get(UUID(user_id).bytes)
        if user is None:
            return _problem(Code.NOT_FOUND)
        self.fetched.append(user.id)
        devices = [_bundle(device) for device in user.devices.values()]
        return _ok({"user_id": user_id, "identity_key": user.identity, "devices": devices})

    def _count(self, device: Device, _: Json) -> httpx.Response:
        keys = device.keys
        return _ok(
            {"pre_keys": len(keys["pre_keys"]), "kyber_pre_keys": len(keys["kyber_pre_keys"])}
        )

    def _upload(self, device: Device, body: Json) -> httpx.Response:
        assert len(body["pre_keys"]) <= MAX_PRE_KEYS
        self.uploads.append(body)
        self.uploaded.set()
        device.keys.update({kind: keys for kind, keys in body.items() if keys})
        return self._count(device, {})

    def _account(self, device: Device, _: Json) -> httpx.Response:
        user = self.users[device.user]
        listed = [
            {"device_id": d.id, "registration_id": d.registration, "name": "", "created_at": 0}
            for d in user.devices.values()
        ]
        return _ok({"user_id": str(UUID(bytes=user.id)), "devices": listed})


def _bundle(device: Device) -> Json:
    keys = device.keys
    one_time, kyber = keys["pre_keys"], keys["kyber_pre_keys"]
    bundle = {
        "device_id": device.id,
        "registration_id": device.registration,
        "signed_pre_key": keys["signed_pre_key"],
        "kyber_pre_key": kyber.pop() if kyber else keys["last_resort_kyber_pre_key"],
    }
    return {**bundle, "pre_key": one_time.pop()} if one_time else bundle


def token_of(device: Device) -> str:
    return f"{device.user.hex()}/{device.id}"


def _ok(body: Json) -> httpx.Response:
    return httpx.Response(200, json=body)


def _problem(code: Code) -> httpx.Response:
    return httpx.Response(RULES[code].http, json={"code": code.name, "retry_after_ms": 0})


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
