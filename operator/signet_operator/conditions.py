"""Conditions: what is so, why, and what to do about it, in words that need no source code.

`lastTransitionTime` stays while a status stays. What each one means, with a runbook:
docs/operations/.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from signet_operator.names import Condition


class Said(NamedTuple):
    """One condition as it is now. `status` None: not known."""

    status: bool | None
    reason: str
    message: str


LONGEST = 1_000  # characters of a message: the CRD bounds it


def conditions(
    before: Mapping[str, Mapping[str, Any]],
    said: Mapping[Condition, Said],
    generation: int,
    now: float,
) -> list[dict[str, Any]]:
    """All of `said` as the API has them."""
    return [
        _written(kind, found, before.get(kind, {}), generation, now) for kind, found in said.items()
    ]


def _written(
    kind: Condition, said: Said, before: Mapping[str, Any], generation: int, now: float
) -> dict[str, Any]:
    status = {True: "True", False: "False", None: "Unknown"}[said.status]
    same = before.get("status") == status and "lastTransitionTime" in before
    return {
        "type": str(kind),
        "status": status,
        "reason": said.reason,
        "message": said.message[:LONGEST],
        "lastTransitionTime": before["lastTransitionTime"] if same else timestamp(now),
        "observedGeneration": generation,
    }


def timestamp(now: float) -> str:
    """As the API writes times: whole seconds, UTC."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
