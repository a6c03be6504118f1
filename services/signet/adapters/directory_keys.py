"""Pre-keys in SQL: ports/pre_keys.PreKeys. A one-time key leaves by one DELETE (P8)."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_tables import (
    account,
    device,
    long_lived_key,
    one_time_key,
    used_key,
)
from signet.core.ids import DeviceId, UserId
from signet.ports.directory import NoSuchAccount
from signet.ports.pre_keys import (
    Bundles,
    DeviceBundle,
    KeyIdReused,
    KeyKind,
    KeyUpload,
    LongLived,
    PreKey,
    Stock,
)

# Roles of one curve share their ids: a bundle does not say whether a KEM key is a last resort.
_CURVE = {
    KeyKind.SIGNED: 1,
    KeyKind.ONE_TIME: 2,
    KeyKind.LAST_RESORT: 3,
    KeyKind.ONE_TIME_KEM: 3,
}


class SqlPreKeys(SqlStore):
    """See the port for what each call promises."""

    async def upload(self, at: DeviceId, keys: KeyUpload) -> Stock:
        async def work(tx: AsyncConnection) -> Stock:
            await _must_exist(tx, at, lock=True)
            await store_keys(tx, at, keys)
            return await _stock(tx, at)

        return await self._write(work)

    async def stock(self, at: DeviceId) -> Stock:
        async def work(tx: AsyncConnection) -> Stock:
            await _must_exist(tx, at)
            return await _stock(tx, at)

        return await self._read(work)

    async def long_lived(self, at: DeviceId) -> LongLived:
        async def work(tx: AsyncConnection) -> LongLived:
            await _must_exist(tx, at)
            identity = await _identity(tx, at.user)
            if identity is None:
                raise NoSuchAccount
            kept = await _long_lived(tx, at)
            return LongLived(identity, kept.get(KeyKind.SIGNED), kept.get(KeyKind.LAST_RESORT))

        return await self._read(work)

    async def take_bundles(
        self, user: UserId, *, only: int = 0, besides: int = 0, one_time: bool = True
    ) -> Bundles | None:
        async def work(tx: AsyncConnection) -> Bundles | None:
            identity = await _identity(tx, user)
            if identity is None:
                return None
            wanted = select(device.c.device_id, device.c.registration_id).where(
                device.c.user_id == user, device.c.device_id != besides
            )
            if only:
                wanted = wanted.where(device.c.device_id == only)
            rows = (await tx.execute(wanted.order_by(device.c.device_id))).all()
            found = [
                await _bundle(tx, DeviceId(user, row.device_id), row.registration_id, one_time)
                for row in rows
            ]
            return Bundles(identity, [bundle for bundle in found if bundle])

        return await (self._write(work) if one_time else self._read(work))


async def _bundle(
    tx: AsyncConnection, at: DeviceId, registration_id: int, one_time: bool
) -> DeviceBundle | None:
    """None, and no key is lost, where there is no signed or no KEM key."""
    kept = await _long_lived(tx, at)
    signed, last_resort = kept.get(KeyKind.SIGNED), kept.get(KeyKind.LAST_RESORT)
    if signed is None:
        return None
    taken = await _take(tx, at, KeyKind.ONE_TIME_KEM) if one_time else None
    kem = taken or last_resort
    if kem is None:
        return None
    pre_key = await _take(tx, at, KeyKind.ONE_TIME) if one_time else None
    stock = await _stock(tx, at)
    return DeviceBundle(at.device, registration_id, signed, pre_key, kem, taken is None, stock)


async def _take(tx: AsyncConnection, at: DeviceId, kind: KeyKind) -> PreKey | None:
    """Rows that another transaction is taking are passed over, not waited for."""
    of_kind = _of(one_time_key, at) & (one_time_key.c.kind == kind)
    first = (
        select(one_time_key.c.key_id)
        .where(of_kind)
        .order_by(one_time_key.c.key_id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    take = delete(one_time_key).where(of_kind, one_time_key.c.key_id == first)
    row = (await tx.execute(take.returning(one_time_key))).first()
    return _pre_key(row) if row is not None else None


async def store_keys(tx: AsyncConnection, at: DeviceId, keys: KeyUpload) -> None:
    """Store an upload in a transaction that has the account's row. Raises KeyIdReused."""
    if keys.signed:
        await _put_long_lived(tx, at, KeyKind.SIGNED, keys.signed)
    if keys.last_resort:
        await _put_long_lived(tx, at, KeyKind.LAST_RESORT, keys.last_resort)
    if keys.one_time:
        await _replace(tx, at, KeyKind.ONE_TIME, keys.one_time)
    if keys.one_time_kem:
        await _replace(tx, at, KeyKind.ONE_TIME_KEM, keys.one_time_kem)


async def _put_long_lived(tx: AsyncConnection, at: DeviceId, kind: KeyKind, key: PreKey) -> None:
    await _note_used(tx, at, kind, [key])
    same = _of(long_lived_key, at) & (long_lived_key.c.kind == kind)
    await tx.execute(delete(long_lived_key).where(same))
    await tx.execute(insert(long_lived_key).values(_row(at, kind, key)))


async def _replace(
    tx: AsyncConnection, at: DeviceId, kind: KeyKind, keys: Sequence[PreKey]
) -> None:
    """All that is stored of this kind makes room; what was there and comes again stays."""
    fresh = await _note_used(tx, at, kind, keys)
    of_kind = _of(one_time_key, at) & (one_time_key.c.kind == kind)
    kept = [key.id for key in keys]
    await tx.execute(delete(one_time_key).where(of_kind, one_time_key.c.key_id.not_in(kept)))
    if fresh:
        await tx.execute(insert(one_time_key), [_row(at, kind, key) for key in fresh])


async def _note_used(
    tx: AsyncConnection, at: DeviceId, kind: KeyKind, keys: Iterable[PreKey]
) -> Sequence[PreKey]:
    """The keys that were never uploaded before, noted. Raises KeyIdReused."""
    wanted: dict[int, bytes] = {}
    for key in keys:
        if wanted.setdefault(key.id, _digest(kind, key)) != _digest(kind, key):
            raise KeyIdReused
    of_curve = _of(used_key, at) & (used_key.c.curve == _CURVE[kind])
    known = select(used_key).where(of_curve, used_key.c.key_id.in_(wanted))
    before = {row.key_id: row.digest for row in await tx.execute(known)}
    if any(wanted[number] != digest for number, digest in before.items()):
        raise KeyIdReused
    fresh = {key.id: key for key in keys if key.id not in before}
    if fresh:
        curve = {**_at(at), "curve": _CURVE[kind]}
        rows = [{**curve, "key_id": number, "digest": wanted[number]} for number in fresh]
        await tx.execute(insert(used_key), rows)
    return list(fresh.values())


def _digest(kind: KeyKind, key: PreKey) -> bytes:
    """Names role and bytes. The signature is left out: the same key may be signed again."""
    return sha256(bytes([kind]) + key.public).digest()[:16]


async def _must_exist(tx: AsyncConnection, at: DeviceId, *, lock: bool = False) -> None:
    wanted = select(device.c.device_id).where(_of(device, at))
    if (await tx.execute(wanted.with_for_update() if lock else wanted)).first() is None:
        raise NoSuchAccount


async def _identity(tx: AsyncConnection, user: UserId) -> bytes | None:
    wanted = select(account.c.identity_key).where(account.c.user_id == user)
    found: bytes | None = (await tx.execute(wanted)).scalar_one_or_none()
    return found


async def _long_lived(tx: AsyncConnection, at: DeviceId) -> dict[KeyKind, PreKey]:
    rows = await tx.execute(select(long_lived_key).where(_of(long_lived_key, at)))
    return {KeyKind(row.kind): _pre_key(row) for row in rows}


async def _stock(tx: AsyncConnection, at: DeviceId) -> Stock:
    count = select(one_time_key.c.kind, func.count()).where(_of(one_time_key, at))
    rows = await tx.execute(count.group_by(one_time_key.c.kind))
    counts: dict[int, int] = {row[0]: row[1] for row in rows}
    return Stock(counts.get(KeyKind.ONE_TIME, 0), counts.get(KeyKind.ONE_TIME_KEM, 0))


def _of(table: Table, at: DeviceId) -> ColumnElement[bool]:
    return (table.c.user_id == at.user) & (table.c.device_id == at.device)


def _at(at: DeviceId) -> dict[str, Any]:
    return {"user_id": at.user, "device_id": at.device}


def _row(at: DeviceId, kind: KeyKind, key: PreKey) -> dict[str, Any]:
    return {
        **_at(at),
        "kind": int(kind),
        "key_id": key.id,
        "public_key": key.public,
        "signature": key.signature,
    }


def _pre_key(row: Row[Any]) -> PreKey:
    return PreKey(row.key_id, row.public_key, row.signature)
