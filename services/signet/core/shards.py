"""Which shard a user is in, and which router a shard belongs to (design.md §4).

Pure functions: all who see the same members' list agree.
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import ceil

from signet.core.ids import ShardId, UserId
from signet.core.limits import BOUNDED_LOAD


def shard_of(user: UserId, shards: int) -> ShardId:
    """The user's shard; `shards` is fixed for the life of a cluster."""
    return ShardId(int.from_bytes(blake2b(user, digest_size=8).digest(), "big") % shards)


def place(shards: int, routers: Sequence[str], epsilon: float = BOUNDED_LOAD) -> dict[ShardId, str]:
    """Put each shard on a router: consistent hashing with bounded loads.

    A shard goes to the router with the highest weight for it (rendezvous hashing) that still has
    room; no router gets more than ceil((1 + epsilon) · average), and few shards move when one
    joins or leaves. Empty when there are no routers.
    """
    if not routers:
        return {}
    most = ceil((1 + epsilon) * shards / len(routers))
    load = dict.fromkeys(routers, 0)
    placed = {}
    for shard in range(shards):
        ranked = sorted(load, key=lambda name: _weight(shard, name), reverse=True)
        chosen = next(name for name in ranked if load[name] < most)
        load[chosen] += 1
        placed[ShardId(shard)] = chosen
    return placed


def _weight(shard: int, router: str) -> bytes:
    return blake2b(router.encode(), digest_size=8, key=shard.to_bytes(4, "big")).digest()
