"""The routes of REST for push: how the calling device is woken."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints

from signet.core.errors import Code
from signet.core.limits import MAX_PUSH_ENDPOINT, MAX_PUSH_TOKEN, MAX_PUSH_TOPIC
from signet.keys import push
from signet.keys import rest_models as m
from signet.keys.parts import Caller
from signet.keys.rest_routes import CALLER, authenticates, refusals
from signet.keys.service import Keys
from signet.ports import push_registrations as port

_B = "[A-Za-z0-9+/]"
# 65 bytes that begin with 0x04: an uncompressed point.
_POINT = f"^B[A-P]{_B}{{84}}[AEIMQUYcgkosw048]=$"
_AUTH = f"^{_B}{{21}}[AQgw]==$"
KindName = Literal["web_push", "apns", "fcm"]


class WebPush(m.Body):
    """A browser's PushSubscription; its two keys as standard base64, padded."""

    kind: Literal["web_push"]
    endpoint: Annotated[
        str, StringConstraints(pattern=r"^https://[!-~]+$", max_length=MAX_PUSH_ENDPOINT)
    ]
    p256dh: Annotated[
        str,
        StringConstraints(pattern=_POINT, min_length=88, max_length=88),
        Field(description="65 bytes in base64: a point of P-256"),
    ]
    auth: Annotated[
        str,
        StringConstraints(pattern=_AUTH, min_length=24, max_length=24),
        Field(description="16 bytes in base64"),
    ]


class Apns(m.Body):
    """A device token, and the app's bundle id."""

    kind: Literal["apns"]
    token: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64,200}$")]
    topic: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", max_length=MAX_PUSH_TOPIC),
    ]
    environment: Literal["production", "sandbox"] = "production"


class Fcm(m.Body):
    """A registration token."""

    kind: Literal["fcm"]
    token: Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_:-]+$", max_length=MAX_PUSH_TOKEN)]


Registration = Annotated[WebPush | Apns | Fcm, Field(discriminator="kind")]


class PushState(m.Body):
    """What is registered, if anything, and what may be. The key is `applicationServerKey`."""

    registered: KindName | None
    offered: list[KindName]
    vapid_public_key: str


def push_routes(keys: Keys) -> APIRouter:
    """All of them want a token."""
    router = APIRouter(tags=["push"])
    Authenticated = Annotated[Caller, Depends(authenticates(keys))]  # noqa: N806 - a type

    @router.get("/v1/account/push", responses=refusals(*CALLER))
    async def get_push(caller: Authenticated) -> PushState:
        """How the calling device is woken."""
        return _state(await keys.push.get(caller))

    @router.put(
        "/v1/account/push",
        responses=refusals(*CALLER, Code.PUSH_NOT_OFFERED, Code.PUSH_REFUSED, Code.RATE_LIMITED),
    )
    async def register_push(caller: Authenticated, body: Registration) -> PushState:
        """Wake the calling device so from now on."""
        return _state(await keys.push.register(caller, _registration(body)))

    @router.delete("/v1/account/push", responses=refusals(*CALLER))
    async def remove_push(caller: Authenticated) -> PushState:
        """Wake it no more."""
        return _state(await keys.push.remove(caller))

    return router


def _registration(body: WebPush | Apns | Fcm) -> port.Registration:
    match body:
        case WebPush():
            return port.WebPush(body.endpoint, m.data(body.p256dh), m.data(body.auth))
        case Apns():
            return port.Apns(body.token, body.topic, port.ApnsEnvironment(body.environment))
        case Fcm():
            return port.Fcm(body.token)


def _state(state: push.PushState) -> PushState:
    return PushState(
        registered=None if state.registered is None else state.registered.value,
        offered=[kind.value for kind in state.offered],
        vapid_public_key=state.vapid_public_key,
    )
