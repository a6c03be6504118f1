"""What the settings say to the keys service."""

from typing import Any

import httpx

from signet.keys.config import IdentityProvider, KeysConfig, RegistrationMode
from signet.ports.push_registrations import PushKind
from signet.settings import Settings, offered

PROVIDER_TIMEOUT = 10.0  # seconds for the key set of an identity provider


def keys_config(settings: Settings) -> KeysConfig:
    """The same for `signet run` and for a keys process."""
    return KeysConfig(
        server_name=settings.server_name,
        registration=RegistrationMode(settings.registration),
        proof_of_work_bits=settings.proof_of_work_bits,
        identity_provider=_identity_provider(settings),
        registrations_an_hour=settings.registrations_an_hour,
        logins_a_minute=settings.logins_a_minute,
        requests_a_minute=settings.requests_a_minute,
        address_requests_a_minute=settings.address_requests_a_minute,
        media_bytes=settings.media_bytes,
        media_an_hour=settings.media_an_hour,
        idle_device_days=settings.idle_device_days,
        push_kinds=tuple(PushKind(kind) for kind in offered(settings.push_kinds)),
        vapid_public_key=settings.vapid_public_key,
    )


def _identity_provider(settings: Settings) -> IdentityProvider | None:
    if not settings.identity_provider_jwks:
        return None

    async def fetch() -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=PROVIDER_TIMEOUT) as client:
                answer = await client.get(settings.identity_provider_jwks)
                answer.raise_for_status()
                return dict(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            raise OSError(type(error).__name__) from error

    return IdentityProvider(
        issuer=settings.identity_provider_issuer,
        audience=settings.identity_provider_audience,
        fetch_jwks=fetch,
        algorithm=settings.identity_provider_algorithm,
    )
