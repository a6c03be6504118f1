"""What the directory raises, as the codes of the protocol."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from signet.core.errors import Code, SignetError
from signet.core.limits import STORE_RETRY_AFTER
from signet.ports import directory as port
from signet.ports.groups import TooManyGroups
from signet.ports.inbox import StoreUnavailable
from signet.ports.linking import LinkTaken, NoSuchLink
from signet.ports.pre_keys import KeyIdReused

P = ParamSpec("P")
T = TypeVar("T")

_CODES: dict[type[Exception], tuple[Code, str]] = {
    port.NameTaken: (Code.USER_NAME_TAKEN, ""),
    KeyIdReused: (Code.KEY_ID_REUSED, ""),
    port.TooManyDevices: (Code.DEVICE_LIMIT, ""),
    NoSuchLink: (Code.NOT_FOUND, "no such link, or its time is over"),
    LinkTaken: (Code.FORBIDDEN, "the link is another's, or not so far yet"),
    TooManyGroups: (Code.FORBIDDEN, "somebody is in so many groups that they join no other"),
    port.TooManyBlocked: (Code.FORBIDDEN, "so many people cannot be blocked"),
    port.AdmissionSpent: (Code.REGISTRATION_REFUSED, "unknown, used or over"),
    port.PersonKnown: (Code.REGISTRATION_REFUSED, "this person has an account; recover it"),
}


def refuses(
    missing: Code = Code.NOT_FOUND,
) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Let a method of a service raise SignetError only; `missing` is what NoSuchAccount means."""

    def decorate(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(method)
        async def refusing(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return await method(*args, **kwargs)
            except StoreUnavailable as error:
                wait = STORE_RETRY_AFTER
                raise SignetError(Code.STORE_UNAVAILABLE, retry_after_s=wait) from error
            except port.NoSuchAccount as error:
                raise SignetError(missing) from error
            except tuple(_CODES) as error:
                raise SignetError(*_CODES[type(error)]) from error

        return refusing

    return decorate
