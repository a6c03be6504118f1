"""What a keys service is told: its name, who may register, limits that an operator may change."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from signet.core import limits
from signet.ports.push_registrations import PushKind

Clock = Callable[[], float]
"""Unix time in seconds."""
Randomness = Callable[[int], bytes]
"""So many bytes that nobody can guess."""
FetchJwks = Callable[[], Awaitable[dict[str, Any]]]
"""The key set of an identity provider. Raises OSError where it cannot be had."""


class RegistrationMode(StrEnum):
    """What a registration needs beside its keys."""

    OPEN = "open"
    INVITATION = "invitation"
    IDENTITY_PROVIDER = "identity_provider"


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Whose tokens let people in. One issuer, one audience, one algorithm (never the token's)."""

    issuer: str
    audience: str
    fetch_jwks: FetchJwks
    algorithm: str = "RS256"


@dataclass(frozen=True, slots=True)
class KeysConfig:
    """`server_name` is what logins and registrations are signed for.

    `identity_provider` may be there in any mode: then it also takes over accounts that were
    registered with it.
    """

    server_name: str
    registration: RegistrationMode = RegistrationMode.OPEN
    proof_of_work_bits: int = 0
    identity_provider: IdentityProvider | None = None
    registrations_an_hour: int = limits.REGISTRATIONS_AN_HOUR
    recoveries_an_hour: int = limits.RECOVERIES_AN_HOUR
    logins_a_minute: int = limits.LOGINS_A_MINUTE
    lookups_an_hour: int = limits.LOOKUPS_AN_HOUR
    requests_a_minute: int = limits.REQUESTS_A_MINUTE
    address_requests_a_minute: int = limits.ADDRESS_REQUESTS_A_MINUTE
    full_bundles_an_hour: int = limits.FULL_BUNDLES_AN_HOUR
    links_an_hour: int = limits.LINKS_AN_HOUR
    link_calls_a_minute: int = limits.LINK_CALLS_A_MINUTE
    group_changes_an_hour: int = limits.GROUP_CHANGES_AN_HOUR
    idle_device_days: int = limits.IDLE_DEVICE_DAYS

    push_kinds: tuple[PushKind, ...] = ()
    vapid_public_key: str = ""
    push_an_hour: int = limits.PUSH_REGISTRATIONS_AN_HOUR
    media_bytes: int = limits.MAX_BLOB
    media_an_hour: int = limits.MEDIA_AN_HOUR
    media_parts_a_day: int = limits.MEDIA_PARTS_A_DAY
    media_reads_an_hour: int = limits.MEDIA_READS_AN_HOUR

    def __post_init__(self) -> None:
        wants_provider = self.registration is RegistrationMode.IDENTITY_PROVIDER
        if wants_provider and self.identity_provider is None:
            raise ValueError("registration by an identity provider needs one")
        if self.identity_provider and not _asymmetric(self.identity_provider.algorithm):
            raise ValueError("an identity provider signs with RS, PS, ES or EdDSA")


def _asymmetric(algorithm: str) -> bool:
    return algorithm == "EdDSA" or algorithm[:2] in {"RS", "PS", "ES"}
