"""Accounts and their devices in SQL: ports/directory.Accounts."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import chain
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    case,
    delete,
    exists,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_groups import forget_empty_groups, groups_of
from signet.adapters.directory_keys import store_keys
from signet.adapters.directory_tables import (
    account,
    block,
    deleted_user,
    device,
    invitation,
    nonce,
    spent_token,
)
from signet.adapters.directory_telling import put_untold
from signet.core.ids import DeviceId, UserId
from signet.core.limits import MAX_DEVICE_ID, MAX_DEVICES
from signet.ports.directory import (
    Account,
    Admission,
    AdmissionSpent,
    Changes,
    Device,
    IdTaken,
    NameTaken,
    NewAccount,
    NewDevice,
    NoSuchAccount,
    PersonKnown,
    Replacement,
    TooManyDevices,
)
from signet.ports.telling import Untold
from signet.ports.users import Audience


class SqlAccounts(SqlStore):
    """See the port for what each call promises."""

    async def create_account(self, new: NewAccount) -> Account:
        async def work(tx: AsyncConnection) -> Account:
            await _must_be_new(tx, new.user)
            await _admit(tx, new.admission)
            if new.admission.person and await _taken(tx, account.c.person, new.admission.person):
                raise PersonKnown
            if new.user_name and await _taken(tx, account.c.user_name, new.user_name):
                raise NameTaken
            await tx.execute(insert(account).values(_account_row(new)))
            await _put_device(tx, DeviceId(new.user, 1), new.device, generation=1)
            return await load_account(tx, new.user)

        return await self._write(work)

    async def replace_account(
        self, user: UserId, replacement: Replacement
    ) -> tuple[Account, Sequence[int]]:
        async def work(tx: AsyncConnection) -> tuple[Account, Sequence[int]]:
            before = await load_account(tx, user, lock=True)
            if before.generation != replacement.generation:
                raise NoSuchAccount
            await _admit(tx, replacement.admission)
            dropped = [one.id for one in before.devices]
            await tx.execute(delete(device).where(device.c.user_id == user))
            number = _next_id(await _last_device(tx, user), dropped)
            values = {
                "identity_key": replacement.identity_key,
                "recovery_hash": replacement.recovery_hash,
                "former_recovery_hash": before.recovery_hash,
                "generation": before.generation + 1,
                "version": before.version + 1,
                "last_device": number,
                "tries": 0,
            }
            await tx.execute(update(account).where(account.c.user_id == user).values(values))
            new = DeviceId(user, number)
            await _put_device(tx, new, replacement.device, generation=before.generation + 1)
            await put_untold(tx, Untold(user, before.version + 1, True, tuple(dropped)))
            return await load_account(tx, user), dropped

        return await self._write(work)

    async def repeat_replacement(self, user: UserId, replacement: Replacement) -> Account:
        async def work(tx: AsyncConnection) -> Account:
            found = await load_account(tx, user, lock=True)
            again = found.replaced_by(replacement.identity_key, replacement.device)
            if again is None or found.generation != replacement.generation:
                raise NoSuchAccount
            values = {"recovery_hash": replacement.recovery_hash, "tries": 0}
            await tx.execute(update(account).where(account.c.user_id == user).values(values))
            await store_keys(tx, DeviceId(user, again.id), replacement.device.keys)
            return await load_account(tx, user)

        return await self._write(work)

    async def settle_replacement(self, at: DeviceId) -> None:
        of_device = exists().where(device.c.user_id == at.user, device.c.device_id == at.device)
        settled = update(account).where(account.c.user_id == at.user, of_device)

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(settled.values(former_recovery_hash=None))

        await self._write(work)

    async def add_device(self, user: UserId, new: NewDevice) -> Device:
        async def work(tx: AsyncConnection) -> Device:
            return (await add_to_account(tx, user, new))[1]

        return await self._write(work)

    async def remove_device(self, gone: DeviceId) -> Account:
        async def work(tx: AsyncConnection) -> Account:
            if (await load_account(tx, gone.user, lock=True)).device(gone.device) is None:
                raise NoSuchAccount
            return await take_from_account(tx, gone)

        return await self._write(work)

    async def account(self, user: UserId) -> Account | None:
        async def work(tx: AsyncConnection) -> Account | None:
            try:
                return await load_account(tx, user)
            except NoSuchAccount:
                return None

        return await self._read(work)

    async def update_account(self, user: UserId, changes: Changes) -> Account:
        async def work(tx: AsyncConnection) -> Account:
            await load_account(tx, user, lock=True)
            name = changes.user_name
            if name and await _taken(tx, account.c.user_name, name, besides=user):
                raise NameTaken
            values = {**_changed(changes), "version": account.c.version + 1}
            await tx.execute(update(account).where(account.c.user_id == user).values(values))
            return await load_account(tx, user)

        return await self._write(work)

    async def delete_account(self, user: UserId) -> Sequence[int]:
        async def work(tx: AsyncConnection) -> Sequence[int]:
            try:
                found = await load_account(tx, user, lock=True)
            except NoSuchAccount:
                return ()
            groups = await groups_of(tx, user)
            await tx.execute(delete(account).where(account.c.user_id == user))
            await forget_empty_groups(tx, groups)
            await tx.execute(delete(block).where(block.c.blocked_id == user))
            await tx.execute(delete(nonce).where(nonce.c.user_id == user))
            await tx.execute(insert(deleted_user).values(digest=_tombstone(user)))
            dropped = tuple(one.id for one in found.devices)
            await put_untold(tx, Untold(user, found.version + 1, True, dropped))
            return list(dropped)

        return await self._write(work)

    async def find(self, user_name: str) -> UserId | None:
        return await self._named(user_name, account.c.findable)

    async def owner_of(self, user_name: str) -> UserId | None:
        return await self._named(user_name, true())

    async def _named(self, user_name: str, condition: ColumnElement[bool]) -> UserId | None:
        wanted = select(account.c.user_id).where(account.c.user_name == user_name, condition)

        async def work(tx: AsyncConnection) -> UserId | None:
            found: bytes | None = (await tx.execute(wanted)).scalar_one_or_none()
            return UserId(found) if found is not None else None

        return await self._read(work)

    async def count_try(self, user: UserId, now_ms: int, most: int, period_ms: int) -> bool:
        over = account.c.tries_since_ms + period_ms <= now_ms
        counted = (
            update(account)
            .where(account.c.user_id == user, over | (account.c.tries < most))
            .values(
                tries=case((over, 1), else_=account.c.tries + 1),
                tries_since_ms=case((over, now_ms), else_=account.c.tries_since_ms),
            )
            .returning(account.c.user_id)
        )

        async def work(tx: AsyncConnection) -> bool:
            return (await tx.execute(counted)).first() is not None

        return await self._write(work)


async def add_to_account(
    tx: AsyncConnection, user: UserId, new: NewDevice
) -> tuple[Account, Device]:
    """Raises NoSuchAccount, TooManyDevices, KeyIdReused."""
    found = await load_account(tx, user, lock=True)
    if len(found.devices) >= MAX_DEVICES:
        raise TooManyDevices
    used = [one.id for one in found.devices]
    number = _next_id(await _last_device(tx, user), used)
    values = {"last_device": number, "version": found.version + 1}
    await tx.execute(update(account).where(account.c.user_id == user).values(values))
    await _put_device(tx, DeviceId(user, number), new, generation=found.generation)
    changed = await load_account(tx, user)
    added = changed.device(number)
    assert added is not None
    return changed, added


async def take_from_account(tx: AsyncConnection, gone: DeviceId) -> Account:
    """Remove a device of an account whose row is locked; the account is untold from then on."""
    at = (device.c.user_id == gone.user) & (device.c.device_id == gone.device)
    await tx.execute(delete(device).where(at))
    raised = {"generation": account.c.generation + 1, "version": account.c.version + 1}
    await tx.execute(update(account).where(account.c.user_id == gone.user).values(raised))
    changed = await load_account(tx, gone.user)
    await put_untold(tx, Untold(gone.user, changed.version, False, ()))
    return changed


async def _admit(tx: AsyncConnection, admission: Admission) -> None:
    """Spend what lets somebody in. Raises AdmissionSpent."""
    if admission.invitation:
        spend = (
            delete(invitation)
            .where(
                invitation.c.code_hash == admission.invitation,
                invitation.c.expires_ms > admission.now_ms,
            )
            .returning(invitation.c.code_hash)
        )
        if (await tx.execute(spend)).first() is None:
            raise AdmissionSpent
    if admission.token_id:
        await tx.execute(delete(spent_token).where(spent_token.c.until_ms < admission.now_ms))
        if await _taken(tx, spent_token.c.token_id, admission.token_id):
            raise AdmissionSpent
        spent = {"token_id": admission.token_id, "until_ms": admission.token_until_ms}
        await tx.execute(insert(spent_token).values(spent))


async def _must_be_new(tx: AsyncConnection, user: UserId) -> None:
    """Raises IdTaken."""
    known = ((account.c.user_id, user), (deleted_user.c.digest, _tombstone(user)))
    for column, value in known:
        if await _taken(tx, column, value):
            raise IdTaken


def _tombstone(user: UserId) -> bytes:
    """What stays of somebody: of 122 random bits nobody finds the id."""
    return sha256(b"signet-deleted-v1" + user).digest()


async def _taken(
    tx: AsyncConnection, column: Column[Any], value: bytes | str, besides: bytes = b""
) -> bool:
    """Whether a row has this unique value already."""
    wanted = select(column).where(column == value)
    if besides:
        wanted = wanted.where(account.c.user_id != besides)
    return (await tx.execute(wanted)).first() is not None


async def load_account(tx: AsyncConnection, user: UserId, *, lock: bool = False) -> Account:
    """Raises NoSuchAccount. `lock` keeps others from changing it until this transaction ends."""
    wanted = select(account).where(account.c.user_id == user)
    row = (await tx.execute(wanted.with_for_update() if lock else wanted)).first()
    if row is None:
        raise NoSuchAccount
    of_user = select(device).where(device.c.user_id == user).order_by(device.c.device_id)
    return _account(row, [_device(one) for one in await tx.execute(of_user)])


async def _last_device(tx: AsyncConnection, user: UserId) -> int:
    wanted = select(account.c.last_device).where(account.c.user_id == user)
    last: int = (await tx.execute(wanted)).scalar_one()
    return last


def _next_id(last: int, used: Sequence[int]) -> int:
    """The id after the last one given, so that an inbox is not found by another device."""
    after = chain(range(last + 1, MAX_DEVICE_ID + 1), range(1, last + 1))
    return next(number for number in after if number not in used)


async def _put_device(
    tx: AsyncConnection, at: DeviceId, new: NewDevice, *, generation: int
) -> None:
    values = {
        "user_id": at.user,
        "device_id": at.device,
        "registration_id": new.registration_id,
        "login_key": new.login_key,
        "name": new.name,
        "generation": generation,
        "created_ms": new.created_ms,
        "last_login_ms": new.created_ms,
    }
    await tx.execute(insert(device).values(values))
    await store_keys(tx, at, new.keys)


def _account_row(new: NewAccount) -> dict[str, object]:
    return {
        "user_id": new.user,
        "identity_key": new.identity_key,
        "user_name": new.user_name or None,
        "findable": new.findable,
        "presence": int(Audience.EVERYONE),
        "recovery_hash": new.recovery_hash,
        "lock_hash": b"",
        "person": new.admission.person or None,
        "generation": 1,
        "version": 1,
        "last_device": 1,
        "tries": 0,
        "tries_since_ms": 0,
    }


def _changed(changes: Changes) -> dict[str, object]:
    values: dict[str, object] = {}
    if changes.user_name is not None:
        values["user_name"] = changes.user_name or None
    if changes.findable is not None:
        values["findable"] = changes.findable
    if changes.presence is not None:
        values["presence"] = int(changes.presence)
    if changes.lock_hash is not None:
        values |= {"lock_hash": changes.lock_hash, "tries": 0}
    return values


def _account(row: Row[Any], devices: Sequence[Device]) -> Account:
    return Account(
        UserId(row.user_id),
        row.identity_key,
        row.user_name or "",
        row.findable,
        Audience(row.presence),
        row.recovery_hash,
        row.lock_hash,
        row.person or b"",
        row.generation,
        row.version,
        devices,
        row.former_recovery_hash or b"",
    )


def _device(row: Row[Any]) -> Device:
    return Device(
        row.device_id,
        row.registration_id,
        row.login_key,
        row.name,
        row.generation,
        row.created_ms,
        row.last_login_ms or 0,
    )
