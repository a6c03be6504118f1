"""Groups over gRPC: signet.v1.Groups, the same as the routes of rest_groups."""

# ruff: noqa: N802 - calls are named as in group.proto

from grpc import aio

from signet.core.groups import Devices
from signet.keys.grpc_answers import Context, answering, token_of
from signet.keys.parts import Caller
from signet.keys.service import Keys
from signet.v1 import group_pb2 as pb
from signet.v1 import group_pb2_grpc
from signet.v1 import messaging_pb2 as messaging


def add_groups(server: aio.Server, keys: Keys) -> None:
    """Serve signet.v1.Groups there; before the server is started."""
    group_pb2_grpc.add_GroupsServicer_to_server(GroupsServicer(keys), server)


class GroupsServicer(group_pb2_grpc.GroupsServicer):
    """A call is named as in group.proto, and is a line or two of the service."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @answering("Groups")
    async def ChangeGroup(
        self, request: pb.ChangeGroupRequest, context: Context
    ) -> pb.ChangedGroup:
        done = await self._keys.groups.change(await self._caller(context), request.record)
        return pb.ChangedGroup(group=done.group, version=done.version, membership=done.membership)

    @answering("Groups")
    async def GetGroup(self, request: pb.GetGroupRequest, context: Context) -> pb.Group:
        caller, proof = await self._caller(context), request.link_proof
        found = await self._keys.groups.get(caller, request.group, proof)
        return pb.Group(
            group=request.group,
            version=found.version,
            membership=found.membership,
            members=_members(found.devices),
        )

    @answering("Groups")
    async def GetGroupChanges(
        self, request: pb.GetGroupChangesRequest, context: Context
    ) -> pb.GroupChanges:
        caller, proof = await self._caller(context), request.link_proof
        chain = await self._keys.groups.changes(caller, request.group, request.after, proof)
        return pb.GroupChanges(records=chain.records, more=chain.more)

    @answering("Groups")
    async def ListGroups(self, request: pb.ListGroupsRequest, context: Context) -> pb.ListedGroups:
        return pb.ListedGroups(groups=await self._keys.groups.of(await self._caller(context)))

    async def _caller(self, context: Context) -> Caller:
        return await self._keys.logins.authenticate(token_of(context))


def _members(devices: Devices) -> list[messaging.MemberDevices]:
    return [
        messaging.MemberDevices(
            user=user,
            devices=[
                messaging.MemberDevice(device_id=device, registration_id=registration)
                for device, registration in sorted(those.items())
            ],
        )
        for user, those in sorted(devices.items())
    ]
