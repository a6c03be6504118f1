"""The calls about other people: finding, trusting, watching and blocking them."""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

from signet.client import blocks, own_devices, profiles, sealing
from signet.client.calls import Calls
from signet.client.device_store import Tx
from signet.client.errors import refusal
from signet.client.groups.summary import name_of
from signet.client.rest import Json
from signet.client.store.outgoing import Row
from signet.core.errors import Code
from signet.core.groups import GroupId
from signet.core.ids import MessageId, UserId, show, user_id
from signet.core.limits import MAX_WATCHED
from signet.e2e import safety_number


class ReportReason(StrEnum):
    """Why somebody is reported, as in keys.proto."""

    SPAM = "spam"
    HARASSMENT = "harassment"
    THREAT = "threat"
    ILLEGAL = "illegal"
    IMPERSONATION = "impersonation"
    OTHER = "other"


class PeopleCalls(Calls):
    """Part of `Client`."""

    async def find(self, user_name: str) -> UserId:
        """Raises NotFound: nobody of that name, or they do not want to be found."""
        found = await self._keys.find(user_name)
        await self._store.run(lambda tx: tx.peers.set(found, name=user_name))
        return found

    async def name_of(self, peer: UserId) -> str:
        """The name by which a peer was found here, else that they show, or a group's; else ''."""

        def read(tx: Tx) -> str:
            return profiles.name_of(tx, peer) or name_of(tx, GroupId(peer))

        return await self._store.run(read)

    async def safety_number(self, peer: UserId) -> str:
        """60 digits, the same for both. Of the changed identity key, where one waits.

        Raises NotFound: there is no such person, or we know no key of theirs.
        """
        known = await self._store.run(lambda tx: tx.peers.get(peer))
        if known.identity is None:
            await self._engine.sender.refresh(peer)
            known = await self._store.run(lambda tx: tx.peers.get(peer))
        theirs = known.pending or known.identity
        if theirs is None:
            raise refusal(Code.NOT_FOUND)
        ours = self._me.local.identity.public
        return await asyncio.to_thread(safety_number, self.user_id, ours, peer, theirs)

    async def verify(self, peer: UserId, verified: bool = True) -> None:
        """The safety number was compared. A changed identity key undoes it."""
        await self._store.run(lambda tx: tx.peers.set(peer, verified=int(verified)))

    async def is_verified(self, peer: UserId) -> bool:
        return await self._store.run(lambda tx: tx.peers.get(peer).verified)

    async def consent(self, peer: UserId) -> None:
        """Take the peer's changed identity key. What waits for them goes out."""
        await self._store.run(lambda tx: sealing.consent(tx, peer))
        self._engine.sender.retry(peer)

    async def watch(self, users: Sequence[UserId]) -> None:
        """Whose presence is wanted: the whole list, each time. Raises ValueError above 500."""
        if len(users) > MAX_WATCHED:
            raise ValueError(f"at most {MAX_WATCHED} people can be watched")
        self._engine.watch(users)

    async def set_away(self, away: bool) -> None:
        self._engine.set_away(away)

    async def block(self, user: UserId) -> None:
        """Hear nothing more of somebody. They are not told: what they send is answered as ever."""
        await self._set_blocked(user, True)

    async def unblock(self, user: UserId) -> None:
        """Hear of somebody again. What they sent meanwhile is gone."""
        await self._set_blocked(user, False)

    async def blocked(self) -> list[UserId]:
        """Whom this account blocks, as the server has it; the other devices have the same."""
        listed = {user_id(one) for one in (await self._keys.account())["blocked"]}
        await self._store.run(lambda tx: blocks.replace(tx, listed))
        return sorted(listed)

    async def report(
        self,
        user: UserId,
        reason: ReportReason,
        message_ids: Sequence[MessageId] = (),
        *,
        messages: int | None = None,
    ) -> None:
        """Tell the server's operator of abuse. Nothing of what was written goes with it.

        `message_ids` are those that may be named; `messages`, how many it is about (else as many).

        Raises:
            SignetError: RATE_LIMITED (so many a day), FORBIDDEN (of oneself), …
        """
        count = len(message_ids) if messages is None else messages
        body: Json = {
            "user_id": show(user),
            "reason": reason.value,
            "messages": count,
            "message_ids": [show(one) for one in message_ids],
        }
        await self._keys.call("POST", "/v1/reports", body)

    async def _set_blocked(self, user: UserId, blocked: bool) -> None:
        """The server first: it keeps them away from devices that are not asked."""
        await self._keys.set_blocked(user, blocked)

        def write(tx: Tx) -> list[Row]:
            blocks.note(tx, user, blocked)
            return own_devices.tell_blocked(tx, self._me, user, blocked)

        self._engine.queue(await self._store.run(write))
