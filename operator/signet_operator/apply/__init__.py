"""The only package that writes to the Kubernetes API: calls.py, which everything here goes through.

`Writer` is the whole of it. What may be relied upon: every write asks `leads` first; every call
ends within `call_s`.
"""

from collections.abc import Callable

from kubernetes.aio.client import ApiClient

from signet_operator.apply.actions import Actions, Done, Orders
from signet_operator.apply.calls import Calls, Conflict, NotLeader, Refused, Unavailable
from signet_operator.apply.events import Events, Reason
from signet_operator.apply.kinds import APPLIED, Key, lean
from signet_operator.apply.objects import Objects, Refusal, Written
from signet_operator.apply.secrets import Secrets, Trust
from signet_operator.apply.statuses import Statuses

__all__ = [
    "APPLIED",
    "Conflict",
    "Done",
    "Key",
    "NotLeader",
    "Orders",
    "Reason",
    "Refusal",
    "Refused",
    "Trust",
    "Unavailable",
    "Writer",
    "Written",
    "lean",
]


class Writer:
    """Objects, actions, status, Secrets and Events of all clusters.

    `namespace` is the operator's own. `refuses`: errors of `Orders` that mean "not now".
    """

    def __init__(
        self,
        api: ApiClient,
        leads: Callable[[], bool],
        *,
        call_s: float,
        instance: str,
        namespace: str,
        refuses: tuple[type[Exception], ...] = (OSError,),
    ) -> None:
        self.calls = Calls(api, leads, call_s)
        self.events = Events(self.calls, instance)
        self.objects = Objects(self.calls)
        self.actions = Actions(self.calls, self.events, refuses)
        self.statuses = Statuses(self.calls)
        self.secrets = Secrets(self.calls, namespace)

    def forget(self, uid: str) -> None:
        """A cluster is gone."""
        self.objects.forget(uid)
        self.statuses.forget(uid)
        self.secrets.forget(uid)
        self.events.forget(uid)
