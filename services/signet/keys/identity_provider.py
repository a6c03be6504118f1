"""Tokens of an identity provider: one issuer, one audience, one algorithm, each token once."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt

from signet.core.errors import Code, SignetError
from signet.core.limits import JWKS_RETRY, JWKS_TTL, MAX_PROOF, STORE_RETRY_AFTER, TOKEN_LEEWAY
from signet.keys.config import Clock, IdentityProvider

_FOR_EVER_MS = 2**62  # what a store can hold: a token may say that it is good for longer


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a token names, and what makes it good for one use."""

    person: bytes  # SHA-256 of issuer and subject
    token_id: bytes  # SHA-256 of issuer and jti
    until_ms: int  # when the token is over, leeway included


class IdentityTokens:
    """Verifies; keys are fetched when they are older than JWKS_TTL, or one is unknown."""

    def __init__(self, provider: IdentityProvider, clock: Clock) -> None:
        self._provider, self._clock = provider, clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")

    async def verify(self, token: str) -> Person:
        """Whose token it is.

        Raises:
            SignetError: REGISTRATION_REFUSED; STORE_UNAVAILABLE where the provider does not answer.
        """
        key = await self._key(_kid(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[self._provider.algorithm],
                audience=self._provider.audience,
                issuer=self._provider.issuer,
                options={
                    "require": ["exp", "iat", "sub", "jti"],
                    "verify_exp": False,  # with our clock, below
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            return self._person(claims)
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
            raise _refused("not a token of the identity provider") from error

    def _person(self, claims: dict[str, Any]) -> Person:
        now = self._clock()
        expires, issued = float(claims["exp"]), float(claims["iat"])
        if now >= expires + TOKEN_LEEWAY:
            raise _refused("the identity token is over")
        if max(issued, float(claims.get("nbf", issued))) > now + TOKEN_LEEWAY:
            raise _refused("the identity token is of the future")
        until_ms = min(int((expires + TOKEN_LEEWAY) * 1000), _FOR_EVER_MS)
        return Person(self._digest(claims["sub"]), self._digest(claims["jti"]), until_ms)

    def _digest(self, value: object) -> bytes:
        if not isinstance(value, str) or not value:
            raise ValueError("a claim that is not text")
        return sha256(f"{self._provider.issuer}\n{value}".encode()).digest()

    async def _key(self, kid: str) -> jwt.PyJWK:
        age = self._clock() - self._fetched_at
        if age >= JWKS_TTL or (kid not in self._keys and age >= JWKS_RETRY):
            await self._fetch()
        try:
            return self._keys[kid]
        except KeyError:
            raise _refused("signed by nobody known") from None

    async def _fetch(self) -> None:
        """Keys that were fetched before stay where the provider does not answer."""
        try:
            document = await self._provider.fetch_jwks()
            found = jwt.PyJWKSet.from_dict(document)
        except (OSError, jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            if not self._keys:
                wait = STORE_RETRY_AFTER
                code = Code.STORE_UNAVAILABLE
                raise SignetError(code, "the identity provider is away", wait) from error
            return
        finally:
            self._fetched_at = self._clock()
        self._keys = {key.key_id: key for key in found.keys if key.key_id}


def _kid(token: str) -> str:
    if len(token) > MAX_PROOF:
        raise _refused("not a token")
    try:
        return str(jwt.get_unverified_header(token).get("kid"))
    except jwt.InvalidTokenError as error:
        raise _refused("not a token") from error


def _refused(detail: str) -> SignetError:
    return SignetError(Code.REGISTRATION_REFUSED, detail)
