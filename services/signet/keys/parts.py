"""What the capabilities of the keys service share: its ports, its clock, who is calling."""

from dataclasses import dataclass

import structlog

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, DeviceId, UserId
from signet.keys.config import Clock, KeysConfig, Randomness
from signet.keys.outbox import AWAY, Outbox
from signet.keys.passwords import Passwords
from signet.keys.tokens import Tokens
from signet.ports.directory import Account, Directory
from signet.ports.events import Event, Events, Topic
from signet.ports.rate_limits import RateLimits
from signet.ports.users import UserChanges
from signet.telemetry.metrics import RATE_LIMITED

HOUR, MINUTE = 3600, 60

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each for the whole service."""

    directory: Directory
    limits: RateLimits
    changes: UserChanges
    events: Events
    config: KeysConfig
    clock: Clock
    randomness: Randomness
    passwords: Passwords
    tokens: Tokens
    outbox: Outbox

    def now_ms(self) -> int:
        return int(self.clock() * 1000)

    async def limit(self, name: str, key: str, amount: int, period_s: int, cost: int = 1) -> None:
        """Count `cost`. Raises SignetError: RATE_LIMITED."""
        allowed = await self.limits.hit(name, key, amount, period_s, cost)
        if not allowed.allowed:
            RATE_LIMITED.labels(name).inc()
            raise SignetError(Code.RATE_LIMITED, retry_after_s=allowed.retry_after_s)

    def audit(self, user: UserId, name: str, device: int = 0) -> None:
        """Put an event on the audit trail."""
        self.events.publish(Event(Topic.AUDIT, user, name, self.now_ms(), device))

    async def tell_changed(self, user: UserId) -> None:
        """Tell the owners of the user's shard; USER_TTL makes good what is lost."""
        try:
            await self.changes.changed(user)
        except AWAY as error:
            log.warning("a change of a user was not told", error=type(error).__name__)

    async def tell_low(self, device: DeviceId, one_time: int, one_time_kem: int) -> None:
        """The same, for a device whose one-time keys run out."""
        try:
            await self.changes.keys_low(device.user, device.device, one_time, one_time_kem)
        except AWAY as error:
            log.warning("low keys were not told", error=type(error).__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token came with a request, and their account as it is now."""

    address: DeviceAddress
    account: Account

    @property
    def device(self) -> DeviceId:
        return self.address.device

    @property
    def user(self) -> UserId:
        return self.address.device.user
