"""The calls about the life of the account: its identity, its end, what is held on it."""

import asyncio
from contextlib import suppress

from signet.client import identity_change
from signet.client.calls import Calls
from signet.client.errors import ClientError, ServerUnreachable
from signet.client.identity_change import Change
from signet.client.rest import Json, b64, unb64
from signet.client.store.settings import Account
from signet.core.errors import SignetError
from signet.core.ids import show

_DELETE_LABEL = b"signet-delete-v1"
LEAVING = 10.0
"""Seconds. Raise: a deletion waits longer for groups whose owner does not answer."""


class LifeCalls(Calls):
    """Part of `Client`."""

    _changing: asyncio.Lock

    async def change_identity(self) -> None:
        """Give this account another identity key: the safety number with everybody changes.

        The account's other devices are removed. All who know it get `IdentityChanged`, and what
        they send waits until they consent. The stream is closed, and opened again. After
        ServerUnreachable the same call goes on where it was cut off.

        Raises:
            SignetError: the server refused; the identity key is as before.
            ServerUnreachable: nobody knows whether it is another now.
        """
        async with self._changing:
            await self._pause()
            account = self._me.account
            try:
                account = await self._take_new_identity()
            finally:
                await self._go_on(account)

    async def _take_new_identity(self) -> Account:
        me = self._me
        change: Change = await self._store.run(lambda tx: identity_change.prepare(tx, me))
        try:
            await identity_change.ask(self._keys, me, change)
        except SignetError:
            keys = await self._store.run(lambda tx: identity_change.give_up(tx, me))
            with suppress(SignetError, ServerUnreachable):  # upkeep does it later, else
                await self._keys.upload(keys)
            raise
        return await self._store.run(lambda tx: identity_change.adopt(tx, me, change))

    async def delete_account(self) -> None:
        """Have the server forget this account and all that hangs on it. There is no way back.

        It leaves its groups first, as far as that can be done in LEAVING seconds.
        Its streams end (ACCOUNT_DELETED); its id is never given to anybody again. What is in this
        device's store stays.

        Raises:
            SignetError, ServerUnreachable: nothing, or all of it, is gone.
        """
        with suppress(SignetError, ClientError, TimeoutError):
            async with asyncio.timeout(LEAVING):
                await self._leave_groups()
        me, account = self._me, self._me.account
        who = {"user_id": show(account.user_id), "device_id": account.device}
        nonce = unb64((await self._keys.call("POST", "/v1/login/nonce", who))["nonce"])
        at = account.user + bytes([account.device])
        signed = _DELETE_LABEL + account.server_name.encode() + at + nonce
        signature = me.local.identity.sign(signed, me.environment.randomness)
        proof = {"nonce": b64(nonce), "signature": b64(signature)}
        await self._keys.call("POST", "/v1/account/delete", proof)

    async def export_account(self) -> Json:
        """All that the server holds on this account (docs/account.md). Raises RateLimited, …"""
        return await self._keys.call("GET", "/v1/account/export")

    async def _leave_groups(self) -> None:
        """Leave all groups. Raises SignetError, ClientError."""
        raise NotImplementedError

    async def _pause(self) -> None:
        """Close the stream, and finish what is being taken."""
        raise NotImplementedError

    async def _go_on(self, account: Account) -> None:
        """Open a stream again, as this account."""
        raise NotImplementedError
