"""Mailboxes in which devices are linked, in SQL: ports/linking.Linking."""

from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_accounts import add_to_account, load_account
from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_keys import store_keys
from signet.adapters.directory_tables import device_link
from signet.adapters.directory_telling import put_untold
from signet.core.ids import DeviceId, UserId
from signet.ports.directory import Account, Device, NewDevice, NoSuchAccount
from signet.ports.linking import Approval, DeviceLink, LinkTaken, NoSuchLink
from signet.ports.telling import Untold


class SqlLinking(SqlStore):
    """See the port for what each call promises."""

    async def open_link(self, address: bytes, expires_ms: int, now_ms: int) -> None:
        row = {"address_hash": address, "expires_ms": expires_ms}

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(delete(device_link).where(device_link.c.expires_ms <= now_ms))
            await tx.execute(insert(device_link).values(row))

        await self._write(work)

    async def link(self, address: bytes, now_ms: int) -> DeviceLink:
        async def work(tx: AsyncConnection) -> DeviceLink:
            return await _link(tx, address, now_ms)

        return await self._read(work)

    async def offer_link(self, address: bytes, by: DeviceId, offer: bytes, now_ms: int) -> None:
        async def work(tx: AsyncConnection) -> None:
            found = await _link(tx, address, now_ms, lock=True)
            if (await load_account(tx, by.user)).device(by.device) is None:
                raise NoSuchAccount
            if found.by is None:
                values = {"user_id": by.user, "by_device": by.device, "offer": offer}
                await _set(tx, address, values)
            elif (found.by, found.offer) != (by, offer):
                raise LinkTaken

        await self._write(work)

    async def answer_link(self, address: bytes, answer: bytes, now_ms: int) -> None:
        async def work(tx: AsyncConnection) -> None:
            found = await _link(tx, address, now_ms, lock=True)
            if found.by is None or found.answer not in (b"", answer):
                raise LinkTaken
            await _set(tx, address, {"answer": answer})

        await self._write(work)

    async def approve_link(
        self, address: bytes, by: DeviceId, approval: Approval, now_ms: int
    ) -> None:
        async def work(tx: AsyncConnection) -> None:
            found = await _link(tx, address, now_ms, lock=True)
            if found.by != by or not found.answer or found.approval not in (None, approval):
                raise LinkTaken
            values = {
                "login_key": approval.login_key,
                "registration_id": approval.registration_id,
                "sealed": approval.sealed,
            }
            await _set(tx, address, values)

        await self._write(work)

    async def complete_link(
        self, address: bytes, new: NewDevice, now_ms: int
    ) -> tuple[Account, Device]:
        async def work(tx: AsyncConnection) -> tuple[Account, Device]:
            found = await _link(tx, address, now_ms, lock=True)
            approval, by = found.approval, found.by
            if approval is None or by is None:
                raise LinkTaken
            wanted = (approval.login_key, approval.registration_id)
            if wanted != (new.login_key, new.registration_id):
                raise LinkTaken
            if found.device:
                return await _again(tx, DeviceId(by.user, found.device), new)
            account, added = await add_to_account(tx, by.user, new)
            await _set(tx, address, {"device_id": added.id})
            await put_untold(tx, Untold(by.user, account.version, False, ()))
            return account, added

        return await self._write(work)

    async def close_link(self, address: bytes) -> None:
        gone = delete(device_link).where(device_link.c.address_hash == address)

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(gone)

        await self._write(work)


async def _again(tx: AsyncConnection, at: DeviceId, new: NewDevice) -> tuple[Account, Device]:
    """The same device, whose answer was lost. Raises NoSuchLink: it was removed meanwhile."""
    account = await load_account(tx, at.user, lock=True)
    added = account.device(at.device)
    if added is None or added.login_key != new.login_key:
        raise NoSuchLink
    await store_keys(tx, at, new.keys)
    return account, added


async def _link(
    tx: AsyncConnection, address: bytes, now_ms: int, *, lock: bool = False
) -> DeviceLink:
    """Raises NoSuchLink."""
    wanted = select(device_link).where(
        device_link.c.address_hash == address, device_link.c.expires_ms > now_ms
    )
    row = (await tx.execute(wanted.with_for_update() if lock else wanted)).first()
    if row is None:
        raise NoSuchLink
    return _of(row)


async def _set(tx: AsyncConnection, address: bytes, values: dict[str, object]) -> None:
    at = device_link.c.address_hash == address
    await tx.execute(update(device_link).where(at).values(values))


def _of(row: Row[Any]) -> DeviceLink:
    approved = row.login_key is not None
    return DeviceLink(
        row.expires_ms,
        DeviceId(UserId(row.user_id), row.by_device) if row.user_id is not None else None,
        row.offer or b"",
        row.answer or b"",
        Approval(row.login_key, row.registration_id, row.sealed) if approved else None,
        row.device_id or 0,
    )
