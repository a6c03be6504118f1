"""What other owners and keys tell this router, over gRPC (`signet.internal.v1.Peer`).

Every call is about shards that the caller believes to be here; of others it is told who owns them.
"""

from collections.abc import Coroutine
from typing import TYPE_CHECKING

import grpc

from signet.core.groups import GroupId
from signet.core.ids import ID_BYTES, ShardId, UserId
from signet.internal.v1 import link_pb2 as pb
from signet.internal.v1 import link_pb2_grpc
from signet.internal.v1.convert import BadFrame, not_owner_message
from signet.internal.v1.held import held_message
from signet.internal.v1.stored_groups import read_copy
from signet.ports.inbox import StoreUnavailable
from signet.ports.peers import OwnersItem
from signet.router.router import Router

if TYPE_CHECKING:
    Delivering = grpc.aio.ServicerContext[pb.DeliverRequest, pb.DeliverResponse]
    FanningOut = grpc.aio.ServicerContext[pb.FanOutRequest, pb.FanOutResponse]
    Offering = grpc.aio.ServicerContext[pb.OfferRequest, pb.OfferResponse]
    Holding = grpc.aio.ServicerContext[pb.HoldRequest, pb.HoldResponse]
    Telling = grpc.aio.ServicerContext[pb.TellRequest, pb.TellResponse]


class PeerServer(link_pb2_grpc.PeerServicer):
    """Serves one router. Add it with `add_to`, before the server starts."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def add_to(self, server: grpc.aio.Server) -> str:
        """Returns the service's full name."""
        link_pb2_grpc.add_PeerServicer_to_server(self, server)
        return pb.DESCRIPTOR.services_by_name["Peer"].full_name

    async def Deliver(  # noqa: N802 - gRPC's name
        self, request: pb.DeliverRequest, context: "Delivering"
    ) -> pb.DeliverResponse:
        """Items for inboxes here; those that were taken are durable."""
        items = [_item(item) for item in request.items if len(item.user) == ID_BYTES]
        try:
            refused = await self._router.deliver(items)
        except StoreUnavailable as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return pb.DeliverResponse(not_owner=map(not_owner_message, refused))

    async def FanOut(  # noqa: N802 - gRPC's name
        self, request: pb.FanOutRequest, context: "FanningOut"
    ) -> pb.FanOutResponse:
        """Entries of groups for members here; those that were taken are durable."""
        try:
            copies = list(map(read_copy, request.copies))
        except BadFrame as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        refused, later = await self._router.fan_out(copies)
        return pb.FanOutResponse(not_owner=map(not_owner_message, refused), later=later)

    async def Offer(  # noqa: N802 - gRPC's name
        self, request: pb.OfferRequest, context: "Offering"
    ) -> pb.OfferResponse:
        """Shards that were released for this life of this router."""
        if request.incarnation == self._router.incarnation:
            self._router.offered([ShardId(shard) for shard in request.shards])
        return pb.OfferResponse()

    async def Tell(  # noqa: N802 - gRPC's name
        self, request: pb.TellRequest, context: "Telling"
    ) -> pb.TellResponse:
        """A user, or a group, has changed in the directory."""
        if len(request.user) != ID_BYTES or request.WhichOneof("what") is None:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "whom it is about is missing")
        user = UserId(request.user)
        refused = self._router.not_owner_of(user)
        if refused is not None:
            return pb.TellResponse(not_owner=not_owner_message(refused))
        try:
            await self._tell(user, request)
        except (StoreUnavailable, TimeoutError) as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return pb.TellResponse()

    async def Hold(  # noqa: N802 - gRPC's name
        self, request: pb.HoldRequest, context: "Holding"
    ) -> pb.HoldResponse:
        """What is held of a user."""
        if len(request.user) != ID_BYTES:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "whom it is about is missing")
        user = UserId(request.user)
        refused = self._router.not_owner_of(user)
        if refused is not None:
            return pb.HoldResponse(not_owner=not_owner_message(refused))
        try:
            return held_message(await self._router.held(user))
        except StoreUnavailable as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))

    def _tell(self, user: UserId, request: pb.TellRequest) -> Coroutine[None, None, None]:
        if request.HasField("group_changed"):
            return self._router.group_changed(GroupId(user))
        if request.HasField("replaced"):
            return self._router.replaced(user, list(request.replaced.dropped_devices))
        if request.HasField("keys_low"):
            low = request.keys_low
            return self._router.keys_low(user, low.device, low.pre_keys, low.kyber_pre_keys)
        return self._router.changed(user)


def _item(item: pb.OwnersItem) -> OwnersItem:
    return OwnersItem(UserId(item.user), item.body, item.device, item.registration_id)
