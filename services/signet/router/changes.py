"""What keys tells the owner of a user's shard: the account has changed (ports/users.UserChanges).

A call that returns is durable here, so that keys may forget that it was to be told (S9).
"""

import asyncio
from collections.abc import Sequence

from signet.core import limits
from signet.core.ids import UserId
from signet.internal.v1.stored import keys_low_frame, stored_peer_changed
from signet.ports.holdings import Held
from signet.ports.inbox import StoreUnavailable
from signet.ports.peers import OwnersItem
from signet.router.attachments import NOBODY, Attachments, known_devices
from signet.router.context import Context
from signet.router.holdings import held
from signet.router.people import Person
from signet.router.presence import Presences
from signet.router.receipts import Receipts
from signet.router.writer import Write
from signet.v1.messaging_pb2 import CAPABILITY_NOTICES


class Changes:
    """See the module's text."""

    def __init__(
        self,
        context: Context,
        attachments: Attachments,
        receipts: Receipts,
        presences: Presences,
    ) -> None:
        self._context = context
        self._attachments = attachments
        self._receipts = receipts
        self._presences = presences

    async def changed(self, user: UserId) -> None:
        """Load the user again, and end streams that are not theirs any more (S9).

        Durable when it returns. Raises TimeoutError, StoreUnavailable: tell it again.
        """
        known = self._context.people.known(user)
        before = known_devices(known.user) if known else {}

        person = await self._person_here(user)
        self._attachments.reviewed(person, before)
        self._presences.changed(user)  # whom it is shown to may be others now
        if known is None:
            await self._attachments.drop_forgotten(person)
        await self.durable()

    async def replaced(self, user: UserId, dropped_devices: Sequence[int]) -> None:
        """Another identity key: the old inboxes are dropped, and those who know the user told.

        Nobody at all, where the account was deleted: then presence is forgotten, too.
        Durable when it returns. Raises TimeoutError, StoreUnavailable: tell it again.
        """
        gone = dict.fromkeys(dropped_devices, NOBODY)
        person = await self._person_here(user)
        self._attachments.reviewed(person, gone)
        if person.user is None:
            await self._context.presence.forget([user])
        body = stored_peer_changed(user, True, self._context.now_ms())
        told = [
            self._receipts.deliver(shard, [OwnersItem(peer, body)], self._context.shard(user))
            for peer in await self._context.users.peers(user)
            for shard in [self._context.shard(peer)]
        ]
        async with asyncio.timeout(limits.TELL_TIMEOUT):
            if not all(await asyncio.gather(*told)):
                raise StoreUnavailable("the shard was given away")
        await self.durable()

    async def held(self, user: UserId) -> Held:
        """See ports/holdings. Raises TimeoutError, StoreUnavailable."""
        return await held(self._context, await self._person_here(user))

    async def _person_here(self, user: UserId) -> Person:
        """Somebody of a shard that is served, as the directory knows them now.

        Raises:
            TimeoutError: the directory does not answer.
            StoreUnavailable: the shard was given away meanwhile: its next owner is to be told.
        """
        person = await self._person(user, fresh=True)
        if not self._context.serves(person.shard):
            raise StoreUnavailable("the shard was given away")
        return person

    async def _person(self, user: UserId, *, fresh: bool = False) -> Person:
        """Somebody, in memory. Raises TimeoutError: the directory does not answer."""
        here: asyncio.Future[Person] = asyncio.get_running_loop().create_future()

        def came(person: Person) -> None:
            if not here.done():
                here.set_result(person)

        self._context.people.with_person(user, came, fresh=fresh)
        return await asyncio.wait_for(here, limits.TELL_TIMEOUT)

    async def durable(self) -> None:
        """All that was queued until now is in the store. Raises TimeoutError."""
        done = asyncio.Event()
        self._context.writer.add(Write(done=done.set))
        await asyncio.wait_for(done.wait(), limits.TELL_TIMEOUT)

    async def keys_low(self, user: UserId, device: int, pre_keys: int, kyber_pre_keys: int) -> None:
        """Tell the device, if it is attached."""
        person = self._context.people.known(user)
        inbox = person.inboxes.get(device) if person else None
        if inbox and inbox.session and CAPABILITY_NOTICES in inbox.session.capabilities:
            self._context.push(inbox.session, keys_low_frame(pre_keys, kyber_pre_keys))
