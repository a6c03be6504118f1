"""All that the server holds on a user, as one JSON document (docs/account.md says what is in it).

Rows of the directory are given whole, whatever tables there are; bytes are base64. Inboxes hold
ciphertext that the devices fetch anyway: of them it is said how much waits, and of whom.
"""

import base64
import json
from collections.abc import Mapping, Sequence

from signet.core.errors import Code
from signet.core.ids import show
from signet.core.limits import EXPORTS_A_DAY
from signet.keys.parts import Caller, Parts
from signet.keys.refusals import refuses
from signet.ports.account_life import Value
from signet.ports.holdings import Held, HeldInbox, Holdings

FORMAT = "signet-export-v1"
ELSEWHERE = (
    "The audit trail names your id with the kind and time of an event; its operator keeps it.",
    "Counters of rate limits name your id and are gone after the period that they count.",
    "Encrypted media: nothing says whose it is, and it is deleted by age.",
    "What others keep about you, as whether they block you, is theirs.",
)
Json = object
_DAY = 24 * 3600


class Exports:
    """See the module's text."""

    def __init__(self, parts: Parts, holdings: Holdings) -> None:
        self._parts, self._holdings = parts, holdings

    @refuses(missing=Code.DEVICE_REMOVED)
    async def export(self, caller: Caller) -> bytes:
        """Of the caller's own account, as UTF-8.

        Raises:
            SignetError: RATE_LIMITED, STORE_UNAVAILABLE (all of it, or nothing).
        """
        parts, user = self._parts, caller.user
        await parts.limit("export", user.hex(), EXPORTS_A_DAY, _DAY)
        rows = await parts.directory.rows_of(user)
        held = await self._holdings.held(user)
        parts.audit(user, "ACCOUNT_EXPORTED", caller.device.device)
        document = {
            "format": FORMAT,
            "exported_ms": parts.now_ms(),
            "server_name": parts.config.server_name,
            "user_id": show(user),
            "directory": {table: _rows(found) for table, found in rows.items()},
            "inboxes": [_inbox(inbox) for inbox in held.inboxes],
            "presence": _presence(held),
            "elsewhere": ELSEWHERE,
        }
        return json.dumps(document, indent=1).encode()


def _rows(rows: Sequence[Mapping[str, Value]]) -> Json:
    return [{name: _value(value) for name, value in row.items()} for row in rows]


def _value(value: Value) -> Json:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _inbox(inbox: HeldInbox) -> Json:
    return {
        "device_id": inbox.device,
        "items": inbox.items,
        "bytes": inbox.size,
        "messages_of": {show(user): count for user, count in sorted(inbox.senders.items())},
        "oldest_ms": inbox.oldest_ms,
        "attached": inbox.attached,
    }


def _presence(held: Held) -> Json:
    seen = held.seen
    if seen is None:
        return None
    return {
        "status": seen.status.name.lower(),
        "last_seen_ms": seen.last_seen_ms,
        "gateway": seen.gateway,
    }
