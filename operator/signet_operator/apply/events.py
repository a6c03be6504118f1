"""Events (events.k8s.io/v1) on clusters and pods: what was done, for people and `kubectl describe`.

The same words about the same object are said once in AGAIN_S: a plan that is made every few
seconds says what it sees each time.
"""

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from signet_operator import names
from signet_operator.actions import Tell
from signet_operator.apply.calls import Calls, Conflict
from signet_operator.desired.meta import content_hash
from signet_operator.spec import ClusterSpec

AGAIN_S = 600.0
NOTE = 1024  # characters: the API's limit


class Reason(StrEnum):
    """Of all Events that this operator makes; docs/operations/ says what each means."""

    CERTIFICATES_RENEWED = "CertificatesRenewed"
    CERTIFICATE_PUT_RIGHT = "CertificatePutRight"
    AUTHORITY_ADDED = "AuthorityAdded"
    AUTHORITY_REMOVED = "AuthorityRemoved"
    DRAIN_DEADLINE = "DrainDeadline"
    LOST_POD = "LostPod"
    MIGRATION_BEGUN = "MigrationBegun"
    REBALANCE_ASKED = "RebalanceAsked"
    REFUSED = "Refused"
    REPLICAS_OUT_OF_BOUNDS = "ReplicasOutOfBounds"
    ROLLOUT_BEGUN = "RolloutBegun"
    ROLLOUT_FAILED = "RolloutFailed"
    SCALED = "Scaled"
    TEMPLATE_PUT_RIGHT = "TemplatePutRight"


class Events:
    """One for the process; `instance` is this replica."""

    def __init__(self, calls: Calls, instance: str) -> None:
        self._calls, self._instance = calls, instance
        self._said: dict[tuple[str, ...], float] = {}

    def forget(self, uid: str) -> None:
        """A cluster is gone."""
        self._said = {words: at for words, at in self._said.items() if words[0] != uid}

    async def tell(self, spec: ClusterSpec, told: Tell, now: float) -> None:
        """Say it, unless it was just said."""
        words = (spec.uid, told.pod, told.reason, told.message)
        if now - self._said.get(words, float("-inf")) < AGAIN_S:
            return
        self._said = {said: at for said, at in self._said.items() if now - at < AGAIN_S}
        with contextlib.suppress(Conflict):  # the same words within the same microsecond
            await self._calls.create(event(spec, told, now, self._instance), manager=names.MANAGER)
        self._said[words] = now


def event(spec: ClusterSpec, told: Tell, now: float, instance: str) -> Mapping[str, Any]:
    """As the API has it."""
    at = datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
    about = told.pod or spec.name
    suffix = content_hash([spec.uid, told.reason, told.message, at])
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{about}.{suffix}", "namespace": spec.namespace},
        "eventTime": at.replace("+00:00", "Z"),
        "reportingController": f"{names.GROUP}/{names.MANAGER}",
        "reportingInstance": instance[:128],
        "action": told.reason,
        "reason": told.reason,
        "regarding": _regarding(spec, told.pod),
        "note": told.message[:NOTE],
        "type": "Warning" if told.warning else "Normal",
    }


def _regarding(spec: ClusterSpec, pod: str) -> Mapping[str, str]:
    if pod:
        return {"apiVersion": "v1", "kind": "Pod", "namespace": spec.namespace, "name": pod}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.CLUSTER_KIND,
        "namespace": spec.namespace,
        "name": spec.name,
        "uid": spec.uid,
    }
