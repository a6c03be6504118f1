"""How much may be sent here: by a device, and by all devices of an account."""

from signet.core.buckets import Buckets
from signet.core.ids import DeviceId, UserId
from signet.core.limits import ACCOUNT_PARTS
from signet.telemetry.metrics import RATE_LIMITED

_DEVICE, _ACCOUNT = RATE_LIMITED.labels("send_device"), RATE_LIMITED.labels("send_account")


class SendLimits:
    """Buckets outlive streams, so coming back does not refill them.

    An account's devices meet at one gateway by the ring; at another one they have another bucket.
    """

    def __init__(self, burst: float, rate: float) -> None:
        self._devices: Buckets[DeviceId] = Buckets(burst, rate)
        self._accounts: Buckets[UserId] = Buckets(burst * ACCOUNT_PARTS, rate * ACCOUNT_PARTS)

    def take(self, device: DeviceId, now: float) -> float:
        """Count one. 0.0: it goes on; else in how many seconds it may."""
        wait = self._devices.take(device, now)
        if wait:
            _DEVICE.inc()
            return wait
        wait = self._accounts.take(device.user, now)
        if wait:
            _ACCOUNT.inc()
        return wait
