"""Pre-keys: a device uploads them, others fetch them (K3, K4, P8)."""

import asyncio
from hashlib import sha256
from hmac import compare_digest

from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceId, UserId
from signet.core.limits import LOW_PRE_KEYS, MAX_DEVICE_ID
from signet.keys.login import check_user
from signet.keys.parts import HOUR, Caller, Parts
from signet.keys.refusals import refuses
from signet.keys.signatures import check_upload
from signet.ports.pre_keys import (
    Bundles,
    DeviceBundle,
    KeyUpload,
    LongLived,
    Stock,
)
from signet.telemetry.metrics import PRE_KEYS_GIVEN

DIGEST_SIZE = 32


class PreKeyBundles:
    """See the module's text."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @refuses(missing=Code.DEVICE_REMOVED)
    async def upload(self, caller: Caller, keys: KeyUpload) -> Stock:
        """Store the calling device's keys; refused whole or taken whole (K4).

        Raises:
            SignetError: INVALID_ARGUMENT, BAD_SIGNATURE, KEY_ID_REUSED, STORE_UNAVAILABLE.
        """
        await asyncio.to_thread(check_upload, caller.account.identity_key, keys)
        return await self._parts.directory.upload(caller.device, keys)

    @refuses(missing=Code.DEVICE_REMOVED)
    async def count(self, caller: Caller) -> Stock:
        """One-time keys that the calling device has left."""
        return await self._parts.directory.stock(caller.device)

    @refuses(missing=Code.DEVICE_REMOVED)
    async def check(self, caller: Caller, digest: bytes) -> bool:
        """Whether client and server agree on the long-lived keys. False where one is missing."""
        if len(digest) != DIGEST_SIZE:
            raise SignetError(Code.INVALID_ARGUMENT, f"digest has {DIGEST_SIZE} bytes")
        ours = long_lived_digest(await self._parts.directory.long_lived(caller.device))
        return ours is not None and compare_digest(ours, digest)

    @refuses()
    async def fetch(self, caller: Caller, user: UserId, device: int = 0) -> Bundles:
        """Bundles of a person's devices (0: all), without the calling device.

        Those who ask too often (K3) get what is left when the one-time keys are out. Those whom
        the person blocks are served like anybody, or they could tell (K5); the rate of K3 bounds
        what they use up.

        Raises:
            SignetError: INVALID_ARGUMENT, NOT_FOUND (also where there is nothing to hand out),
                STORE_UNAVAILABLE.
        """
        check_user(user)
        if not 0 <= device <= MAX_DEVICE_ID:
            raise SignetError(Code.INVALID_ARGUMENT, "device_id is out of its range")
        own = user == caller.user
        found = await self._parts.directory.take_bundles(
            user,
            only=device,
            besides=caller.device.device if own else 0,
            one_time=await self._gets_one_time_keys(caller, user),
        )
        if found is None or (not found.devices and (device or not own)):
            raise SignetError(Code.NOT_FOUND)
        for bundle in found.devices:
            await self._given(user, bundle)
        return found

    async def _gets_one_time_keys(self, caller: Caller, user: UserId) -> bool:
        parts = self._parts
        pair, most = f"{caller.user.hex()}:{user.hex()}", parts.config.full_bundles_an_hour
        return (await parts.limits.hit("bundles", pair, most, HOUR)).allowed

    async def _given(self, user: UserId, bundle: DeviceBundle) -> None:
        if bundle.one_time:
            PRE_KEYS_GIVEN.labels("one_time").inc()
        kem = "last_resort" if bundle.kem_is_last_resort else "one_time_kem"
        PRE_KEYS_GIVEN.labels(kem).inc()
        stock = bundle.stock
        if min(stock.one_time, stock.one_time_kem) < LOW_PRE_KEYS:
            at = DeviceId(user, bundle.device)
            await self._parts.tell_low(at, stock.one_time, stock.one_time_kem)


def long_lived_digest(keys: LongLived) -> bytes | None:
    """What `check` compares: SHA-256 as in keys.proto; None where a key is missing."""
    if keys.signed is None or keys.last_resort is None:
        return None
    parts = [keys.identity_key]
    for key in (keys.signed, keys.last_resort):
        parts += [key.id.to_bytes(8, "big"), key.public]
    return sha256(b"".join(parts)).digest()
