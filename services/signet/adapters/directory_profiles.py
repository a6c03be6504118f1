"""Profiles in SQL: ports/profiles.Profiles."""

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signet.adapters.directory_accounts import load_account
from signet.adapters.directory_engine import SqlStore
from signet.adapters.directory_tables import profile
from signet.core.ids import UserId
from signet.ports.profiles import Profile


class SqlProfiles(SqlStore):
    """See the port for what each call promises."""

    async def set_profile(self, user: UserId, sealed: bytes) -> int:
        of_user = profile.c.user_id == user

        async def work(tx: AsyncConnection) -> int:
            await load_account(tx, user, lock=True)
            known = (
                await tx.execute(select(profile.c.version).where(of_user))
            ).scalar_one_or_none()
            version = (known or 0) + 1
            values = {"version": version, "sealed": sealed}
            if known is None:
                await tx.execute(insert(profile).values(user_id=user, **values))
            else:
                await tx.execute(update(profile).where(of_user).values(values))
            return version

        return await self._write(work)

    async def profile(self, user: UserId) -> Profile | None:
        wanted = select(profile).where(profile.c.user_id == user)

        async def work(tx: AsyncConnection) -> Profile | None:
            row = (await tx.execute(wanted)).first()
            return Profile(row.version, row.sealed) if row is not None and row.sealed else None

        return await self._read(work)
