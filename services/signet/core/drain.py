"""How a pod leaves: `active → draining → empty → gone` (design.md §7).

Asked by an admin call or by a signal; a second order goes on with the same drain under the new
deadline; a drain that has not ended can be aborted.
"""

from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """Where a pod is. EMPTY: nothing is left on it; GONE: its process may end."""

    ACTIVE = "active"
    DRAINING = "draining"
    EMPTY = "empty"
    GONE = "gone"


class Order(NamedTuple):
    """What was asked. `deadline` is on the pod's monotonic clock, in seconds.

    `rate` is the most that is asked to move in a second (gateway: streams, router: shards);
    0 leaves it to what the survivors accept.
    """

    deadline: float
    rate: float = 0.0
