"""How the caller's device is woken: registered, looked at, removed. Sending is signet.push's."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from signet.core.errors import Code, SignetError
from signet.core.limits import MAX_PUSH_ENDPOINT, MAX_PUSH_TOKEN, MAX_PUSH_TOPIC
from signet.keys.parts import HOUR, Caller, Parts
from signet.keys.refusals import refuses
from signet.ports.push_registrations import Apns, Fcm, PushKind, Registration, WebPush

_HEX = re.compile(r"[0-9a-f]{64,200}")
_TOPIC = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_FCM = re.compile(r"[A-Za-z0-9_:-]+")
_PRINTABLE = re.compile(r"[!-~]+")  # what of ASCII a URL may have, roughly
_POINT, _AUTH = 65, 16  # bytes


@dataclass(frozen=True, slots=True)
class PushState:
    """What is registered, and what may be. `vapid_public_key` is base64url, '' for none."""

    registered: PushKind | None
    offered: tuple[PushKind, ...]
    vapid_public_key: str


class PushDevices:
    """All of it is for the calling device."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @refuses(missing=Code.DEVICE_REMOVED)
    async def get(self, caller: Caller) -> PushState:
        """As it is now."""
        found = await self._parts.directory.push_of([caller.device])
        kept = found.get(caller.device)
        return self._state(None if kept is None else kept.kind)

    @refuses(missing=Code.DEVICE_REMOVED)
    async def register(self, caller: Caller, registration: Registration) -> PushState:
        """Wake the device so from now on.

        Raises:
            SignetError: PUSH_NOT_OFFERED, PUSH_REFUSED (names the field), RATE_LIMITED.
        """
        if registration.kind not in self._parts.config.push_kinds:
            raise SignetError(Code.PUSH_NOT_OFFERED)
        check(registration)
        most = self._parts.config.push_an_hour
        key = f"{caller.user.hex()}.{caller.device.device}"
        await self._parts.limit("push", key, most, HOUR)
        await self._parts.directory.put_push(caller.device, registration)
        return self._state(registration.kind)

    @refuses(missing=Code.DEVICE_REMOVED)
    async def remove(self, caller: Caller) -> PushState:
        """Wake it no more."""
        await self._parts.directory.drop_push(caller.device)
        return self._state(None)

    def _state(self, registered: PushKind | None) -> PushState:
        config = self._parts.config
        return PushState(registered, config.push_kinds, config.vapid_public_key)


def check(registration: Registration) -> None:
    """Whether it can be one at all; only a push tells whether it is.

    Raises:
        SignetError: PUSH_REFUSED with the field's name.
    """
    match registration:
        case WebPush(endpoint, p256dh, auth):
            _check_endpoint(endpoint)
            if not _is_point(p256dh):
                raise _refused("p256dh: not an uncompressed point of P-256")
            if len(auth) != _AUTH:
                raise _refused(f"auth: {_AUTH} bytes")
        case Apns(token, topic):
            if not _HEX.fullmatch(token):
                raise _refused("token: 64 to 200 hex digits, in lower case")
            if len(topic) > MAX_PUSH_TOPIC or not _TOPIC.fullmatch(topic):
                raise _refused("topic: an app's bundle id")
        case Fcm(token):
            if len(token) > MAX_PUSH_TOKEN or not _FCM.fullmatch(token):
                raise _refused("token: no registration token of FCM")


def _check_endpoint(endpoint: str) -> None:
    """Names are looked at when they are resolved, each time (adapters/push_addresses)."""
    if len(endpoint) > MAX_PUSH_ENDPOINT or not _PRINTABLE.fullmatch(endpoint):
        raise _refused(f"endpoint: a URL of at most {MAX_PUSH_ENDPOINT} characters")
    try:
        parts = urlsplit(endpoint)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.scheme != "https":
        raise _refused("endpoint: an https URL with a host")
    if parts.username is not None or parts.password is not None or "#" in endpoint:
        raise _refused("endpoint: no user and no fragment")
    if _is_private(parts):
        raise _refused("endpoint: not a public address")


def _is_private(parts: SplitResult) -> bool:
    try:
        return not ip_address(parts.hostname or "").is_global
    except ValueError:
        return False


def _is_point(p256dh: bytes) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), p256dh)
    except ValueError:
        return False
    return len(p256dh) == _POINT


def _refused(detail: str) -> SignetError:
    return SignetError(Code.PUSH_REFUSED, detail)
