"""Calls to the owners of shards (`signet.internal.v1.Peer`), from other owners and from keys.

Whom to ask is a guess that costs nothing when it is wrong: the last owner that answered, else the
router on which the shard is placed; whoever is asked says who owns it by the row (L7). All that
waits for a router goes into one call; what gathers meanwhile is the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import grpc
import structlog

from signet.adapters.owners_calls import GatheredCalls
from signet.core import limits
from signet.core.groups import GroupCopy, GroupId, merged
from signet.core.ids import Incarnation, ShardId, UserId
from signet.core.link import NotOwner
from signet.core.shards import place, shard_of
from signet.internal.v1 import link_pb2 as pb
from signet.internal.v1 import link_pb2_grpc
from signet.internal.v1.convert import read_not_owner
from signet.internal.v1.held import read_held
from signet.internal.v1.stored_groups import copy_message
from signet.ports.holdings import Held
from signet.ports.inbox import StoreUnavailable
from signet.ports.members import Kind, Member, Members, State
from signet.ports.peers import OwnersItem

log = structlog.get_logger()
T = TypeVar("T")

HOPS = 3  # routers that are asked in one call before it is the caller's to try again
OPTIONS = (
    ("grpc.max_receive_message_length", limits.LINK_BATCH_BYTES),
    ("grpc.max_send_message_length", limits.LINK_BATCH_BYTES),
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
)


Refused = dict[ShardId, NotOwner]


class _Router:
    """One router's address, with one call of each kind at a time."""

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None) -> None:
        self.credentials = credentials
        if credentials is None:
            self.channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        else:
            self.channel = grpc.aio.secure_channel(address, credentials, options=OPTIONS)
        self.stub = link_pb2_grpc.PeerStub(self.channel)
        self.deliveries = GatheredCalls(self._deliver, lambda item: len(item.body))
        self.copies = GatheredCalls(self._fan_out, lambda copy: copy.size)

    async def _deliver(self, items: Sequence[OwnersItem]) -> Refused:
        request = pb.DeliverRequest(items=map(_message, items))
        answer = await self.stub.Deliver(request, timeout=limits.PEER_TIMEOUT)
        return {ShardId(row.shard): read_not_owner(row) for row in answer.not_owner}

    async def _fan_out(self, copies: Sequence[GroupCopy]) -> tuple[Refused, set[int]]:
        request = pb.FanOutRequest(copies=map(copy_message, merged(copies)))
        answer = await self.stub.FanOut(request, timeout=limits.PEER_TIMEOUT)
        refused = {ShardId(row.shard): read_not_owner(row) for row in answer.not_owner}
        return refused, set(answer.later)

    async def close(self) -> None:
        """Whoever waits is told StoreUnavailable."""
        await self.deliveries.close()
        await self.copies.close()
        await self.channel.close()


class OwnerChannels:
    """See ports/peers.Peers; `changes` is ports/users.UserChanges for keys.

    `credentials` gives those that count now; channels with others are made anew.
    """

    def __init__(
        self,
        members: Members,
        shards: int = limits.SHARDS,
        credentials: Callable[[], grpc.ChannelCredentials] | None = None,
    ) -> None:
        self._members, self._shards, self._credentials = members, shards, credentials
        self._routers: dict[str, _Router] = {}
        self._known: dict[ShardId, Incarnation] = {}
        self._placed: tuple[tuple[str, ...], dict[ShardId, str]] = ((), {})
        self.changes = OwnerChanges(self)

    # --- ports/peers.Peers --------------------------------------------------------------------

    async def deliver(self, shard: ShardId, items: Sequence[OwnersItem]) -> None:
        """See ports/peers.Peers.deliver."""

        async def call(router: _Router) -> NotOwner | None:
            return (await router.deliveries.bring(items)).get(shard)

        await self.ask(shard, call)

    async def fan_out(self, shard: ShardId, copies: Sequence[GroupCopy]) -> None:
        """See ports/peers.Peers.fan_out."""

        async def call(router: _Router) -> NotOwner | None:
            refused, later = await router.copies.bring(copies)
            if shard in later:
                raise StoreUnavailable("the owner has not taken it yet")
            return refused.get(shard)

        await self.ask(shard, call)

    async def offer(self, taker: Incarnation, shards: Sequence[ShardId]) -> None:
        """See ports/peers.Peers.offer."""
        for member in await self._there():
            if member.incarnation == taker:
                request = pb.OfferRequest(incarnation=taker, shards=shards)
                try:
                    stub = self._router(member.address).stub
                    await stub.Offer(request, timeout=limits.PEER_RETRY)
                except grpc.aio.AioRpcError as error:
                    log.info("an offer of shards was not heard", reason=error.code().name)

    async def close(self) -> None:
        """Give back the channels."""
        routers, self._routers = list(self._routers.values()), {}
        await asyncio.gather(*(router.close() for router in routers))

    # --- asking the owner ---------------------------------------------------------------------

    def shard(self, user: UserId) -> ShardId:
        return shard_of(user, self._shards)

    async def ask(
        self, shard: ShardId, call: Callable[[_Router], Awaitable[NotOwner | None]]
    ) -> None:
        """Call the owner of a shard, wherever those who were asked say it is.

        Raises:
            StoreUnavailable: no owner was found, or it did not answer.
        """
        routers = await self._there()
        asked: set[bytes] = set()
        for _ in range(HOPS):
            member = self._guess(shard, routers, asked)
            if member is None:
                break
            asked.add(member.incarnation)
            try:
                refused = await call(self._router(member.address))
            except StoreUnavailable:
                self._known.pop(shard, None)
                raise
            if refused is None:
                self._known[shard] = Incarnation(member.incarnation)
                return
            self._learn(shard, refused)
        raise StoreUnavailable(f"nobody is known to own shard {shard}")

    def _learn(self, shard: ShardId, refused: NotOwner) -> None:
        if refused.owner is None:
            self._known.pop(shard, None)
        else:
            self._known[shard] = refused.owner

    def _guess(self, shard: ShardId, routers: Sequence[Member], asked: set[bytes]) -> Member | None:
        left = [router for router in routers if router.incarnation not in asked]
        known = self._known.get(shard)
        for router in left:
            if router.incarnation == known:
                return router
        placed = self._place(routers).get(shard)
        return next((r for r in left if r.name == placed), left[0] if left else None)

    def _place(self, routers: Sequence[Member]) -> dict[ShardId, str]:
        names = tuple(r.name for r in routers if r.state is State.ACTIVE)
        if names != self._placed[0]:
            self._placed = (names, place(self._shards, names))
        return self._placed[1]

    async def _there(self) -> list[Member]:
        """The routers, each by its youngest life; channels that do not count now are closed."""
        routers = [m for m in await self._members.list() if m.kind is Kind.ROUTER and m.address]
        there, credentials = {router.address for router in routers}, self._now()
        gone = [
            self._routers.pop(address)  # before anything waits: others look meanwhile
            for address, router in list(self._routers.items())
            if address not in there or router.credentials is not credentials
        ]
        await asyncio.gather(*(router.close() for router in gone))
        return routers

    def _router(self, address: str) -> _Router:
        if address not in self._routers:
            self._routers[address] = _Router(address, self._now())
        return self._routers[address]

    def _now(self) -> grpc.ChannelCredentials | None:
        return self._credentials() if self._credentials is not None else None


class OwnerChanges:
    """How keys tells the owners of a user's shard (ports/users.UserChanges), over the network."""

    def __init__(self, owners: OwnerChannels) -> None:
        self._owners = owners

    async def changed(self, user: UserId) -> None:
        """Raises StoreUnavailable: tell it again."""
        await self._tell(user, pb.TellRequest(user=user, changed=pb.TellRequest.Changed()))

    async def replaced(self, user: UserId, dropped_devices: Sequence[int]) -> None:
        """Raises StoreUnavailable: tell it again."""
        what = pb.TellRequest.Replaced(dropped_devices=dropped_devices)
        await self._tell(user, pb.TellRequest(user=user, replaced=what))

    async def keys_low(self, user: UserId, device: int, pre_keys: int, kyber_pre_keys: int) -> None:
        """A hint. Raises StoreUnavailable."""
        what = pb.TellRequest.KeysLow(
            device=device, pre_keys=pre_keys, kyber_pre_keys=kyber_pre_keys
        )
        await self._tell(user, pb.TellRequest(user=user, keys_low=what))

    async def held(self, user: UserId) -> Held:
        """See ports/holdings."""
        answers: list[pb.HoldResponse] = []

        async def call(router: _Router) -> NotOwner | None:
            try:
                request = pb.HoldRequest(user=user)
                answer = await router.stub.Hold(request, timeout=2 * limits.TELL_TIMEOUT)
            except grpc.aio.AioRpcError as error:
                raise StoreUnavailable(f"the owner: {error.code().name}") from error
            answers.append(answer)
            return read_not_owner(answer.not_owner) if answer.HasField("not_owner") else None

        await self._owners.ask(self._owners.shard(user), call)
        return read_held(user, answers[-1])

    async def group_changed(self, group: GroupId) -> None:
        """Raises StoreUnavailable: tell it again."""
        what = pb.TellRequest.GroupChanged()
        await self._tell(UserId(group), pb.TellRequest(user=group, group_changed=what))

    async def _tell(self, user: UserId, request: pb.TellRequest) -> None:
        async def call(router: _Router) -> NotOwner | None:
            try:
                answer = await router.stub.Tell(request, timeout=2 * limits.TELL_TIMEOUT)
            except grpc.aio.AioRpcError as error:
                raise StoreUnavailable(f"the owner: {error.code().name}") from error
            return read_not_owner(answer.not_owner) if answer.HasField("not_owner") else None

        await self._owners.ask(self._owners.shard(user), call)


def _message(item: OwnersItem) -> pb.OwnersItem:
    return pb.OwnersItem(
        user=item.user, device=item.device, registration_id=item.registration, body=item.body
    )
