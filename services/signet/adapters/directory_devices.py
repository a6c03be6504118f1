"""What becomes of an account's devices, in SQL: ports/linking.OwnDevices."""

from collections.abc import Sequence

from sqlalchemy import and_, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_accounts import load_account, take_from_account
from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_keys import store_keys
from signet.adapters.directory_tables import (
    account,
    device,
    long_lived_key,
    one_time_key,
    used_key,
)
from signet.adapters.directory_telling import put_untold
from signet.core.ids import DeviceId, UserId
from signet.ports.directory import Account, Device, NewDevice, NoSuchAccount
from signet.ports.telling import Untold


class SqlOwnDevices(SqlStore):
    """See the port for what each call promises."""

    async def rename_device(self, at: DeviceId, name: str) -> None:
        renamed = (
            update(device)
            .where(device.c.user_id == at.user, device.c.device_id == at.device)
            .values(name=name)
            .returning(device.c.device_id)
        )

        async def work(tx: AsyncConnection) -> None:
            if (await tx.execute(renamed)).first() is None:
                raise NoSuchAccount

        await self._write(work)

    async def renew_device(self, at: DeviceId, renewed: NewDevice) -> tuple[Account, Device]:
        async def work(tx: AsyncConnection) -> tuple[Account, Device]:
            found = await load_account(tx, at.user, lock=True)
            if found.device(at.device) is None:
                raise NoSuchAccount
            for table in (long_lived_key, one_time_key, used_key):
                of_device = (table.c.user_id == at.user) & (table.c.device_id == at.device)
                await tx.execute(delete(table).where(of_device))
            here = (device.c.user_id == at.user) & (device.c.device_id == at.device)
            values = {"registration_id": renewed.registration_id}
            await tx.execute(update(device).where(here).values(values))
            raised = {"version": found.version + 1}
            await tx.execute(update(account).where(account.c.user_id == at.user).values(raised))
            await store_keys(tx, at, renewed.keys)
            await put_untold(tx, Untold(at.user, found.version + 1, False, ()))
            changed = await load_account(tx, at.user)
            now = changed.device(at.device)
            assert now is not None
            return changed, now

        return await self._write(work)

    async def note_login(self, at: DeviceId, now_ms: int) -> None:
        here = (device.c.user_id == at.user) & (device.c.device_id == at.device)

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(update(device).where(here).values(last_login_ms=now_ms))

        await self._write(work)

    async def expire_devices(
        self, before_ms: int, now_ms: int, most: int
    ) -> Sequence[tuple[UserId, int]]:
        other = device.alias()
        later = exists().where(
            other.c.user_id == device.c.user_id,
            (other.c.last_login_ms > device.c.last_login_ms)
            | and_(
                other.c.last_login_ms == device.c.last_login_ms,
                other.c.device_id < device.c.device_id,
            ),
        )
        idle = (
            select(device.c.user_id, device.c.device_id)
            .where(device.c.last_login_ms < before_ms, later)
            .order_by(device.c.user_id, device.c.device_id)
        )
        unknown = update(device).where(device.c.last_login_ms.is_(None))

        async def work(tx: AsyncConnection) -> Sequence[tuple[UserId, int]]:
            await tx.execute(unknown.values(last_login_ms=now_ms))
            gone = []
            for row in (await tx.execute(idle.limit(most))).all():
                at = DeviceId(UserId(row.user_id), row.device_id)
                await load_account(tx, at.user, lock=True)
                # it may have logged in until the account was locked
                still = idle.where(device.c.user_id == at.user, device.c.device_id == at.device)
                if (await tx.execute(still)).first() is not None:
                    await take_from_account(tx, at)
                    gone.append((at.user, at.device))
            return gone

        return await self._write(work)
