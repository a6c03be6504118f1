"""Devices that register anew, and devices that nobody uses any more (K8)."""

import asyncio
from dataclasses import dataclass, field

import structlog

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress
from signet.core.limits import IDLE_BATCH, IDLE_ROUND, MAX_REGISTRATION_ID
from signet.keys.parts import Caller, Parts
from signet.keys.refusals import refuses
from signet.keys.signatures import check_upload
from signet.keys.tokens import Token
from signet.ports.directory import NewDevice
from signet.ports.inbox import StoreUnavailable
from signet.ports.pre_keys import KeyUpload

log = structlog.get_logger()

_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a device that lost its memory registers anew with."""

    registration_id: int
    keys: KeyUpload = field(repr=False)


class DeviceLife:
    """See the module's text."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @refuses(missing=Code.DEVICE_REMOVED)
    async def renew(self, caller: Caller, renewal: Renewal) -> Token:
        """Register the calling device anew: other sessions are stale from then on (M7).

        Its id, login key and inbox stay; streams and tokens of the registration before end.

        Raises:
            SignetError: INVALID_ARGUMENT, BAD_SIGNATURE, KEY_ID_REUSED.
        """
        parts, at = self._parts, caller.device
        before = caller.address.registration
        in_range = 1 <= renewal.registration_id <= MAX_REGISTRATION_ID
        if not in_range or renewal.registration_id == before:
            raise SignetError(Code.INVALID_ARGUMENT, "registration_id is not a new one")
        if not (renewal.keys.signed and renewal.keys.last_resort):
            text = "a signed and a last-resort pre-key are asked for"
            raise SignetError(Code.INVALID_ARGUMENT, text)
        identity = caller.account.identity_key
        await asyncio.to_thread(check_upload, identity, renewal.keys)
        new = NewDevice(renewal.registration_id, b"", "", renewal.keys, parts.now_ms())
        _, device = await parts.directory.renew_device(at, new)
        parts.audit(caller.user, "DEVICE_RENEWED", at.device)
        await parts.outbox.tell(caller.user)
        return await parts.tokens.issue(
            DeviceAddress(at, device.registration_id, device.generation)
        )

    async def run(self, every_s: float = IDLE_ROUND) -> None:
        """Remove idle devices, time after time, until it is cancelled."""
        while True:
            try:
                await self.expire()
            except StoreUnavailable:
                log.warning("idle devices could not be looked for")
            except Exception as error:  # a bug that shall not end it
                log.error("looking for idle devices failed", exc_info=error)
            await asyncio.sleep(every_s)

    async def expire(self) -> int:
        """Remove all that are idle now; how many. Raises StoreUnavailable."""
        parts, removed = self._parts, 0
        now_ms = parts.now_ms()
        before_ms = now_ms - parts.config.idle_device_days * _DAY_MS
        while gone := await parts.directory.expire_devices(before_ms, now_ms, IDLE_BATCH):
            for user, device in gone:
                parts.audit(user, "DEVICE_EXPIRED", device)
                await parts.outbox.tell(user)
            removed += len(gone)
        return removed
