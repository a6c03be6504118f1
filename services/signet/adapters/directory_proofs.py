"""Nonces, signing keys, invitations in SQL: ports/directory.Proofs."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_tables import invitation, nonce, signing_key
from signet.core.ids import DeviceId
from signet.ports.directory import SigningKey


class SqlProofs(SqlStore):
    """See the port for what each call promises."""

    async def put_nonce(self, value: bytes, at: DeviceId, expires_ms: int, now_ms: int) -> None:
        row = {
            "nonce": value,
            "user_id": at.user,
            "device_id": at.device,
            "expires_ms": expires_ms,
        }

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(delete(nonce).where(nonce.c.expires_ms <= now_ms))
            await tx.execute(insert(nonce).values(row))

        await self._write(work)

    async def take_nonce(self, value: bytes, at: DeviceId, now_ms: int) -> bool:
        spend = (
            delete(nonce)
            .where(
                nonce.c.nonce == value,
                nonce.c.user_id == at.user,
                nonce.c.device_id == at.device,
                nonce.c.expires_ms > now_ms,
            )
            .returning(nonce.c.nonce)
        )

        async def work(tx: AsyncConnection) -> bool:
            return (await tx.execute(spend)).first() is not None

        return await self._write(work)

    async def signing_keys(self, now_ms: int) -> Sequence[SigningKey]:
        async def work(tx: AsyncConnection) -> Sequence[SigningKey]:
            return await _published(tx, now_ms)

        return await self._read(work)

    async def add_signing_key(self, key: SigningKey, after: str, now_ms: int) -> bool:
        row = {
            "kid": key.kid,
            "follows": after,
            "private_key": key.private,
            "created_ms": key.created_ms,
            "retired_ms": key.retired_ms,
            "gone_ms": key.gone_ms,
        }

        async def work(tx: AsyncConnection) -> bool:
            published = await _published(tx, now_ms)
            if (published[0].kid if published else "") != after:
                return False
            await tx.execute(delete(signing_key).where(signing_key.c.gone_ms <= now_ms))
            await tx.execute(insert(signing_key).values(row))
            return True

        return await self._write(work)

    async def add_invitation(self, code_hash: bytes, expires_ms: int, now_ms: int) -> None:
        row = {"code_hash": code_hash, "expires_ms": expires_ms}

        async def work(tx: AsyncConnection) -> None:
            await tx.execute(delete(invitation).where(invitation.c.expires_ms <= now_ms))
            await tx.execute(insert(invitation).values(row))

        await self._write(work)


async def _published(tx: AsyncConnection, now_ms: int) -> list[SigningKey]:
    wanted = (
        select(signing_key)
        .where(signing_key.c.gone_ms > now_ms)
        .order_by(signing_key.c.created_ms.desc(), signing_key.c.kid)
    )
    return [
        SigningKey(row.kid, row.private_key, row.created_ms, row.retired_ms, row.gone_ms)
        for row in await tx.execute(wanted)
    ]
