"""Reports of abuse, without content: for the operator's audit trail, and nobody else.

The server cannot read what was written, and a report does not show it: it says who reports whom,
why, how many messages it is about, and which ids the reporter chooses to name. Nothing of it is
stored here, and whoever is reported is not told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from signet.core.errors import Code, SignetError
from signet.core.ids import ID_BYTES, UserId
from signet.core.limits import (
    MAX_REPORTED_IDS,
    MAX_REPORTED_MESSAGES,
    REPORTS_A_DAY,
    REPORTS_OF_ONE_A_DAY,
)
from signet.keys.login import check_user
from signet.keys.parts import Caller, Parts
from signet.keys.refusals import refuses
from signet.ports.events import Abuse, Event, Topic

_DAY = 24 * 3600


class Reason(IntEnum):
    """As in keys.proto's ReportReason."""

    SPAM = 1
    HARASSMENT = 2
    THREAT = 3
    ILLEGAL = 4
    IMPERSONATION = 5
    OTHER = 6


@dataclass(frozen=True, slots=True)
class Report:
    """`messages`: how many it is about, by the reporter's count."""

    user: UserId
    reason: int
    messages: int = 0
    message_ids: Sequence[bytes] = ()


class Reports:
    """See the module's text."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @refuses()
    async def take(self, caller: Caller, report: Report) -> None:
        """Put it on the audit trail; the answer is the same for an unknown id (K5).

        Raises:
            SignetError: INVALID_ARGUMENT, FORBIDDEN (of oneself), RATE_LIMITED.
        """
        reason = _checked(report)
        if report.user == caller.user:
            raise SignetError(Code.FORBIDDEN, "nobody reports themselves")
        parts, by = self._parts, caller.user.hex()
        pair = f"{by}:{report.user.hex()}"
        await parts.limit("report-one", pair, REPORTS_OF_ONE_A_DAY, _DAY)
        await parts.limit("report", by, REPORTS_A_DAY, _DAY)
        ids = tuple(report.message_ids)
        abuse = Abuse(caller.user, reason.name, report.messages, ids)
        now_ms = parts.now_ms()
        parts.events.publish(Event(Topic.AUDIT, report.user, "ABUSE_REPORTED", now_ms, abuse=abuse))


def _checked(report: Report) -> Reason:
    """Raises SignetError: INVALID_ARGUMENT."""
    check_user(report.user)
    if not 0 <= report.messages <= MAX_REPORTED_MESSAGES:
        raise SignetError(Code.INVALID_ARGUMENT, "messages is out of its range")
    if len(report.message_ids) > MAX_REPORTED_IDS:
        raise SignetError(Code.INVALID_ARGUMENT, f"at most {MAX_REPORTED_IDS} ids")
    if any(len(one) != ID_BYTES for one in report.message_ids):
        raise SignetError(Code.INVALID_ARGUMENT, f"a message id has {ID_BYTES} bytes")
    try:
        return Reason(report.reason)
    except ValueError:
        raise SignetError(Code.INVALID_ARGUMENT, "reason is none") from None
