"""What this router holds of a user of its shards: ports/holdings."""

from collections import Counter

from signet.core import limits
from signet.core.ids import UserId
from signet.internal.v1.stored import read_stored
from signet.ports.holdings import Held, HeldInbox
from signet.router.context import Context
from signet.router.people import Inbox, Person


async def held(context: Context, person: Person) -> Held:
    """Reads the inboxes of all devices. Raises StoreUnavailable."""
    devices = person.user.devices if person.user is not None else {}
    there = [person.inboxes[number] for number in sorted(devices) if number in person.inboxes]
    seen = await context.presence.get([person.id])
    return Held(tuple([await _inbox(context, one) for one in there]), seen.get(person.id))


async def _inbox(context: Context, inbox: Inbox) -> HeldInbox:
    senders: Counter[UserId] = Counter()
    after, items, size, oldest_ms, more = inbox.acknowledged, 0, 0, 0, True
    while more:
        page = await context.store.read(
            inbox.device, after, limits.READ_ITEMS, limits.READ_BYTES, context.now_ms()
        )
        for entry in page.entries:
            after, items, size = entry.position, items + 1, size + len(entry.body)
            oldest_ms = oldest_ms or entry.accepted_ms
            _, origin = read_stored(entry.body, entry.accepted_ms)
            if origin is not None:
                senders[origin.sender.device.user] += 1
        more = page.more and bool(page.entries)
    attached = inbox.session is not None
    return HeldInbox(inbox.device.device, items, size, senders, oldest_ms, attached)
