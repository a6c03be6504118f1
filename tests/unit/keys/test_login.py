"""Nonces, signatures, tokens, and whose they are (K2, K5)."""

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.adapters.directory_sql import SqlDirectory, open_directory
from signet.core.errors import Code, SignetError
from signet.core.ids import DeviceAddress, DeviceId, UserId, show
from signet.core.limits import MEDIA_TICKET_TTL, NONCE_TTL, SIGNING_KEY_TTL, TOKEN_TTL
from signet.keys.login import Proof
from signet.keys.registration import Registered
from signet.keys.tokens import Tokens
from signet.ports.directory import SigningKey
from tests.support.identities import NewPerson
from tests.support.keys_service import HERE, Clock, Service, generous, keys_service, service

__all__ = ["service"]


async def proof(service: Service, person: NewPerson, device: DeviceId) -> Proof:
    """A fresh nonce for a device, signed by this person."""
    nonce = await service.keys.logins.nonce(device, HERE)
    return Proof(device, nonce, person.login_signature(device.user, device.device, nonce))


async def login_refused(service: Service, wrong: Proof) -> SignetError:
    with pytest.raises(SignetError) as found:
        await service.keys.logins.login(wrong, HERE)
    return found.value


async def token_refused(service: Service, token: str) -> Code:
    with pytest.raises(SignetError) as found:
        await service.keys.logins.authenticate(token)
    return found.value.code


def device_of(done: Registered) -> DeviceId:
    return DeviceId(done.user, done.device)


async def test_a_signed_nonce_gives_a_token_for_an_hour(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    token = await service.keys.logins.login(await proof(service, person, device_of(done)), HERE)
    assert token.expires_at == service.clock.now + TOKEN_TTL
    caller = await service.keys.logins.authenticate(token.token)
    assert caller.address == DeviceAddress(device_of(done), 4711, 1)


async def test_a_token_says_what_gateways_read(service: Service) -> None:
    done = await service.register(NewPerson())
    claims = jwt.decode(done.token.token, options={"verify_signature": False})
    now = int(service.clock.now)
    assert claims == {
        "iss": "localhost",
        "aud": "signet",
        "sub": show(done.user),
        "dev": 1,
        "reg": 4711,
        "gen": 1,
        "iat": now,
        "exp": now + TOKEN_TTL,
    }
    header = jwt.get_unverified_header(done.token.token)
    assert header["alg"] == "EdDSA"
    assert [key["kid"] for key in (await service.keys.jwks())["keys"]] == [header["kid"]]


async def test_a_nonce_is_good_once(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    signed = await proof(service, person, device_of(done))
    await service.keys.logins.login(signed, HERE)
    assert (await login_refused(service, signed)).code is Code.NONCE_REFUSED


async def test_a_wrong_signature_spends_the_nonce(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    signed = await proof(service, person, device_of(done))
    wrong = Proof(signed.device, signed.nonce, bytes(64))
    assert (await login_refused(service, wrong)).code is Code.UNAUTHENTICATED
    assert (await login_refused(service, signed)).code is Code.NONCE_REFUSED


async def test_a_nonce_is_over_after_a_minute(service: Service) -> None:
    person = NewPerson()
    done = await service.register(person)
    signed = await proof(service, person, device_of(done))
    service.clock.now += NONCE_TTL
    assert (await login_refused(service, signed)).code is Code.NONCE_REFUSED


async def test_a_nonce_is_for_one_device(service: Service) -> None:
    ann, bob = NewPerson(), NewPerson()
    for_ann = device_of(await service.register(ann))
    for_bob = device_of(await service.register(bob))
    nonce = await service.keys.logins.nonce(for_ann, HERE)
    signature = bob.login_signature(for_bob.user, for_bob.device, nonce)
    error = await login_refused(service, Proof(for_bob, nonce, signature))
    assert error.code is Code.NONCE_REFUSED


async def test_an_unknown_user_an_unknown_device_and_a_wrong_key_have_one_answer(
    service: Service,
) -> None:
    """K5."""
    known, stranger = device_of(await service.register(NewPerson())), NewPerson()
    answers = [
        await login_refused(service, await proof(service, stranger, device))
        for device in (known, DeviceId(known.user, 2), DeviceId(UserId(bytes(16)), 1))
    ]
    assert len({(error.code, error.detail) for error in answers}) == 1
    assert answers[0].code is Code.UNAUTHENTICATED


@pytest.mark.parametrize(
    "device",
    [
        DeviceId(UserId(bytes(15)), 1),
        DeviceId(UserId(bytes(16)), 0),
        DeviceId(UserId(bytes(16)), 128),
    ],
)
async def test_ids_have_their_ranges(service: Service, device: DeviceId) -> None:
    with pytest.raises(SignetError, match="INVALID_ARGUMENT"):
        await service.keys.logins.nonce(device, HERE)
    wrong = Proof(device, bytes(32), bytes(64))
    assert (await login_refused(service, wrong)).code is Code.INVALID_ARGUMENT


async def test_an_address_logs_in_so_often_a_minute(tmp_path: Path) -> None:
    async with keys_service(tmp_path, generous(logins_a_minute=2)) as service:
        device = DeviceId(UserId(bytes(16)), 1)
        for _ in range(2):
            await service.keys.logins.nonce(device, HERE)
        with pytest.raises(SignetError, match="RATE_LIMITED"):
            await service.keys.logins.nonce(device, HERE)
        await service.keys.logins.nonce(device, "127.0.0.2")


# --- tokens ---------------------------------------------------------------------------------------


async def test_a_token_is_over_after_its_hour(service: Service) -> None:
    done = await service.register(NewPerson())
    service.clock.now += TOKEN_TTL - 1
    await service.caller(done)
    service.clock.now += 1
    assert await token_refused(service, done.token.token) is Code.TOKEN_EXPIRED


async def test_a_token_of_a_removed_device_is_refused(service: Service) -> None:
    done = await service.register(NewPerson())
    await service.keys.accounts.remove_device(await service.caller(done), done.device)
    assert await token_refused(service, done.token.token) is Code.DEVICE_REMOVED


async def test_a_token_of_a_deleted_account_is_refused(service: Service) -> None:
    done = await service.register(NewPerson())
    await service.keys.accounts.delete(done.user)
    assert await token_refused(service, done.token.token) is Code.ACCOUNT_DELETED
    assert service.told.replacements == [(done.user, (1,))]


def altered(token: str, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """The token with other claims and header, and its old signature."""
    parts = token.split(".")
    for at, change in ((0, header), (1, claims)):
        raw = json.loads(base64.urlsafe_b64decode(parts[at] + "=="))
        text = json.dumps({**raw, **change}).encode()
        parts[at] = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    return ".".join(parts)


async def forged(service: Service, done: Registered, **claims: Any) -> str:
    """A token that the service's own key signed, with other claims."""
    key = (await service.directory.signing_keys(int(service.clock.now * 1000)))[0]
    whole = jwt.decode(done.token.token, options={"verify_signature": False})
    private = Ed25519PrivateKey.from_private_bytes(key.private)
    kept = {name: value for name, value in {**whole, **claims}.items() if value is not None}
    return jwt.encode(kept, private, algorithm="EdDSA", headers={"kid": key.kid})


async def test_forged_and_foreign_tokens_are_refused(service: Service) -> None:
    done = await service.register(NewPerson())
    token = done.token.token
    kid = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, options={"verify_signature": False})
    another = Ed25519PrivateKey.generate()
    public = (await service.keys.jwks())["keys"][0]["x"]
    for wrong in (
        "",
        "x",
        "a.b.c",
        "x" * 10_000,
        token[:-4] + "AAAA",
        altered(token, {}, {"dev": 2}),
        altered(token, {"alg": "none"}, {}),
        altered(token, {"alg": "HS256"}, {}),
        altered(token, {"kid": "other"}, {}),
        altered(token, {"kid": None}, {}),
        token.rpartition(".")[0] + ".",
        jwt.encode(claims, "", algorithm="none", headers={"kid": kid}),
        jwt.encode(claims, public * 2, algorithm="HS256", headers={"kid": kid}),
        jwt.encode(claims, another, algorithm="EdDSA", headers={"kid": kid}),
        jwt.encode(claims, another, algorithm="EdDSA"),
    ):
        assert await token_refused(service, wrong) is Code.UNAUTHENTICATED, wrong


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "elsewhere"},
        {"aud": "other"},
        {"aud": None},
        {"sub": "no uuid"},
        {"dev": 0},
        {"dev": 128},
        {"dev": None},
        {"gen": None},
        {"exp": None},
        {"exp": "soon"},
    ],
    ids=str,
)
async def test_claims_are_checked_though_the_signature_is_ours(
    service: Service, claims: dict[str, Any]
) -> None:
    token = await forged(service, await service.register(NewPerson()), **claims)
    assert await token_refused(service, token) is Code.UNAUTHENTICATED


async def test_a_token_of_an_older_generation_is_refused(service: Service) -> None:
    token = await forged(service, await service.register(NewPerson()), gen=0)
    assert await token_refused(service, token) is Code.DEVICE_REMOVED


# --- signing keys ---------------------------------------------------------------------------------


ADDRESS = DeviceAddress(DeviceId(UserId(bytes(16)), 1), 4711, 1)


async def kids(tokens: Tokens) -> list[str]:
    return [key["kid"] for key in (await tokens.jwks())["keys"]]


async def test_signing_keys_rotate_and_old_ones_stay_for_a_tokens_life(tmp_path: Path) -> None:
    directory = await open_directory(f"sqlite:///{tmp_path / 'directory.db'}")
    clock = Clock()
    tokens = Tokens(directory, "localhost", clock, os.urandom)
    (first,) = await kids(tokens)
    clock.now += SIGNING_KEY_TTL - 1
    last = await tokens.issue(ADDRESS)
    clock.now += 1
    second, before = await kids(tokens)
    assert before == first
    assert second != first
    clock.now += TOKEN_TTL - 2
    assert await tokens.verify(last.token) == ADDRESS
    clock.now += MEDIA_TICKET_TTL - TOKEN_TTL + 2  # tickets are signed by it, too
    assert await kids(tokens) == [second]
    assert tokens.get(first) is None
    await directory.close()


async def test_processes_agree_on_signing_keys(tmp_path: Path) -> None:
    url, clock = f"sqlite:///{tmp_path / 'directory.db'}", Clock()
    async with keys_service(tmp_path) as one:
        other_directory = await open_directory(url)
        other = Tokens(other_directory, "localhost", clock, os.urandom)
        issued = await one.keys.tokens.issue(ADDRESS)
        assert await other.verify(issued.token) == ADDRESS
        assert await kids(other) == await kids(one.keys.tokens)
        await other_directory.close()


class Counted(SqlDirectory):
    """Counts how often signing keys are read."""

    reads = 0

    async def signing_keys(self, now_ms: int) -> Sequence[SigningKey]:
        self.reads += 1
        return await super().signing_keys(now_ms)


async def test_unknown_keys_are_looked_for_once_a_second(service: Service) -> None:
    counted, clock = Counted(service.directory._engine), Clock()
    tokens = Tokens(counted, "localhost", clock, os.urandom)
    issued = await tokens.issue(ADDRESS)
    clock.now += 1
    before = counted.reads
    for number in range(5):
        with pytest.raises(SignetError, match="UNAUTHENTICATED"):
            await tokens.verify(altered(issued.token, {"kid": f"no {number}"}, {}))
    assert counted.reads == before + 1


async def test_a_gateway_in_the_same_process_has_the_keys_once_it_is_ready(
    service: Service,
) -> None:
    await service.keys.ready()
    (kid,) = await kids(service.keys.tokens)
    assert service.keys.tokens.get(kid) is not None
    assert service.keys.tokens.get("no such") is None
