"""Where a device's wake-ups go: what it registered with the service that can reach it.

One a device: a later one takes the place of the one before. It is the device's, and goes with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from signet.core.ids import DeviceId


class PushKind(StrEnum):
    """Whose service wakes the device."""

    WEB_PUSH = "web_push"
    APNS = "apns"
    FCM = "fcm"


class ApnsEnvironment(StrEnum):
    """Which of Apple's two services knows the token: by how the app was built."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class WebPush:
    """A browser's subscription (RFC 8030, RFC 8291). The address is a stranger's URL."""

    endpoint: str = field(repr=False)
    p256dh: bytes = field(repr=False)  # 65 bytes, an uncompressed point of P-256
    auth: bytes = field(repr=False)  # 16 bytes
    kind = PushKind.WEB_PUSH


@dataclass(frozen=True, slots=True)
class Apns:
    """A device token in hex, and the app (`apns-topic`) that it is of."""

    token: str = field(repr=False)
    topic: str
    environment: ApnsEnvironment = ApnsEnvironment.PRODUCTION
    kind = PushKind.APNS


@dataclass(frozen=True, slots=True)
class Fcm:
    """A registration token of Firebase Cloud Messaging."""

    token: str = field(repr=False)
    kind = PushKind.FCM


Registration = WebPush | Apns | Fcm


class PushRegistrations(Protocol):
    """Part of the directory. Raises StoreUnavailable (signet.ports.inbox)."""

    async def put_push(self, device: DeviceId, registration: Registration) -> None:
        """Wake this device so from now on.

        Raises:
            NoSuchAccount: there is no such device.
        """
        ...

    async def push_of(self, devices: Sequence[DeviceId]) -> Mapping[DeviceId, Registration]:
        """Those of the devices that are registered, in one read."""
        ...

    async def drop_push(self, device: DeviceId, only: Registration | None = None) -> bool:
        """Forget how to wake a device; whether something was there.

        With `only`, nothing but this very registration: a newer one stays.
        """
        ...
