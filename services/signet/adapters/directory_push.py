"""How devices are woken, in SQL: ports/push_registrations."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, delete, exists, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_tables import device as devices
from signet.adapters.directory_tables import push_registration
from signet.core.ids import DeviceId, UserId
from signet.ports.directory import NoSuchAccount
from signet.ports.push_registrations import (
    Apns,
    ApnsEnvironment,
    Fcm,
    PushKind,
    Registration,
    WebPush,
)

_it = push_registration.c
_NOTHING = {"token": "", "topic": "", "environment": "", "public_key": b"", "auth": b""}


class SqlPushRegistrations(SqlStore):
    """See the port for what each call promises."""

    async def put_push(self, device: DeviceId, registration: Registration) -> None:
        at = {"user_id": device.user, "device_id": device.device}
        known = exists().where(
            devices.c.user_id == device.user, devices.c.device_id == device.device
        )

        async def work(tx: AsyncConnection) -> None:
            if not (await tx.execute(select(known))).scalar_one():
                raise NoSuchAccount
            await tx.execute(delete(push_registration).where(*_of(device)))
            await tx.execute(insert(push_registration).values({**at, **_row(registration)}))

        await self._write(work)

    async def push_of(self, devices: Sequence[DeviceId]) -> Mapping[DeviceId, Registration]:
        if not devices:
            return {}
        wanted = select(push_registration).where(
            tuple_(_it.user_id, _it.device_id).in_([(one.user, one.device) for one in devices])
        )

        async def work(tx: AsyncConnection) -> Mapping[DeviceId, Registration]:
            rows = await tx.execute(wanted)
            return {DeviceId(UserId(row.user_id), row.device_id): _read(row) for row in rows}

        return await self._read(work)

    async def drop_push(self, device: DeviceId, only: Registration | None = None) -> bool:
        gone = delete(push_registration).where(*_of(device)).returning(_it.device_id)
        if only is not None:
            values = _row(only)
            gone = gone.where(*(push_registration.c[name] == values[name] for name in values))

        async def work(tx: AsyncConnection) -> bool:
            return (await tx.execute(gone)).first() is not None

        return await self._write(work)


def _of(device: DeviceId) -> tuple[Any, Any]:
    return _it.user_id == device.user, _it.device_id == device.device


def _row(registration: Registration) -> dict[str, Any]:
    row: dict[str, Any] = {**_NOTHING, "kind": registration.kind.value}
    match registration:
        case WebPush(endpoint, p256dh, auth):
            row |= {"token": endpoint, "public_key": p256dh, "auth": auth}
        case Apns(token, topic, environment):
            row |= {"token": token, "topic": topic, "environment": environment.value}
        case Fcm(token):
            row |= {"token": token}
    return row


def _read(row: Row[Any]) -> Registration:
    match PushKind(row.kind):
        case PushKind.WEB_PUSH:
            return WebPush(row.token, row.public_key, row.auth)
        case PushKind.APNS:
            return Apns(row.token, row.topic, ApnsEnvironment(row.environment))
        case PushKind.FCM:
            return Fcm(row.token)
