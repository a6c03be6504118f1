"""What an owner holds of a user, between pods: ports/holdings and link.proto."""

from signet.core.ids import UserId
from signet.internal.v1 import link_pb2 as pb
from signet.ports.holdings import Held, HeldInbox
from signet.ports.presence import Seen, Status
from signet.v1 import messaging_pb2


def held_message(held: Held) -> pb.HoldResponse:
    seen = held.seen
    presence = (
        pb.HeldPresence(
            status=messaging_pb2.PresenceStatus.ValueType(seen.status),
            last_seen_ms=seen.last_seen_ms,
            gateway=seen.gateway,
        )
        if seen
        else None
    )
    return pb.HoldResponse(inboxes=map(_inbox, held.inboxes), presence=presence)


def read_held(user: UserId, answer: pb.HoldResponse) -> Held:
    seen = answer.presence
    status = Status(seen.status) if seen.status else Status.OFFLINE
    known = Seen(user, status, seen.last_seen_ms, seen.gateway)
    there = answer.HasField("presence")
    return Held(tuple(map(_read_inbox, answer.inboxes)), known if there else None)


def _inbox(inbox: HeldInbox) -> pb.HeldInbox:
    return pb.HeldInbox(
        device=inbox.device,
        items=inbox.items,
        size=inbox.size,
        senders=[pb.HeldSender(user=who, messages=count) for who, count in inbox.senders.items()],
        oldest_ms=inbox.oldest_ms,
        attached=inbox.attached,
    )


def _read_inbox(inbox: pb.HeldInbox) -> HeldInbox:
    senders = {UserId(one.user): one.messages for one in inbox.senders}
    return HeldInbox(
        inbox.device, inbox.items, inbox.size, senders, inbox.oldest_ms, inbox.attached
    )
