"""Groups: the server's part in their chains. It judges, stores, orders and tells; it signs nothing.

Rules G1, G2, G8 and G9 of protos/protocol.md.
"""

from dataclasses import dataclass

from signet.core import limits
from signet.core.errors import Code, SignetError
from signet.core.groups import Devices, GroupId
from signet.core.ids import ID_BYTES
from signet.core.membership import Add, Change, Create, Join, Keys, Membership, apply
from signet.keys.group_outbox import GroupOutbox
from signet.keys.parts import HOUR, Caller, Parts
from signet.keys.refusals import refuses
from signet.keys.signatures import is_login, is_signed
from signet.ports.groups import NewChange, Untold
from signet.v1.groups import Signed, looked, read_record


@dataclass(frozen=True, slots=True)
class Changed:
    """A change stands in the group's order."""

    group: GroupId
    version: int
    membership: int


@dataclass(frozen=True, slots=True)
class FoundGroup:
    """A group with the devices of its members; none, of whom is deleted."""

    version: int
    membership: int
    devices: Devices


@dataclass(frozen=True, slots=True)
class Chain:
    """Records of changes, in order; `more` follow."""

    records: tuple[bytes, ...]
    more: bool


class Groups:
    """All of it is for members, and for those who prove a link."""

    def __init__(self, parts: Parts, outbox: GroupOutbox) -> None:
        self._parts, self._outbox = parts, outbox

    @refuses()
    async def change(self, caller: Caller, record: bytes) -> Changed:
        """Take the next change of a group; answered when it stands in the group's order (G2).

        Raises:
            SignetError: CONTENT_TOO_LARGE, BAD_SIGNATURE (also of what is no change), FORBIDDEN,
                RATE_LIMITED, NOT_FOUND, GROUP_CHANGED, GROUP_FULL, LAST_ADMINISTRATOR,
                INVALID_ARGUMENT, STORE_UNAVAILABLE (it may be stored: the same again).
        """
        if len(record) > limits.MAX_GROUP_RECORD:
            raise SignetError(Code.CONTENT_TOO_LARGE)
        parts, signed = self._parts, _read(record)
        change = signed.change
        _check_signature(caller, signed)
        most = parts.config.group_changes_an_hour
        await parts.limit("group-changes", caller.user.hex(), most, HOUR)
        before = await parts.directory.group(change.group) or Membership(change.group)
        if change.version <= before.version:
            return await self._again(before, change)
        _check_link(before, signed)
        after = apply(before, change)
        await self._check_people(caller, change)
        to = tuple(sorted({*before.members, *after.members}))
        if not await parts.directory.put_change(NewChange(after, record, to)):
            raise SignetError(Code.GROUP_CHANGED)
        return await self._told(after)

    async def _again(self, now: Membership, change: Change) -> Changed:
        """A change whose answer was lost is answered the same; another came too late."""
        found = await self._parts.directory.changes(change.group, change.version - 1, 1)
        stored = [read_record(record).change for record in found]
        if [one.hash for one in stored] == [change.hash]:
            told = await self._told(now)
            return Changed(change.group, change.version, told.membership)
        if change.actor not in now.members:
            raise SignetError(Code.NOT_FOUND)
        raise SignetError(Code.GROUP_CHANGED)

    async def _told(self, after: Membership) -> Changed:
        """Raises StoreUnavailable: it is stored, and will be told."""
        await self._outbox.tell(Untold(after.group, after.version))
        return Changed(after.group, after.version, after.membership)

    async def _check_people(self, caller: Caller, change: Change) -> None:
        """Who is added must be there under that identity key, and not refuse the actor (K5)."""
        for user, identity_key in _added(change):
            account = await self._parts.directory.account(user)
            refuses_caller = account is not None and caller.user in (
                await self._parts.directory.blocked(user)
            )
            if account is None or refuses_caller:
                raise SignetError(Code.NOT_FOUND, "nobody to add")
            if account.identity_key != identity_key:
                raise SignetError(Code.INVALID_ARGUMENT, "members: another identity key")

    # --- looking --------------------------------------------------------------------------------

    @refuses()
    async def get(self, caller: Caller, group: bytes, link_proof: bytes = b"") -> FoundGroup:
        """A group as it is now. Raises SignetError: NOT_FOUND."""
        found = await self._visible(caller, group, link_proof)
        members = sorted(found.members)
        users = await self._parts.directory.users(members)
        devices = {user: users[user].devices if user in users else {} for user in members}
        return FoundGroup(found.version, found.membership, devices)

    @refuses()
    async def changes(
        self, caller: Caller, group: bytes, after: int, link_proof: bytes = b""
    ) -> Chain:
        """The chain behind a version. Raises SignetError: NOT_FOUND."""
        found = await self._visible(caller, group, link_proof)
        most = limits.GROUP_CHANGES_PAGE
        records = await self._parts.directory.changes(found.group, min(after, found.version), most)
        return Chain(tuple(records), len(records) == most)

    @refuses()
    async def of(self, caller: Caller) -> tuple[GroupId, ...]:
        """Of which groups the caller is a member."""
        return tuple(await self._parts.directory.groups_of(caller.user))

    async def _visible(self, caller: Caller, group: bytes, link_proof: bytes) -> Membership:
        """Without membership and link there is no group (G8)."""
        if len(group) != ID_BYTES:
            raise SignetError(Code.INVALID_ARGUMENT, "group")
        found = await self._parts.directory.group(GroupId(group))
        if found is not None:
            proved = found.link and link_proof
            asked = looked(found.group, caller.user)
            if caller.user in found.members or (proved and is_login(found.link, asked, link_proof)):
                return found
        raise SignetError(Code.NOT_FOUND)


def _read(record: bytes) -> Signed:
    """Bytes that are no change are signed by nobody."""
    try:
        return read_record(record)
    except SignetError as error:
        raise SignetError(Code.BAD_SIGNATURE, f"no change of a group: {error.detail}") from error


def _check_signature(caller: Caller, signed: Signed) -> None:
    change = signed.change
    if change.actor != caller.user:
        raise SignetError(Code.FORBIDDEN, "the actor is somebody else")
    if change.actor_identity != caller.account.identity_key:
        raise SignetError(Code.BAD_SIGNATURE, "actor_identity_key is not the account's")
    if not is_signed(change.actor_identity, signed.signed, signed.signature):
        raise SignetError(Code.BAD_SIGNATURE, "of the change")


def _check_link(before: Membership, signed: Signed) -> None:
    """To who is no member, and does not prove the link, there is no group (G8)."""
    change = signed.change
    if not before.version or change.actor in before.members:
        return
    joins = isinstance(change.what, Join) and before.link
    if not joins or not is_login(before.link, signed.joined, signed.link_signature):
        raise SignetError(Code.NOT_FOUND)


def _added(change: Change) -> Keys:
    return change.what.members if isinstance(change.what, Create | Add) else ()
