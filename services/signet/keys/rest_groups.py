"""The routes of REST for groups: their chains of changes, and who is in them now."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field, StringConstraints

from signet.core.errors import Code
from signet.core.ids import show
from signet.core.limits import MAX_GROUP_RECORD
from signet.keys import rest_models as m
from signet.keys.parts import Caller
from signet.keys.rest_routes import CALLER, Authenticate, authenticates, refusals
from signet.keys.service import Keys

_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$"
_MOST = 2**31 - 1
GroupInPath = Annotated[UUID, Path(description="A group id")]
LinkProof = Annotated[
    str,
    Query(
        description="For who is no member: a signature by the link's key, in hex (G8)",
        pattern="^([0-9a-f]{128})?$",
    ),
]
Record = Annotated[
    str,
    StringConstraints(pattern=_BASE64, min_length=4, max_length=(MAX_GROUP_RECORD + 2) // 3 * 4),
    Field(description="A serialised SignedGroupChange in base64"),
]


class ChangeGroupRequest(m.Body):
    """The next change of a group."""

    record: Record


class ChangedGroup(m.Body):
    """It stands in the group's order."""

    group: m.UserIdText
    version: m.Count
    membership: m.Count


class MemberDevice(m.Body):
    """One device."""

    device_id: m.DeviceNumber
    registration_id: m.RegistrationId


class MemberDevices(m.Body):
    """A member; without devices, their account is gone."""

    user: m.UserIdText
    devices: list[MemberDevice]


class Group(m.Body):
    """A group as it is now; who is a member is in its chain."""

    group: m.UserIdText
    version: m.Count
    membership: m.Count
    members: list[MemberDevices]


class GroupChanges(m.Body):
    """Records in base64, in the order of the chain."""

    records: list[str]
    more: bool


class ListedGroups(m.Body):
    """Ids of groups."""

    groups: list[m.UserIdText]


def group_routes(keys: Keys) -> APIRouter:
    """All of them."""
    router, authenticated = APIRouter(), authenticates(keys)
    _add_changes(router, keys, authenticated)
    _add_looks(router, keys, authenticated)
    return router


def _add_changes(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type

    @router.post(
        "/v1/groups/changes",
        tags=["groups"],
        responses=refusals(
            *CALLER,
            Code.BAD_SIGNATURE,
            Code.CONTENT_TOO_LARGE,
            Code.FORBIDDEN,
            Code.GROUP_CHANGED,
            Code.GROUP_FULL,
            Code.LAST_ADMINISTRATOR,
            Code.NOT_FOUND,
            Code.RATE_LIMITED,
        ),
    )
    async def change_group(caller: Authenticated, body: ChangeGroupRequest) -> ChangedGroup:
        """Make the next change of a group, or the group itself."""
        done = await keys.groups.change(caller, m.data(body.record))
        return ChangedGroup(
            group=show(done.group), version=done.version, membership=done.membership
        )


def _add_looks(router: APIRouter, keys: Keys, authenticated: Authenticate) -> None:
    Authenticated = Annotated[Caller, Depends(authenticated)]  # noqa: N806 - a type

    @router.get("/v1/groups", tags=["groups"], responses=refusals(*CALLER))
    async def list_groups(caller: Authenticated) -> ListedGroups:
        """The caller's groups."""
        return ListedGroups(groups=[show(group) for group in await keys.groups.of(caller)])

    @router.get(
        "/v1/groups/{group:uuid}", tags=["groups"], responses=refusals(*CALLER, Code.NOT_FOUND)
    )
    async def get_group(
        caller: Authenticated, group: GroupInPath, link_proof: LinkProof = ""
    ) -> Group:
        """A group with the devices of its members."""
        found = await keys.groups.get(caller, group.bytes, bytes.fromhex(link_proof))
        members = [
            MemberDevices(
                user=show(user),
                devices=[
                    MemberDevice(device_id=device, registration_id=registration)
                    for device, registration in sorted(those.items())
                ],
            )
            for user, those in sorted(found.devices.items())
        ]
        return Group(
            group=show(group.bytes),
            version=found.version,
            membership=found.membership,
            members=members,
        )

    @router.get(
        "/v1/groups/{group:uuid}/changes",
        tags=["groups"],
        responses=refusals(*CALLER, Code.NOT_FOUND),
    )
    async def get_group_changes(
        caller: Authenticated,
        group: GroupInPath,
        after: Annotated[int, Query(ge=0, le=_MOST, description="A version")] = 0,
        link_proof: LinkProof = "",
    ) -> GroupChanges:
        """The chain behind a version."""
        proof = bytes.fromhex(link_proof)
        chain = await keys.groups.changes(caller, group.bytes, after, proof)
        return GroupChanges(records=list(map(m.text, chain.records)), more=chain.more)
