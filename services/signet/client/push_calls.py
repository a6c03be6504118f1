"""The calls about how this device is woken while it is away (docs/push.md)."""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signet.client.calls import Calls
from signet.client.rest import Json, b64
from signet.ports.push_registrations import Apns, Fcm, PushKind, Registration, WebPush


@dataclass(frozen=True, slots=True)
class PushState:
    """What is registered, and what the server offers.

    `vapid_public_key` is what a browser is given as `applicationServerKey`, '' where there is none.
    """

    registered: PushKind | None
    offered: tuple[PushKind, ...]
    vapid_public_key: str


class PushCalls(Calls):
    """Part of `Client`."""

    async def push_state(self) -> PushState:
        """Raises SignetError, ServerUnreachable."""
        return _state(await self._keys.call("GET", "/v1/account/push"))

    async def register_push(self, registration: Registration) -> PushState:
        """Wake this device so from now on; again whenever the phone or browser says something new.

        Raises:
            PushNotOffered: the server wakes no devices of this kind.
            PushRefused: it cannot be one; the detail names the field.
            SignetError: RATE_LIMITED, …; ServerUnreachable.
        """
        return _state(await self._keys.call("PUT", "/v1/account/push", _body(registration)))

    async def remove_push(self) -> PushState:
        """Wake it no more. Raises SignetError, ServerUnreachable."""
        return _state(await self._keys.call("DELETE", "/v1/account/push"))


def web_push(subscription: Mapping[str, Any]) -> WebPush:
    """From what a browser's `PushSubscription.toJSON()` gives.

    Raises:
        ValueError: it is none.
    """
    try:
        keys = subscription["keys"]
        return WebPush(str(subscription["endpoint"]), _unb64(keys["p256dh"]), _unb64(keys["auth"]))
    except (KeyError, TypeError, AttributeError):
        raise ValueError("a subscription has endpoint, keys.p256dh and keys.auth") from None


def _unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _body(registration: Registration) -> Json:
    match registration:
        case WebPush(endpoint, p256dh, auth):
            fields = {"endpoint": endpoint, "p256dh": b64(p256dh), "auth": b64(auth)}
        case Apns(token, topic, environment):
            fields = {"token": token, "topic": topic, "environment": environment.value}
        case Fcm(token):
            fields = {"token": token}
    return {"kind": registration.kind.value, **fields}


def _state(answer: Json) -> PushState:
    registered = answer.get("registered")
    known = {kind.value for kind in PushKind}
    return PushState(
        PushKind(registered) if registered in known else None,
        tuple(PushKind(kind) for kind in answer.get("offered", ()) if kind in known),
        str(answer.get("vapid_public_key", "")),
    )
