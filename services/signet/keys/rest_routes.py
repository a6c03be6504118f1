"""The routes of REST: each one line of the service."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from signet.core.errors import RULES, Code
from signet.core.ids import DeviceId, UserId, show
from signet.core.limits import MAX_DEVICE_ID
from signet.keys import rest_convert as convert
from signet.keys import rest_models as m
from signet.keys.login import Proof
from signet.keys.parts import Caller
from signet.keys.registration import Recovery
from signet.keys.rest_problems import PROBLEM
from signet.keys.service import Keys

_ALWAYS = (Code.INVALID_ARGUMENT, Code.PAYLOAD_TOO_LARGE, Code.STORE_UNAVAILABLE, Code.INTERNAL)
CALLER = (
    Code.UNAUTHENTICATED,
    Code.TOKEN_EXPIRED,
    Code.DEVICE_REMOVED,
    Code.ACCOUNT_DELETED,
    Code.RATE_LIMITED,
)
_REGISTER = (
    Code.REGISTRATION_REFUSED,
    Code.BAD_SIGNATURE,
    Code.KEY_ID_REUSED,
    Code.RATE_LIMITED,
)

_bearer = HTTPBearer(
    auto_error=False, bearerFormat="JWT", description="The token of POST /v1/login"
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
UserInPath = Annotated[UUID, Path(description="A user id")]
Authenticate = Callable[..., Awaitable[Caller]]


def refusals(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """Answers of a route beside the good one, as OpenAPI has them: a status and its codes."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in (*codes, *_ALWAYS):
        entry = found.setdefault(
            RULES[code].http, {"description": "", "content": {PROBLEM: {"schema": _SCHEMA}}}
        )
        names = [*filter(None, entry["description"].split(", ")), code.name]
        entry["description"] = ", ".join(dict.fromkeys(names))
    return found


_SCHEMA = {"$ref": "#/components/schemas/Problem"}


def authenticates(keys: Keys) -> Authenticate:
    """What a route depends on that wants a token."""

    async def authenticated(request: Request, credentials: Credentials) -> Caller:
        token = credentials.credentials if credentials else ""
        return await keys.logins.authenticate(token, caller_address(request))

    return authenticated


def routes(keys: Keys) -> APIRouter:
    """Those that every device needs, by who may call; linking is in rest_linking."""
    router, authenticated = APIRouter(), authenticates(keys)
    _add_pages(router, keys)
    _add_entrance(router, keys)
    _add_pre_keys(router, keys, authenticated)
    _add_account(router, keys, authenticated)
    return router


def caller_address(request: Request) -> str:
    """Where a call comes from, for limits by address."""
    return request.client.host if request.client else ""


def _add_pages(router: APIRouter, keys: Keys) -> None:
    @router.get("/healthz", tags=["pages"], responses=refusals())
    async def healthz() -> m.Health:
        """The event loop turns."""
        return m.Health()

    @router.get("/readyz", tags=["pages"], responses=refusals())
    async def readyz() -> m.Health:
        """The directory answers."""
        await keys.ready()
        return m.Health()

    @router.get("/v1/server", tags=["entrance"], responses=refusals())
    async def get_server() -> m.Server:
        """What to know before registering."""
        return m.Server(
            server_name=keys.config.server_name,
            version=keys.version,
            websocket=keys.websocket,
            grpc=keys.grpc,
            registration=keys.config.registration.value,
            proof_of_work_bits=keys.config.proof_of_work_bits,
        )

    @router.get("/v1/jwks", tags=["entrance"], responses=refusals())
    async def jwks() -> m.Jwks:
        """The keys that verify tokens: the current one, and those before it for a token's life."""
        return m.Jwks.model_validate(await keys.jwks())


def _add_entrance(router: APIRouter, keys: Keys) -> None:
    @router.post(
        "/v1/register",
        tags=["entrance"],
        status_code=201,
        responses=refusals(*_REGISTER, Code.USER_NAME_TAKEN),
    )
    async def register(body: m.RegisterRequest, request: Request) -> m.Registered:
        """Make an account with one device."""
        application = convert.application(body)
        return convert.registered(
            await keys.registrations.register(application, caller_address(request))
        )

    @router.post(
        "/v1/recover",
        tags=["entrance"],
        responses=refusals(*_REGISTER, Code.NOT_FOUND, Code.LOCKED),
    )
    async def recover(body: m.RecoverRequest, request: Request) -> m.Registered:
        """Take an account over: its devices and inboxes are dropped, peers are told."""
        recovery = Recovery(
            None if body.user_id is None else m.user_of(body.user_id),
            convert.application(body.registration),
            body.recovery_key,
            body.registration_lock,
            body.user_name,
        )
        return convert.registered(
            await keys.registrations.recover(recovery, caller_address(request))
        )

    @router.post("/v1/login/nonce", tags=["entrance"], responses=refusals(Code.RATE_LIMITED))
    async def get_nonce(body: m.GetNonceRequest, request: Request) -> m.Nonce:
        """A nonce to sign; unknown devices get one, too."""
        device = DeviceId(m.user_of(body.user_id), body.device_id)
        return m.Nonce(nonce=m.text(await keys.logins.nonce(device, caller_address(request))))

    @router.post(
        "/v1/login",
        tags=["entrance"],
        responses=refusals(Code.NONCE_REFUSED, Code.UNAUTHENTICATED, Code.RATE_LIMITED),
    )
    async def login(body: m.LoginRequest, request: Request) -> m.Token:
        """A token for an hour."""
        device = DeviceId(m.user_of(body.user_id), body.device_id)
        proof = Proof(device, m.data(body.nonce), m.data(body.signature))
        return convert.token(await keys.logins.login(proof, caller_address(request)))


def _add_pre_keys(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type

    @router.post(
        "/v1/keys/upload",
        tags=["keys"],
        responses=refusals(*CALLER, Code.BAD_SIGNATURE, Code.KEY_ID_REUSED),
    )
    async def upload_keys(caller: Authenticated, body: m.UploadKeysRequest) -> m.KeyCount:
        """Publish keys of the calling device. A bad signature refuses all of them."""
        return convert.count(await keys.bundles.upload(caller, convert.upload(body)))

    @router.get("/v1/keys/count", tags=["keys"], responses=refusals(*CALLER))
    async def count_keys(caller: Authenticated) -> m.KeyCount:
        """One-time keys that the calling device has left."""
        return convert.count(await keys.bundles.count(caller))

    @router.post("/v1/keys/check", tags=["keys"], responses=refusals(*CALLER))
    async def check_keys(caller: Authenticated, body: m.CheckKeysRequest) -> m.CheckedKeys:
        """Whether client and server agree on the long-lived keys."""
        return m.CheckedKeys(same=await keys.bundles.check(caller, m.data(body.digest)))

    @router.get(
        "/v1/keys/{user_id:uuid}",
        tags=["keys"],
        response_model_exclude_none=True,
        responses=refusals(*CALLER, Code.NOT_FOUND),
    )
    async def get_keys(
        caller: Authenticated,
        user_id: UserInPath,
        device_id: Annotated[int, Query(ge=0, le=MAX_DEVICE_ID)] = 0,
    ) -> m.UserKeys:
        """Bundles of a person's devices. Each one-time key is handed out once, ever."""
        user = UserId(user_id.bytes)
        return convert.bundles(user, await keys.bundles.fetch(caller, user, device_id))


def _add_account(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type

    @router.get(
        "/v1/users/by-name/{user_name}",
        tags=["account"],
        responses=refusals(*CALLER, Code.NOT_FOUND, Code.RATE_LIMITED),
    )
    async def find_user(caller: Authenticated, user_name: str) -> m.FoundUser:
        """Who has exactly this name, if they want to be found."""
        return m.FoundUser(user_id=show(await keys.accounts.find(caller, user_name)))

    @router.get("/v1/account", tags=["account"], responses=refusals(*CALLER))
    async def get_account(caller: Authenticated) -> m.Account:
        """The caller's own account."""
        return convert.account(await keys.accounts.get(caller))

    @router.patch(
        "/v1/account",
        tags=["account"],
        responses=refusals(*CALLER, Code.USER_NAME_TAKEN, Code.RATE_LIMITED),
    )
    async def update_account(caller: Authenticated, body: m.UpdateAccountRequest) -> m.Account:
        """Change what is given."""
        return convert.account(await keys.accounts.update(caller, convert.wanted(body)))

    @router.delete(
        "/v1/account/devices/{device_id}",
        tags=["account"],
        responses=refusals(*CALLER, Code.NOT_FOUND),
    )
    async def remove_device(
        caller: Authenticated, device_id: Annotated[int, Path(ge=1, le=MAX_DEVICE_ID)]
    ) -> m.Account:
        """Remove one of one's devices: its tokens, keys and streams end."""
        return convert.account(await keys.accounts.remove_device(caller, device_id))

    @router.put(
        "/v1/account/blocked/{user_id}",
        tags=["account"],
        responses=refusals(*CALLER, Code.FORBIDDEN),
    )
    async def block(caller: Authenticated, user_id: UserInPath) -> m.Account:
        """Hear of somebody no more. They are not told."""
        other = UserId(user_id.bytes)
        return convert.account(await keys.accounts.set_blocked(caller, other, True))

    @router.delete(
        "/v1/account/blocked/{user_id}",
        tags=["account"],
        responses=refusals(*CALLER, Code.FORBIDDEN),
    )
    async def unblock(caller: Authenticated, user_id: UserInPath) -> m.Account:
        """Hear of somebody again."""
        other = UserId(user_id.bytes)
        return convert.account(await keys.accounts.set_blocked(caller, other, False))
