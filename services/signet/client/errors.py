"""One exception for each way in which a call of the SDK can fail.

A refusal of the server is a `SignetError` with its `code`; each code has a class of its own, so
that `except client.UserNameTaken` works. What never reached a server is a `ClientError`.
"""

from signet.core.errors import Code, SignetError


class ClientError(Exception):
    """The base of what the SDK itself refuses."""


class StoreInUse(ClientError):
    """Another process has this device store open (`STORE_IN_USE`)."""


class WrongPassphrase(ClientError):
    """The passphrase, or the key file, does not open this device store."""


class NoAccount(ClientError):
    """The device store holds no account: register first."""


class StoreHasAccount(ClientError):
    """The device store holds an account already: register or recover into another."""


class StoreFailed(ClientError):
    """The disk did not take a write; nothing of it was sent or acknowledged. The stream ends, and
    the client tries again with a back-off: `ConnectionState.WAITING`.
    """


class ServerUnreachable(ClientError):
    """No answer from the keys service; the same call may succeed later."""


class IdentityNotTrusted(ClientError):
    """The peer's identity key changed and nobody consented: `Client.consent` after comparing."""


class NotALink(ClientError):
    """A text that is no link of a new device, or one of another server."""


class LinkOver(ClientError):
    """The link of a new device was refused or used, or its five minutes are over: show another."""


class UnknownGroup(ClientError):
    """No such group on this device."""


class NotAGroupLink(ClientError):
    """A text that is no invitation to a group."""


class UnknownMessage(ClientError):
    """No such message in this device's history, or not one that this may be done to."""


class AttachmentDamaged(ClientError):
    """What the store has is not what was sent: its length, digest or key is another. Nothing was
    written; to ask again is of use only if the sender sends it again.
    """


class AttachmentGone(ClientError):
    """The store has it no more: blobs go 15 days after the messages that name them would."""


class SendRefused(ClientError):
    """A message will not be sent. `code` is the server's, None after RETRY_LIMIT (7 days)."""

    def __init__(self, code: Code | None) -> None:
        super().__init__(code.name if code else "not accepted within the retry limit")
        self.code = code


class UserNameTaken(SignetError): ...


class Unauthenticated(SignetError): ...


class TokenExpired(SignetError): ...


class DeviceRemoved(SignetError): ...


class AccountDeleted(SignetError): ...


class Forbidden(SignetError): ...


class NotFound(SignetError): ...


class RateLimited(SignetError): ...


class BadSignature(SignetError): ...


class KeyIdReused(SignetError): ...


class NonceRefused(SignetError): ...


class RegistrationRefused(SignetError): ...


class DeviceLimit(SignetError): ...


class Locked(SignetError): ...


class Malformed(SignetError): ...


class InvalidArgument(SignetError): ...


class ContentTooLarge(SignetError): ...


class PayloadTooLarge(SignetError): ...


class StoreUnavailable(SignetError): ...


class Overloaded(SignetError): ...


class Displaced(SignetError): ...


class UnsupportedVersion(SignetError): ...


class ResumeRefused(SignetError): ...


class InternalError(SignetError): ...


class UnsupportedFrame(SignetError): ...


class OutOfState(SignetError): ...


class FrameTooLarge(SignetError): ...


class TextFrame(SignetError): ...


class OriginRefused(SignetError): ...


class HelloTimeout(SignetError): ...


class HeartbeatTimeout(SignetError): ...


class SlowReader(SignetError): ...


class Draining(SignetError): ...


class NoSurvivor(SignetError): ...


class Bye(SignetError): ...


class StaleConnection(SignetError): ...


class AckBeyondSent(SignetError): ...


class OutOfOrder(SignetError): ...


class IdReused(SignetError): ...


class WrongDevices(SignetError): ...


class UnknownRecipient(SignetError): ...


class InboxFull(SignetError): ...


class StrangerLimit(SignetError): ...


class TooManyUnanswered(SignetError): ...


class NotOwner(SignetError): ...


class NotAMember(SignetError): ...


class WrongGroup(SignetError): ...


class GroupBusy(SignetError): ...


class GroupFull(SignetError): ...


class GroupChangedFirst(SignetError): ...


class LastAdministrator(SignetError): ...


class MediaTooLarge(SignetError): ...


class MediaTicketRefused(SignetError): ...


class MediaIncomplete(SignetError): ...


class MediaWrongLength(SignetError): ...


class PushNotOffered(SignetError): ...


class PushRefused(SignetError): ...


_BY_CODE: dict[Code, type[SignetError]] = {
    Code.USER_NAME_TAKEN: UserNameTaken,
    Code.UNAUTHENTICATED: Unauthenticated,
    Code.TOKEN_EXPIRED: TokenExpired,
    Code.DEVICE_REMOVED: DeviceRemoved,
    Code.ACCOUNT_DELETED: AccountDeleted,
    Code.FORBIDDEN: Forbidden,
    Code.NOT_FOUND: NotFound,
    Code.RATE_LIMITED: RateLimited,
    Code.BAD_SIGNATURE: BadSignature,
    Code.KEY_ID_REUSED: KeyIdReused,
    Code.NONCE_REFUSED: NonceRefused,
    Code.REGISTRATION_REFUSED: RegistrationRefused,
    Code.DEVICE_LIMIT: DeviceLimit,
    Code.LOCKED: Locked,
    Code.MALFORMED: Malformed,
    Code.INVALID_ARGUMENT: InvalidArgument,
    Code.CONTENT_TOO_LARGE: ContentTooLarge,
    Code.PAYLOAD_TOO_LARGE: PayloadTooLarge,
    Code.STORE_UNAVAILABLE: StoreUnavailable,
    Code.OVERLOADED: Overloaded,
    Code.DISPLACED: Displaced,
    Code.UNSUPPORTED_VERSION: UnsupportedVersion,
    Code.RESUME_REFUSED: ResumeRefused,
    Code.INTERNAL: InternalError,
    Code.UNSUPPORTED_FRAME: UnsupportedFrame,
    Code.OUT_OF_STATE: OutOfState,
    Code.FRAME_TOO_LARGE: FrameTooLarge,
    Code.TEXT_FRAME: TextFrame,
    Code.ORIGIN_REFUSED: OriginRefused,
    Code.HELLO_TIMEOUT: HelloTimeout,
    Code.HEARTBEAT_TIMEOUT: HeartbeatTimeout,
    Code.SLOW_READER: SlowReader,
    Code.DRAINING: Draining,
    Code.NO_SURVIVOR: NoSurvivor,
    Code.BYE: Bye,
    Code.STALE_CONNECTION: StaleConnection,
    Code.ACK_BEYOND_SENT: AckBeyondSent,
    Code.OUT_OF_ORDER: OutOfOrder,
    Code.ID_REUSED: IdReused,
    Code.WRONG_DEVICES: WrongDevices,
    Code.UNKNOWN_RECIPIENT: UnknownRecipient,
    Code.INBOX_FULL: InboxFull,
    Code.STRANGER_LIMIT: StrangerLimit,
    Code.TOO_MANY_UNANSWERED: TooManyUnanswered,
    Code.NOT_OWNER: NotOwner,
    Code.NOT_A_MEMBER: NotAMember,
    Code.WRONG_GROUP: WrongGroup,
    Code.GROUP_BUSY: GroupBusy,
    Code.GROUP_FULL: GroupFull,
    Code.GROUP_CHANGED: GroupChangedFirst,
    Code.LAST_ADMINISTRATOR: LastAdministrator,
    Code.MEDIA_TOO_LARGE: MediaTooLarge,
    Code.MEDIA_TICKET_REFUSED: MediaTicketRefused,
    Code.MEDIA_INCOMPLETE: MediaIncomplete,
    Code.MEDIA_WRONG_LENGTH: MediaWrongLength,
    Code.PUSH_NOT_OFFERED: PushNotOffered,
    Code.PUSH_REFUSED: PushRefused,
}


def refusal(code: Code, detail: str = "", retry_after_s: float = 0.0) -> SignetError:
    """The exception of a code."""
    return _BY_CODE[code](code, detail, retry_after_s)
