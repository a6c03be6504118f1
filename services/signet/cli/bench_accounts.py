"""Accounts for the bench, registered through keys as anybody's, but without one-time keys.

All share one identity and its pre-keys: nothing is encrypted for them. Login keys differ.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.cli.bench_person import Account
from signet.client.account import Registration, find_server, register
from signet.client.environment import Environment
from signet.client.prekeys import Upload
from signet.client.rest import Rest
from signet.e2e import IdentityKeyPair, KemPreKey, SignedPreKey

AT_ONCE = 8


async def accounts(server: str, count: int) -> Sequence[Account]:
    """Register so many. Raises SignetError, ServerUnreachable."""
    async with Rest(server) as rest:
        found = await find_server(rest)
        identity = IdentityKeyPair.generate(secrets.token_bytes)
        upload = _keys(identity)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def one(registration_id: int) -> Account:
            async with at_once:
                made = await register(
                    rest,
                    found,
                    identity,
                    Ed25519PrivateKey.generate(),
                    registration_id=registration_id,
                    keys=upload,
                    wanted=Registration(findable=False),
                    environment=Environment(),
                )
            return Account(made.user, made.device, registration_id, made.token)

        return await asyncio.gather(*(one(number) for number in range(1, count + 1)))


def _keys(identity: IdentityKeyPair) -> Upload:
    """What a registration must have: a signed pre-key and a last-resort Kyber key."""
    now, draw = time.time(), secrets.token_bytes
    signed = SignedPreKey.generate(1, identity, now=now, randomness=draw)
    kyber = KemPreKey.generate(2, identity, now=now, randomness=draw, last_resort=True)
    return Upload(signed.published(), kyber.published())
