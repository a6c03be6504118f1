"""What cannot be decrypted is asked for again, and sent again to those who were entitled.

Both sides count: a message is asked for and sent again MAX_RETRIES times at the most. A request
goes out in a session that is opened anew; so does the answer, because the request's session is
current by then. What is sent again has a message id of its own (O1: the old one names other
bytes), and says inside which message it is, and under which ids it failed before: where it is
read at last, one line stands, and no placeholder.
"""

from signet.client import content as contents
from signet.client import sealing
from signet.client.device_store import Tx
from signet.client.groups import retrying
from signet.client.sealing import Self
from signet.client.store.outgoing import Row
from signet.core.ids import MessageId, UserId
from signet.core.limits import MAX_RETRIES, SENT_LOG_TTL
from signet.e2e import Ciphertext, E2eError, message_ratchet_key
from signet.v1.content_pb2 import RetryRequest
from signet.v1.messaging_pb2 import Envelope


def ask_again(tx: Tx, me: Self, envelope: Envelope) -> Row | None:
    """A request for a message that no session opened; None where it was asked for too often."""
    sender, message_id = UserId(envelope.sender), MessageId(envelope.message_id)
    now = me.environment.now()
    asked = tx.incoming.count("asked", sender, envelope.sender_device, message_id, now)
    if asked > MAX_RETRIES:
        return None
    sealing.give_up(tx, sender, envelope.sender_device)
    try:
        key = message_ratchet_key(Ciphertext(envelope.type, envelope.content))
    except E2eError:
        key = b""
    request = contents.retry_request(message_id, key)
    return sealing.queue(tx, me, sender, request, only_device=envelope.sender_device)


def answer(tx: Tx, me: Self, asker: UserId, device: int, request: RetryRequest) -> list[Row]:
    """What a request asks for, of a conversation or of a group; nothing where it is refused."""
    if request.distribution_id:
        return retrying.answer(tx, me, asker, device, request)
    row = send_again(tx, me, asker, device, request)
    return [row] if row else []


def send_again(tx: Tx, me: Self, asker: UserId, device: int, request: RetryRequest) -> Row | None:
    """The answer to a request; None where it is refused (unknown, too old, not entitled, …)."""
    now = me.environment.now()
    logged = tx.outgoing.logged(MessageId(request.message_id), asker)
    if logged is None or now - logged.at > SENT_LOG_TTL or device not in logged.devices:
        return None
    original = MessageId(logged.content.original_id or request.message_id)
    if tx.incoming.count("resent", asker, device, original, now) > MAX_RETRIES:
        return None
    record = tx.peers.session(asker, device)
    if record is not None and record.current_ratchet_key == request.ratchet_key:
        sealing.give_up(tx, asker, device)
    again = contents.copy_of(logged.content)
    again.original_id = original
    if request.message_id != original:
        again.earlier_ids.append(request.message_id)
    return sealing.queue(tx, me, asker, again, only_device=device)
