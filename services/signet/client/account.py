"""The account at the keys service: registration, login, devices, pre-keys, other people.

Who we are is proved by keys, never by a password: the identity key signs the registration, the
device's login key each login. Labels and order of what is signed are those of keys.proto.
"""

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.client.environment import Environment
from signet.client.errors import RateLimited, TokenExpired, Unauthenticated, refusal
from signet.client.prekeys import Upload
from signet.client.rest import Json, Rest, b64, unb64
from signet.client.sealing import Bundles
from signet.client.store.settings import Account
from signet.core.errors import Code
from signet.core.ids import UserId, show, user_id
from signet.core.limits import RATE_PATIENCE, RATE_RETRIES, TOKEN_MARGIN
from signet.e2e import (
    IdentityKeyPair,
    PreKeyBundle,
    PublicPreKey,
    SignedPublicPreKey,
)

_REGISTER_LABEL = b"signet-register-v1"
_LOGIN_LABEL = b"signet-login-v1"


class Audience(IntEnum):
    """Who sees presence and last seen. Reciprocal: who hides theirs sees nobody's."""

    EVERYONE = 1
    CONTACTS = 2
    NOBODY = 3


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says of itself. Addresses are where streams are opened."""

    name: str
    websocket: str
    grpc: str
    proof_of_work_bits: int = 0  # asked of those who register


@dataclass(frozen=True, slots=True)
class Device:
    """One of the account's devices, as the keys service lists it."""

    id: int
    registration: int
    name: str
    created_at: int  # Unix time, seconds
    last_login_at: int = 0  # 0: not known


@dataclass(frozen=True, slots=True)
class KeyStock:
    """One-time keys that the server has left for others."""

    pre_keys: int
    kyber_pre_keys: int


@dataclass(frozen=True, slots=True)
class Registration:
    """What is asked for beside the keys."""

    user_name: str = ""
    findable: bool = True
    device_name: str = ""
    invitation: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    proof_of_work: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose account is taken over (`user`, else `user_name`), and what shows that it is theirs."""

    user: UserId | None = None
    user_name: str = ""
    recovery_key: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registration_lock: str = field(default="", repr=False)
    device_name: str = ""


@dataclass(frozen=True, slots=True)
class NewDevice:
    """The keys of a device that has no account yet."""

    identity: IdentityKeyPair
    login: Ed25519PrivateKey = field(repr=False)
    registration_id: int
    keys: Upload


@dataclass(frozen=True, slots=True)
class Registered:
    """`recovery_key` is shown once: the server keeps only its hash."""

    user: UserId
    device: int
    recovery_key: str = field(repr=False)
    token: str = field(repr=False)
    expires_at: float


async def find_server(rest: Rest) -> Server:
    """Raises ServerUnreachable."""
    found = await rest.call("GET", "/v1/server")
    return Server(
        found["server_name"],
        found.get("websocket", ""),
        found.get("grpc", ""),
        int(found.get("proof_of_work_bits", 0)),
    )


async def register(
    rest: Rest, server: Server, device: NewDevice, wanted: Registration, environment: Environment
) -> Registered:
    """Make an account with one device. Raises SignetError (REGISTRATION_REFUSED, …)."""
    body = _application(server, device, wanted, environment)
    return registered(await rest.call("POST", "/v1/register", body))


async def recover(
    rest: Rest, server: Server, device: NewDevice, claim: Claim, environment: Environment
) -> Registered:
    """Take an account over with one new device. Raises SignetError (NOT_FOUND, LOCKED, …)."""
    wanted = Registration(device_name=claim.device_name, identity_token=claim.identity_token)
    body: Json = {
        "user_id": None if claim.user is None else show(claim.user),
        "user_name": claim.user_name,
        "recovery_key": claim.recovery_key,
        "registration_lock": claim.registration_lock,
        "registration": _application(server, device, wanted, environment),
    }
    return registered(await rest.call("POST", "/v1/recover", body))


def _application(
    server: Server, device: NewDevice, wanted: Registration, environment: Environment
) -> Json:
    """`RegisterRequest` in JSON, signed by the identity key (K1)."""
    login_public = device.login.public_key().public_bytes_raw()
    signed = b"".join(
        (
            _REGISTER_LABEL,
            server.name.encode(),
            device.identity.public,
            login_public,
            device.registration_id.to_bytes(4, "big"),
        )
    )
    return {
        "identity_key": b64(device.identity.public),
        "login_key": b64(login_public),
        "registration_id": device.registration_id,
        "keys": device.keys.to_json(),
        "signature": b64(device.identity.sign(signed, environment.randomness)),
        "user_name": wanted.user_name,
        "findable": wanted.findable,
        "invitation": wanted.invitation,
        "identity_token": wanted.identity_token,
        "proof_of_work": wanted.proof_of_work,
        "device_name": wanted.device_name,
    }


def registered(answer: Json) -> Registered:
    """From the answer of a registration."""
    token = answer["token"]
    return Registered(
        user_id(answer["user_id"]),
        int(answer["device_id"]),
        answer.get("recovery_key", ""),
        token["token"],
        float(token["expires_at"]),
    )


class Keys:
    """Calls of a registered device. Logs in when it must, and before a token ends."""

    def __init__(self, rest: Rest, account: Account, environment: Environment) -> None:
        self._rest, self._account, self._environment = rest, account, environment
        self._login = Ed25519PrivateKey.from_private_bytes(account.login_private)
        self._token, self._expires_at = "", 0.0

    def use(self, token: str, expires_at: float) -> None:
        """Take a token that came with the registration."""
        self._token, self._expires_at = token, expires_at

    def forget_token(self) -> None:
        """The server refused it: the next call logs in."""
        self._token, self._expires_at = "", 0.0

    async def token(self) -> str:
        """One that holds for TOKEN_MARGIN at least. Raises SignetError, ServerUnreachable."""
        if self._environment.now() >= self._expires_at - TOKEN_MARGIN:
            await self._log_in()
        return self._token

    async def server(self) -> Server:
        return await find_server(self._rest)

    async def find(self, user_name: str) -> UserId:
        """Raises NotFound: nobody of that name, or they do not want to be found."""
        found = await self.call("GET", f"/v1/users/by-name/{user_name}")
        return user_id(found["user_id"])

    async def bundles(self, user: UserId) -> Bundles:
        """Keys of all devices of a person. Uses up one-time keys. Raises NotFound."""
        found = await self.call("GET", f"/v1/keys/{show(user)}")
        identity = unb64(found["identity_key"])
        devices = tuple(_bundle(identity, device) for device in found["devices"])
        return Bundles(user, identity, devices)

    async def upload(self, keys: Upload) -> KeyStock:
        return _stock(await self.call("POST", "/v1/keys/upload", keys.to_json()))

    async def count(self) -> KeyStock:
        return _stock(await self.call("GET", "/v1/keys/count"))

    async def check(self, digest: bytes) -> bool:
        """Whether the server holds the same long-lived keys as this device."""
        answer = await self.call("POST", "/v1/keys/check", {"digest": b64(digest)})
        return bool(answer["same"])

    async def account(self) -> Json:
        return await self.call("GET", "/v1/account")

    async def devices(self) -> list[Device]:
        return [_device(one) for one in (await self.account())["devices"]]

    async def update(self, changes: Json) -> None:
        await self.call("PATCH", "/v1/account", changes)

    async def remove_device(self, device: int) -> None:
        await self.call("DELETE", f"/v1/account/devices/{device}")

    async def renew(self, registration: int, keys: Upload) -> None:
        """Register this device anew; the token is of the new registration from then on."""
        body = {"registration_id": registration, "keys": keys.to_json()}
        token = await self.call("POST", "/v1/account/renew", body)
        self.use(token["token"], float(token["expires_at"]))

    async def set_profile(self, sealed: bytes) -> int:
        """The version that it has then."""
        answer = await self.call("PUT", "/v1/account/profile", {"sealed": b64(sealed)})
        return int(answer["version"])

    async def profile(self, user: UserId) -> tuple[int, bytes]:
        """Version and bytes. Raises NotFound: they show nothing."""
        found = await self.call("GET", f"/v1/users/{show(user)}/profile")
        return int(found["version"]), unb64(found["sealed"])

    async def rename_device(self, device: int, name: str) -> None:
        await self.call("PATCH", f"/v1/account/devices/{device}", {"name": name})

    async def set_blocked(self, user: UserId, blocked: bool) -> None:
        method = "PUT" if blocked else "DELETE"
        await self.call(method, f"/v1/account/blocked/{show(user)}")

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Ask as this device; again by itself where it is asked for a little patience.

        Raises SignetError, ServerUnreachable.
        """
        for _ in range(RATE_RETRIES):
            try:
                return await self._call(method, path, body)
            except RateLimited as error:
                if not 0 < error.retry_after_s <= RATE_PATIENCE:
                    raise
                await asyncio.sleep(error.retry_after_s)
        return await self._call(method, path, body)

    async def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        try:
            return await self._rest.call(method, path, body, token=await self.token())
        except (Unauthenticated, TokenExpired):  # another signing key, or a clock that is off
            self.forget_token()
            return await self._rest.call(method, path, body, token=await self.token())

    async def _log_in(self) -> None:
        """Raises SignetError: DEVICE_REMOVED, …; ServerUnreachable."""
        account = self._account
        who = {"user_id": str(UUID(bytes=account.user)), "device_id": account.device}
        nonce = unb64((await self._rest.call("POST", "/v1/login/nonce", who))["nonce"])
        signed = b"".join(
            (
                _LOGIN_LABEL,
                account.server_name.encode(),
                account.user,
                bytes([account.device]),
                nonce,
            )
        )
        proof = {"nonce": b64(nonce), "signature": b64(self._login.sign(signed))}
        try:
            answer = await self._rest.call("POST", "/v1/login", {**who, **proof})
        except Unauthenticated:  # it was signed well: the key is no longer one of the account's
            raise refusal(Code.DEVICE_REMOVED) from None
        self.use(answer["token"], float(answer["expires_at"]))


def _stock(answer: Json) -> KeyStock:
    return KeyStock(int(answer.get("pre_keys", 0)), int(answer.get("kyber_pre_keys", 0)))


def _device(one: Json) -> Device:
    return Device(
        int(one["device_id"]),
        int(one["registration_id"]),
        one.get("name", ""),
        int(one.get("created_at", 0)),
        int(one.get("last_login_at", 0)),
    )


def _bundle(identity: bytes, device: Json) -> PreKeyBundle:
    pre_key, kyber = device.get("pre_key"), device.get("kyber_pre_key")
    return PreKeyBundle(
        int(device["registration_id"]),
        int(device["device_id"]),
        identity,
        _signed(device["signed_pre_key"]),
        PublicPreKey(int(pre_key["id"]), unb64(pre_key["public_key"])) if pre_key else None,
        _signed(kyber) if kyber else None,
    )


def _signed(key: Json) -> SignedPublicPreKey:
    return SignedPublicPreKey(int(key["id"]), unb64(key["public_key"]), unb64(key["signature"]))
