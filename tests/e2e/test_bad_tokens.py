"""Tokens and resume tokens that are not ours, not yet, not any more: one named code each."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signet.core.errors import Code
from signet.v1 import messaging_pb2 as pb
from tests.support.gateways import ALICE, BOB, KID, Keys, World
from tests.support.opening import Open
from tests.support.streams import ends_with, greet, hello, send

# --- tokens -------------------------------------------------------------------------------------


def unsigned(keys: Keys) -> str:
    """`alg: none`, as the first attack on JWT had it."""
    parts = [{"alg": "none", "kid": KID}, keys.claims(ALICE)]
    texts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
    return b".".join([*texts, b""]).decode()


def hmac_with_public_key(keys: Keys) -> str:
    """HS256, its secret the published key: what a verifier falls for that believes the header."""
    public = keys.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return jwt.encode(keys.claims(ALICE), public, algorithm="HS256", headers={"kid": KID})


def forged(keys: Keys) -> str:
    return Keys(Ed25519PrivateKey.generate()).token(ALICE)


def cut(keys: Keys) -> str:
    return keys.token(ALICE)[:-2]


def without(claim: str) -> Callable[[Keys], str]:
    def make(keys: Keys) -> str:
        claims = keys.claims(ALICE)
        del claims[claim]
        return jwt.encode(claims, keys.private, algorithm="EdDSA", headers={"kid": KID})

    return make


def with_claims(**changed: Any) -> Callable[[Keys], str]:
    return lambda keys: keys.token(ALICE, **changed)


BAD_TOKENS: dict[str, Callable[[Keys], str]] = {
    "forged": forged,
    "unsigned": unsigned,
    "hmac": hmac_with_public_key,
    "cut": cut,
    "nonsense": lambda _: "a.b.c",
    "not ascii": lambda _: "tökén",
    "long": lambda keys: keys.token(ALICE, more="x" * 4096),
    "unknown key": lambda keys: keys.token(ALICE, kid="key-2"),
    "foreign issuer": with_claims(iss="elsewhere.test"),
    "foreign audience": with_claims(aud="other"),
    "of the future": with_claims(iat=2**40),
    "not yet valid": with_claims(nbf=2**40),
    "subject is no user": with_claims(sub="alice"),
    "device 0": with_claims(dev=0),
    "device 128": with_claims(dev=128),
    "device is text": with_claims(dev="1"),
    "registration 0": with_claims(reg=0),
    "registration 16384": with_claims(reg=16384),
    "negative generation": with_claims(gen=-1),
    "exp is text": with_claims(exp="2999-01-01"),
    "exp is infinite": with_claims(exp=float("inf")),
    **{f"without {claim}": without(claim) for claim in ("exp", "iat", "sub", "dev", "reg", "gen")},
    "without iss": without("iss"),
    "without aud": without("aud"),
    "none": lambda _: "",
}


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_a_token_that_is_not_ours_is_unauthenticated(
    here: World, open_stream: Open, make: Callable[[Keys], str]
) -> None:
    async with open_stream(here) as stream:
        await stream.send(hello(make(here.keys)))
        await ends_with(stream, Code.UNAUTHENTICATED)


async def test_an_expired_token_says_so(here: World, open_stream: Open) -> None:
    async with open_stream(here) as stream:
        await stream.send(hello(here.keys.token(ALICE, exp=1_700_000_000)))
        await ends_with(stream, Code.TOKEN_EXPIRED)


@pytest.mark.parametrize("changed", [{"gen": 0}, {"reg": 12}, {"dev": 2}], ids=str)
async def test_a_device_that_is_not_of_the_account_any_more(
    here: World, open_stream: Open, changed: dict[str, Any]
) -> None:
    async with open_stream(here) as stream:
        await stream.send(hello(here.keys.token(ALICE, **changed)))
        await ends_with(stream, Code.DEVICE_REMOVED)


# --- resume tokens ------------------------------------------------------------------------------


async def resume_token(here: World, open_stream: Open) -> bytes:
    async with open_stream(here) as stream:
        await stream.send(hello(here.keys.token(ALICE)))
        token = (await stream.until("welcome")).welcome.resume_token
        await stream.send(pb.ClientFrame(bye=pb.Bye()))
        await stream.end()
    return token


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + bytes((token[-1] ^ 1,)),
        lambda token: bytes((token[0] ^ 1,)) + token[1:],
        lambda token: token[:-1],
        lambda token: token * 100,
        lambda token: b"\x00",
    ],
    ids=["forged", "changed", "cut", "long", "short"],
)
async def test_a_resume_token_that_is_not_ours_is_refused(
    here: World, open_stream: Open, spoil: Callable[[bytes], bytes]
) -> None:
    token = spoil(await resume_token(here, open_stream))
    async with open_stream(here) as stream:
        await stream.send(hello("", 2, resume_token=token))
        await ends_with(stream, Code.RESUME_REFUSED)


async def test_a_resume_token_is_good_once(here: World, open_stream: Open) -> None:
    token = await resume_token(here, open_stream)
    async with open_stream(here) as stream, open_stream(here) as bob:
        await stream.send(hello("", 2, resume_token=token))
        await stream.until("caught_up")
        await greet(here, bob, BOB)
        await bob.send(send(ALICE, 1))
        item = (await stream.until("item")).item
        await stream.send(pb.ClientFrame(ack=pb.Ack(up_to=item.position)))
        await bob.until("item")  # the receipt: the first Ack was taken
        async with open_stream(here) as thief:
            await thief.send(hello("", 3, resume_token=token))
            await ends_with(thief, Code.RESUME_REFUSED)


async def test_a_token_beside_a_refused_resume_token_lets_in(
    here: World, open_stream: Open
) -> None:
    async with open_stream(here) as stream:
        await stream.send(hello(here.keys.token(ALICE), resume_token=b"not ours"))
        assert not (await stream.until("welcome")).welcome.resumed
