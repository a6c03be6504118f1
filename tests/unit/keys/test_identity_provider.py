"""Registration and take-over by an identity provider: fixed issuer, audience, algorithm."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from signet.core.errors import Code, SignetError
from signet.core.limits import JWKS_RETRY, JWKS_TTL, TOKEN_LEEWAY
from signet.keys.config import IdentityProvider, KeysConfig, RegistrationMode
from signet.keys.identity_provider import IdentityTokens
from signet.keys.registration import Recovery
from tests.support.identities import NewPerson
from tests.support.keys_service import HERE, Clock, Service, application, generous, keys_service

ISSUER, AUDIENCE = "https://id.example", "signet.example"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


KEY, NEXT_KEY = new_key(), new_key()


def jwk(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return {**public, "kid": kid, "alg": "RS256", "use": "sig"}


@dataclass
class Provider:
    """An identity provider: its keys, and whether it answers."""

    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=lambda: {"k1": KEY})
    away: bool = False
    fetched: int = 0

    async def fetch_jwks(self) -> dict[str, Any]:
        self.fetched += 1
        if self.away:
            raise ConnectionRefusedError
        return {"keys": [jwk(kid, key) for kid, key in self.keys.items()]}

    def config(self) -> IdentityProvider:
        return IdentityProvider(ISSUER, AUDIENCE, self.fetch_jwks)

    def token(self, clock: Clock, kid: str = "k1", **claims: Any) -> str:
        now = int(clock.now)
        whole = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ann",
            "jti": "token 1",
            "iat": now,
            "exp": now + 300,
            **claims,
        }
        kept = {name: value for name, value in whole.items() if value is not None}
        key = self.keys.get(kid, NEXT_KEY)
        return jwt.encode(kept, key, algorithm="RS256", headers={"kid": kid})


def by_provider(provider: Provider, mode: str = "identity_provider") -> KeysConfig:
    return generous(registration=RegistrationMode(mode), identity_provider=provider.config())


async def refused(service: Service, token: str) -> Code:
    person = NewPerson()
    with pytest.raises(SignetError) as found:
        await service.register(person, identity_token=token)
    return found.value.code


async def test_a_token_lets_its_person_in_once(tmp_path: Path) -> None:
    provider = Provider()
    async with keys_service(tmp_path, by_provider(provider)) as service:
        token = provider.token(service.clock)
        await service.register(NewPerson(), identity_token=token)
        assert await refused(service, token) is Code.REGISTRATION_REFUSED
        another = provider.token(service.clock, jti="token 2")
        assert await refused(service, another) is Code.REGISTRATION_REFUSED  # one account each
        other = provider.token(service.clock, sub="bob", jti="token 2")
        await service.register(NewPerson(), identity_token=other)
        assert await refused(service, "") is Code.REGISTRATION_REFUSED


async def test_a_person_takes_their_account_over_with_a_token(tmp_path: Path) -> None:
    provider = Provider()
    async with keys_service(tmp_path, by_provider(provider)) as service:
        ann = await service.register(NewPerson(), identity_token=provider.token(service.clock))
        bobs = provider.token(service.clock, sub="bob", jti="token 2")
        bob = await service.register(NewPerson(), identity_token=bobs)

        async def recover(user: Any, **claims: Any) -> None:
            token = provider.token(service.clock, **claims)
            wanted = Recovery(user, application(NewPerson(), identity_token=token))
            await service.keys.registrations.recover(wanted, HERE)

        with pytest.raises(SignetError, match="NOT_FOUND"):
            await recover(bob.user, jti="token 3")
        await recover(ann.user, jti="token 3")
        with pytest.raises(SignetError, match="REGISTRATION_REFUSED"):
            await recover(ann.user, jti="token 3")
        assert service.told.replacements == [(ann.user, (1,))]


async def test_a_take_over_whose_answer_was_lost_is_asked_for_with_the_same_token(
    tmp_path: Path,
) -> None:
    """K6: the token is spent, but by whoever asks again with the keys that it let in."""
    provider = Provider()
    async with keys_service(tmp_path, by_provider(provider)) as service:
        first = provider.token(service.clock)
        ann = await service.register(NewPerson(), identity_token=first)
        token = provider.token(service.clock, jti="token 2")
        same = Recovery(ann.user, application(NewPerson(), identity_token=token))
        lost = await service.keys.registrations.recover(same, HERE)
        after = await service.keys.registrations.recover(same, HERE)
        assert after.device == lost.device
        await service.caller(after)
        with pytest.raises(SignetError, match="REGISTRATION_REFUSED"):
            await service.keys.registrations.recover(same, HERE)


async def test_a_token_that_is_good_for_ever_is_remembered_for_as_long(tmp_path: Path) -> None:
    provider = Provider()
    async with keys_service(tmp_path, by_provider(provider)) as service:
        token = provider.token(service.clock, exp=10**18)
        await service.register(NewPerson(), identity_token=token)
        service.clock.now += 10**9
        assert await refused(service, token) is Code.REGISTRATION_REFUSED


async def test_an_account_without_a_person_is_nobodys_to_take_over(tmp_path: Path) -> None:
    provider = Provider()
    async with keys_service(tmp_path, by_provider(provider, "open")) as service:
        done = await service.register(NewPerson())
        token = provider.token(service.clock)
        wanted = Recovery(done.user, application(NewPerson(), identity_token=token))
        with pytest.raises(SignetError, match="NOT_FOUND"):
            await service.keys.registrations.recover(wanted, HERE)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "other"},
        {"sub": None},
        {"sub": ""},
        {"jti": None},
        {"exp": None},
        {"iat": None},
        {"exp": "soon"},
        {"exp": 1e400},
        {"iat": 4e9},
        {"nbf": 4e9},
        {"kid": "unknown"},
    ],
    ids=str,
)
async def test_every_claim_is_checked(claims: dict[str, Any]) -> None:
    provider, clock = Provider(), Clock()
    with pytest.raises(SignetError, match="REGISTRATION_REFUSED"):
        await IdentityTokens(provider.config(), clock).verify(provider.token(clock, **claims))


async def test_other_algorithms_are_refused() -> None:
    provider, clock = Provider(), Clock()
    tokens = IdentityTokens(provider.config(), clock)
    claims = jwt.decode(provider.token(clock), options={"verify_signature": False})
    for wrong in (
        jwt.encode(claims, "", algorithm="none", headers={"kid": "k1"}),
        jwt.encode(claims, "secret" * 10, algorithm="HS256", headers={"kid": "k1"}),
        jwt.encode(claims, KEY, algorithm="PS256", headers={"kid": "k1"}),
        "not a token",
        "x" * 10_000,
    ):
        with pytest.raises(SignetError, match="REGISTRATION_REFUSED"):
            await tokens.verify(wrong)


@pytest.mark.parametrize("algorithm", ["none", "HS256", ""])
def test_a_shared_secret_is_no_algorithm_of_a_provider(algorithm: str) -> None:
    provider = IdentityProvider(ISSUER, AUDIENCE, Provider().fetch_jwks, algorithm)
    with pytest.raises(ValueError, match="identity provider"):
        KeysConfig("localhost", identity_provider=provider)


def test_the_mode_needs_its_provider() -> None:
    with pytest.raises(ValueError, match="identity provider"):
        KeysConfig("localhost", registration=RegistrationMode.IDENTITY_PROVIDER)


async def test_clocks_may_differ_by_a_minute() -> None:
    provider, clock = Provider(), Clock()
    tokens = IdentityTokens(provider.config(), clock)
    token = provider.token(clock)
    clock.now += 300 + TOKEN_LEEWAY - 1
    await tokens.verify(token)
    clock.now += 1
    with pytest.raises(SignetError, match="is over"):
        await tokens.verify(token)
    early = provider.token(Clock(clock.now + TOKEN_LEEWAY))
    await tokens.verify(early)
    with pytest.raises(SignetError, match="future"):
        await tokens.verify(provider.token(Clock(clock.now + TOKEN_LEEWAY + 1)))


async def test_keys_are_fetched_again_for_an_unknown_one_but_not_often() -> None:
    provider, clock = Provider(), Clock()
    tokens = IdentityTokens(provider.config(), clock)
    await tokens.verify(provider.token(clock))
    provider.keys["k2"] = NEXT_KEY
    with pytest.raises(SignetError, match="nobody known"):
        await tokens.verify(provider.token(clock, "k2"))
    clock.now += JWKS_RETRY
    await tokens.verify(provider.token(clock, "k2"))
    assert provider.fetched == 2


async def test_a_key_that_was_taken_back_is_believed_for_a_while_only() -> None:
    provider, clock = Provider({"k1": KEY, "k2": NEXT_KEY}), Clock()
    tokens = IdentityTokens(provider.config(), clock)
    await tokens.verify(provider.token(clock))
    token = provider.token(clock, exp=int(clock.now) + 3600)
    del provider.keys["k1"]
    clock.now += JWKS_TTL - 1
    await tokens.verify(token)
    clock.now += 1
    with pytest.raises(SignetError, match="nobody known"):
        await tokens.verify(token)


async def test_a_provider_that_is_away_is_said_so_and_known_keys_go_on() -> None:
    provider, clock = Provider(away=True), Clock()
    tokens = IdentityTokens(provider.config(), clock)
    with pytest.raises(SignetError, match="STORE_UNAVAILABLE"):
        await tokens.verify(provider.token(clock))
    provider.away = False
    clock.now += JWKS_RETRY
    await tokens.verify(provider.token(clock))
    provider.away = True
    clock.now += JWKS_TTL
    await tokens.verify(provider.token(clock))
