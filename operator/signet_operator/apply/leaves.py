"""The Secrets of tiers' certificates: written, and never read.

Whether one is as it was written is asked without its content: a patch that changes nothing, as a
dry run, is answered with who owns which key of `data` (managedFields); whoever changes one owns it.

- F1 Each is asked for every CHECK_S, and every SUSPECT_S while a pod of its tier shows another
  certificate, or does not start.
- F2 One that is gone, or whose keys are not the operator's any more, is made anew.
- F3 One that the API does not let the operator write is said, and tried again every SUSPECT_S.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from signet_operator import certificates as ca
from signet_operator import names
from signet_operator.apply.calls import Calls, Conflict, Refused
from signet_operator.certificates import Leaf, Pair, PodTrust, Terms
from signet_operator.desired import secret
from signet_operator.names import Tier
from signet_operator.spec import ClusterSpec

# Seconds between questions after one Secret. Raise: what no pod has met yet is noticed later.
CHECK_S = 3600.0
SUSPECT_S = 60.0  # … while a pod gives reason to ask; kubelets take as long to bring a new one


@dataclass(slots=True)
class Kept:
    """What is known of one cluster's: who has which, when each was asked for, what was refused."""

    leaves: dict[Tier, Leaf]
    checked: dict[Tier, float] = field(default_factory=dict)
    refused: dict[Tier, str] = field(default_factory=dict)


class Leaves:
    """One for the process."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def sign(
        self,
        spec: ClusterSpec,
        kept: Kept,
        tiers: Iterable[Tier],
        authority: Pair,
        terms: Terms,
        now: float,
    ) -> tuple[Tier, ...]:
        """Make those; which were made.

        Raises:
            NotLeader, Unavailable.
        """
        return tuple(
            [tier for tier in tiers if await self._sign(spec, kept, tier, authority, terms, now)]
        )

    async def touched(
        self, spec: ClusterSpec, kept: Kept, pods: Iterable[PodTrust], now: float
    ) -> tuple[Tier, ...]:
        """Those that somebody has changed or deleted (F1, F2).

        Raises:
            NotLeader, Unavailable.
        """
        suspects = {pod.tier for pod in pods if _suspect(pod, kept.leaves.get(pod.tier))}
        found = []
        for tier in kept.leaves:
            wait = SUSPECT_S if tier in suspects | kept.refused.keys() else CHECK_S
            if now - kept.checked.setdefault(tier, now - _spread(spec, wait)) < wait:
                continue
            kept.checked[tier] = now
            if not await self._untouched(spec, tier):
                found.append(tier)
        return tuple(found)

    async def _sign(
        self,
        spec: ClusterSpec,
        kept: Kept,
        tier: Tier,
        authority: Pair,
        terms: Terms,
        now: float,
    ) -> bool:
        if tier in kept.refused and 0 < now - kept.checked[tier] < SUSPECT_S:
            return False  # F3; 0: this very check has found it
        pair, leaf = ca.make_leaf(authority, terms.hosts[tier], terms, now)
        kept.checked[tier] = now
        try:
            wanted = secret.leaf(spec, tier, pair.certificate, pair.key)
            await self._calls.apply(wanted, metadata=True)
        except Refused as refused:
            kept.refused[tier] = f"Secret {secret.leaf_name(spec, tier)}: {refused}"
            return False
        kept.refused.pop(tier, None)
        kept.leaves[tier] = leaf
        return True

    async def _untouched(self, spec: ClusterSpec, tier: Tier) -> bool:
        name = secret.leaf_name(spec, tier)
        try:
            found = await self._calls.look_at("Secret", spec.namespace, name)
        except Conflict:
            return False  # it is gone
        except Refused:
            return False  # it is not marked as ours any more: what signing it says is told
        return _owns(found["metadata"], secret.LEAF_KEYS)


def _suspect(pod: PodTrust, leaf: Leaf | None) -> bool:
    """What a pod shows was read from its volume: the newest, or one that is on its way there."""
    other = leaf is not None and pod.certificate not in {"", leaf.fingerprint}
    return other or pod.waits


def _spread(spec: ClusterSpec, wait: float) -> float:
    """Clusters that an operator first sees together are not asked for together."""
    return zlib.crc32(spec.uid.encode()) % wait


def _owns(meta: Mapping[str, Any], keys: Iterable[str]) -> bool:
    """Whether nobody has changed any of these keys since this operator applied them."""
    ours: set[str] = set()
    for entry in meta.get("managedFields") or ():
        if entry.get("manager") == names.MANAGER and entry.get("operation") == "Apply":
            ours |= set((entry.get("fieldsV1") or {}).get("f:data") or {})
    return {f"f:{key}" for key in keys} <= ours
