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


class UnknownMessage(ClientError):
    """No such message in this device's history, or not one that this may be done to."""


class SendRefused(ClientError):
    """A message will not be sent. `code` is the server's, None after RETRY_LIMIT (7 days)."""

    def __init__(self, code: Code | None) -> None:
        super().__init__(code.name if code else "not accepted within the retry limit")
        self.code = code


class UserNameTaken(SignetError): ...


class Unauthenticated(SignetError): ...


class TokenExpired(SignetError): ...


class DeviceRemoved(SignetError): ...


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


_BY_CODE: dict[Code, type[SignetError]] = {
    Code.USER_NAME_TAKEN: UserNameTaken,
    Code.UNAUTHENTICATED: Unauthenticated,
    Code.TOKEN_EXPIRED: TokenExpired,
    Code.DEVICE_REMOVED: DeviceRemoved,
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
}


def refusal(code: Code, detail: str = "", retry_after_s: float = 0.0) -> SignetError:
    """The exception of a code; the base class for one that ends no call of the SDK."""
    return _BY_CODE.get(code, SignetError)(code, detail, retry_after_s)
