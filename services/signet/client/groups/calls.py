"""The calls about groups: making, changing and joining them. Writing is as to a person."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from uuid import UUID

from signet.client import content as contents
from signet.client.calls import Calls
from signet.client.device_store import Tx
from signet.client.errors import GroupChangedFirst, ServerUnreachable, UnknownGroup, refusal
from signet.client.groups import chain
from signet.client.groups import sealing as group_sealing
from signet.client.groups.changes import events_of
from signet.client.groups.keys import learn_profile_key
from signet.client.groups.links import SECRET_SIZE, GroupLink
from signet.client.groups.summary import Group, profile_text, summary
from signet.client.outcome import Outcome
from signet.client.store.group_lines import Counts
from signet.client.store.outgoing import Row
from signet.core.backoff import Backoff
from signet.core.errors import Code, SignetError
from signet.core.groups import GroupId
from signet.core.ids import ID_BYTES, MessageId, UserId
from signet.core.membership import (
    Add,
    Create,
    Join,
    Keys,
    Leave,
    Membership,
    Remove,
    SetAdministrator,
    SetLink,
    SetProfile,
    What,
)
from signet.e2e.group_profile import seal_profile
from signet.v1.content_pb2 import Content, KeyDistribution
from signet.v1.groups import looked, read_record

_TRIES = 5
"""Of a change, when others change the group at the same time, or nobody answers."""
_SEEN_IN = 10.0
"""Seconds in which a change that the server has comes back in the group's order."""

After = Callable[[Tx, Membership], list[Row]]


class GroupCalls(Calls):
    """Part of `Client`. Raises SignetError with the codes of protos/protocol.md, "Groups"."""

    _group_news: asyncio.Event

    async def create_group(
        self, name: str, members: Sequence[UserId], *, picture: bytes = b""
    ) -> Group:
        """A group of oneself and others, with a name and a small picture that members read.

        Raises NotFound, GroupFull (above MAX_GROUP members), SignetError, ServerUnreachable.
        """
        env = self._env
        group_id = GroupId(UUID(bytes=env.randomness(ID_BYTES), version=4).bytes)
        keys = await self._identities(member for member in members if member != self.user_id)
        key, profile = seal_profile(profile_text(name, picture), group_id, env.randomness)
        record = self._write(chain.founded(group_id), Create(keys, profile))
        await self._ask(record)

        def after(tx: Tx, group: Membership) -> list[Row]:
            tx.groups.put_profile_key(group.group, key)
            return self._announce(tx, group)

        await self._follow(group_id, record, after)
        return await self.group(group_id)

    async def add_members(self, group: GroupId, members: Sequence[UserId]) -> Group:
        """By an administrator. Somebody whose account was taken over is added again so."""
        keys = await self._identities(members)
        return await self._change(group, lambda _: Add(keys), self._announce)

    async def remove_members(self, group: GroupId, members: Sequence[UserId]) -> Group:
        """By an administrator, of others. They get nothing that is written from then on."""
        return await self._change(group, lambda _: Remove(tuple(members)))

    async def leave_group(self, group: GroupId) -> None:
        """Where the only administrator goes, who was there longest becomes one."""

        def leave(known: Membership) -> What:
            others = [user for user in known.members if user != self.user_id]
            left = any(known.members[user].administrator for user in others)
            return Leave(None if left or not others else others[0])

        await self._change(group, leave)

    async def set_administrator(
        self, group: GroupId, member: UserId, administrator: bool = True
    ) -> Group:
        """By an administrator. One is always left (LastAdministrator)."""
        return await self._change(group, lambda _: SetAdministrator(member, administrator))

    async def rename_group(
        self, group: GroupId, name: str, *, picture: bytes | None = None
    ) -> Group:
        """By an administrator. None: the picture stays."""
        known = await self.group(group)
        text = profile_text(name, known.picture if picture is None else picture)
        key, profile = seal_profile(text, group, self._env.randomness)

        def after(tx: Tx, changed: Membership) -> list[Row]:
            tx.groups.put_profile_key(changed.group, key)
            told = KeyDistribution(group=group, profile_key=key)
            return [group_sealing.queue(tx, self._me, group, Content(key_distribution=told))]

        return await self._change(group, lambda _: SetProfile(profile), after)

    async def create_group_link(self, group: GroupId) -> str:
        """By an administrator: a link by which others join; one that was there before ends."""
        secret = self._env.randomness(SECRET_SIZE)
        public = GroupLink(group, secret).key().public_key().public_bytes_raw()

        def after(tx: Tx, changed: Membership) -> list[Row]:
            tx.groups.put_link_secret(changed.group, secret)
            return []

        await self._change(group, lambda _: SetLink(public), after)
        key = (await self._store.run(lambda tx: tx.groups.secrets(group))).profile_key
        return GroupLink(group, secret, key).to_url(self._me.account.server)

    async def disable_group_link(self, group: GroupId) -> Group:
        """By an administrator: nobody joins by a link any more."""
        return await self._change(group, lambda _: SetLink(b""))

    async def join_group(self, url: str) -> Group:
        """Join by a link. Its secret signs the request and does not leave this device.

        Raises NotAGroupLink, NotFound (no such group, or another link by now), GroupFull, ….
        """
        link = GroupLink.from_url(url)
        for _ in range(_TRIES):
            known = await self._seen_by(link)
            if self.user_id not in known.members:
                record = self._write(known, Join(), link)
                try:
                    await self._ask(record)
                except GroupChangedFirst:
                    continue
                known, _ = chain.follow(known, record)
            await self._enter(known, link)
            return await self.group(link.group)
        raise refusal(Code.GROUP_CHANGED)

    async def sync_groups(self) -> None:
        """Wait until this device knows which groups the account is in; some seconds at the most.

        For programs that ask at once when they start. Raises SignetError, ServerUnreachable.
        """
        there = set(await self._engine.groups.directory.all())
        known = set(await self._store.run(lambda tx: tx.groups.all()))
        for group in there - known:
            self._engine.groups.catch_up(group)

        def is_so(tx: Tx) -> bool:
            groups = [tx.groups.get(group) for group in tx.groups.all()]
            return {g.group for g in groups if g is not None and self.user_id in g.members} == there

        await self._wait_for(is_so)

    async def groups(self) -> list[Group]:
        """All that this device knows of, also those that were left."""

        def read(tx: Tx) -> list[Group]:
            return [self._read(tx, group) for group in tx.groups.all()]

        return await self._store.run(read)

    async def group(self, group: GroupId) -> Group:
        """Raises UnknownGroup."""
        return await self._store.run(lambda tx: self._read(tx, group))

    async def is_group(self, peer: UserId) -> bool:
        """Whether a conversation is a group's."""
        return await self._store.run(lambda tx: tx.groups.knows(peer))

    async def receipts(self, message_id: MessageId) -> Counts:
        """How many members have a message of ours, and have read it."""
        return await self._store.run(lambda tx: tx.group_lines.counts(message_id))

    # --- inside ---------------------------------------------------------------------------------

    def _read(self, tx: Tx, group: GroupId) -> Group:
        known = tx.groups.get(group)
        if known is None:
            raise UnknownGroup("no such group here")
        return summary(tx, known, self.user_id)

    def _write(self, group: Membership, what: What, link: GroupLink | None = None) -> bytes:
        try:
            return chain.write(
                group,
                what,
                actor=self.user_id,
                identity=self._me.local.identity,
                randomness=self._env.randomness,
                link=link.key() if link else None,
            )
        except SignetError as error:
            raise refusal(error.code, error.detail) from None

    async def _identities(self, users: Iterable[UserId]) -> Keys:
        """Identity keys as they are pinned here; of strangers as the server shows them.

        Raises NotFound.
        """
        return tuple([(user, await self._identity(user)) for user in dict.fromkeys(users)])

    async def _identity(self, user: UserId) -> bytes:
        known = await self._store.run(lambda tx: tx.peers.get(user))
        if known.identity is None:
            await self._engine.sender.refresh(user)
            known = await self._store.run(lambda tx: tx.peers.get(user))
        if known.identity is None:
            raise refusal(Code.NOT_FOUND)
        return known.identity

    def _announce(self, tx: Tx, group: Membership) -> list[Row]:
        """Tell new members our sender key, and the group's name with it, before we write."""
        tx.group_keys.put_devices(group.group, {})  # theirs are not known: they are fetched
        return [group_sealing.queue(tx, self._me, group.group, contents.no_message())]

    async def _change(
        self, group_id: GroupId, what: Callable[[Membership], What], after: After | None = None
    ) -> Group:
        """Sign the next change, and again where another came first."""
        for _ in range(_TRIES):
            known = await self._store.run(lambda tx: tx.groups.get(group_id))
            if known is None:
                raise UnknownGroup("no such group here")
            try:
                record = self._write(known, what(known))
                await self._ask(record)
            except GroupChangedFirst:
                await self._until(group_id, known.version + 1)
                continue
            except SignetError:  # refused by what is known here: there may be more by now
                if await self._has_caught_up(group_id, known):
                    continue
                raise
            if isinstance(what(known), Remove | Leave):  # what they wrote before it is still read
                await self._until(group_id, known.version + 1)
            else:
                await self._follow(group_id, record, after)
            return await self.group(group_id)
        raise refusal(Code.GROUP_CHANGED)

    async def _ask(self, record: bytes) -> None:
        """The same record is answered the same: nobody's silence makes two changes."""
        backoff = Backoff()
        for tries in range(1, _TRIES + 1):
            try:
                return await self._engine.groups.directory.change(record)
            except ServerUnreachable:
                if tries == _TRIES:
                    raise
                now, chance = self._env.monotonic(), self._env.chance()
                wait, backoff = backoff.failed(now, chance)
                await asyncio.sleep(wait)
        return None

    async def _follow(self, group_id: GroupId, record: bytes, after: After | None) -> None:
        """Take our own change, and what belongs to it, before it comes in the group's order."""

        def follow(tx: Tx) -> Outcome:
            known, outcome = tx.groups.get(group_id) or chain.founded(group_id), Outcome()
            if known.version < read_record(record).change.version:
                known, change = chain.follow(known, record)
                tx.groups.put(known)
                outcome.events += events_of(change)
            outcome.queued += after(tx, known) if after else []
            return self._engine.kept(tx, outcome)

        self._engine.give_out(await self._store.run(follow))

    async def _until(self, group_id: GroupId, version: int) -> None:
        """Wait for a change that the server has; not for ever, because a stream may be missing."""

        def there(tx: Tx) -> bool:
            known = tx.groups.get(group_id)
            return known is not None and known.version >= version

        await self._wait_for(there)

    async def _wait_for(self, is_so: Callable[[Tx], bool]) -> None:
        """Until the groups here are so, or _SEEN_IN is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_SEEN_IN):
                while not await self._store.run(is_so):
                    self._group_news.clear()
                    await self._group_news.wait()

    async def _has_caught_up(self, group_id: GroupId, known: Membership) -> bool:
        """Whether there were changes that had not come in the group's order, and have now."""
        with suppress(SignetError, ServerUnreachable):
            more = len(await self._engine.groups.directory.changes(group_id, known.version))
            await self._until(group_id, known.version + more)
            return more > 0
        return False

    async def _seen_by(self, link: GroupLink) -> Membership:
        """The group as its chain shows it to those who have the link; verified."""
        proof = link.key().sign(looked(link.group, self.user_id))
        records = await self._engine.groups.directory.changes(link.group, 0, proof)
        return chain.follow_all(chain.founded(link.group), records)

    async def _enter(self, group: Membership, link: GroupLink) -> None:
        """Keep a group that we are a member of by now."""

        def keep(tx: Tx) -> Outcome:
            known = tx.groups.get(group.group)
            if known is None or known.version < group.version:
                tx.groups.put(group)
            outcome = Outcome()
            learn_profile_key(tx, group, self.user_id, link.profile_key, outcome)
            return self._engine.kept(tx, outcome)

        self._engine.give_out(await self._store.run(keep))
