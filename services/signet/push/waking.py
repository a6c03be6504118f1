"""One try to wake somebody: whom to ask, with what, and what came of it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog

from signet.core.ids import DeviceId
from signet.core.push_hints import Hint, token_of
from signet.core.push_lanes import Lane
from signet.ports.inbox import StoreUnavailable
from signet.ports.push import (
    Gone,
    Outcome,
    PushProvider,
    PushProviders,
    RetryAfter,
    UserToken,
    WakeUp,
)
from signet.ports.push_registrations import Apns, Fcm, Registration, WebPush
from signet.push.finding import Finder

log = structlog.get_logger(__name__)


def lane_of(registration: Registration) -> Lane:
    """What fails together: Apple's services each, Google's, and each host of web push."""
    match registration:
        case WebPush(endpoint=endpoint):
            return Lane(f"{registration.kind}:{urlsplit(endpoint).hostname}")
        case Apns(environment=environment):
            return Lane(f"{registration.kind}:{environment}")
        case Fcm():
            return Lane(registration.kind)


def name_of(lane: Lane) -> str:
    """The provider of a lane, without a stranger's host: for logs and metrics."""
    return lane.partition(":")[0]


class Waker:
    """`unix_ms` turns a time of the loop into Unix time; `key` makes users' tokens."""

    def __init__(
        self,
        providers: PushProviders,
        finder: Finder | None,
        key: bytes,
        unix_ms: Callable[[float], int],
    ) -> None:
        self._providers, self._finder = providers, finder
        self._key, self._unix_ms = key, unix_ms

    async def wake(self, lane: Lane, to: DeviceId, hint: Hint) -> Outcome:
        """One try. Raises nothing but CancelledError."""
        if to.device == 0:
            token = UserToken(token_of(self._key, to.user))
            return await self._ask(self._providers.by_user[lane], token, hint)
        try:
            return await self._wake_device(to, hint)
        except StoreUnavailable:
            return RetryAfter(reason="directory")

    async def _wake_device(self, to: DeviceId, hint: Hint) -> Outcome:
        """Raises StoreUnavailable."""
        assert self._finder is not None
        registration = await self._finder.registration(to)
        if registration is None or registration.kind not in self._providers.by_kind:
            return Gone()
        outcome = await self._ask(self._providers.by_kind[registration.kind], registration, hint)
        if isinstance(outcome, Gone) and not await self._finder.forget(to, registration):
            newer = await self._finder.registration(to)
            if newer is not None:
                return RetryAfter(reason="a newer registration")
        return outcome

    async def _ask(self, provider: PushProvider[Any], to: object, hint: Hint) -> Outcome:
        try:
            return await provider.wake(WakeUp(to, hint.urgent, self._unix_ms(hint.at)))
        except Exception as error:  # a bug of the provider, which shall not stop the others
            log.error("a push provider failed", exc_info=error)
            return RetryAfter(reason=type(error).__name__)
