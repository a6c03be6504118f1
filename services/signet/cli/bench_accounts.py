"""Accounts for the bench, registered through keys as anybody's, but without one-time keys.

All share one identity and its pre-keys: nothing is encrypted for them. Login keys differ.
"""

import asyncio
import secrets
import time
from collections.abc import Sequence

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signet.cli.bench_person import Account
from signet.e2e import IdentityKeyPair, KemPreKey, SignedPreKey
from signet.v1 import keys_pb2 as pb
from signet.v1.keys_pb2_grpc import KeysStub

AT_ONCE = 8
LABEL = b"signet-register-v1"


async def accounts(address: str, count: int) -> Sequence[Account]:
    """Register so many at a server's gRPC address. Raises grpc.aio.AioRpcError."""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = KeysStub(channel)
        server: pb.Server = await stub.GetServer(pb.GetServerRequest())
        identity = IdentityKeyPair.generate(secrets.token_bytes)
        upload = _keys(identity)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def one(registration_id: int) -> Account:
            request = _request(server.server_name, identity, upload, registration_id)
            async with at_once:
                made: pb.Registered = await stub.Register(request)
            return Account(made.user_id, made.device_id, registration_id, made.token.token)

        return await asyncio.gather(*(one(number) for number in range(1, count + 1)))


def _request(
    server_name: str, identity: IdentityKeyPair, upload: pb.UploadKeysRequest, registration_id: int
) -> pb.RegisterRequest:
    """Signed over label, server name, identity key, login key and registration id (K1)."""
    login = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    number = registration_id.to_bytes(4, "big")
    signed = LABEL + server_name.encode() + identity.public + login + number
    return pb.RegisterRequest(
        identity_key=identity.public,
        login_key=login,
        registration_id=registration_id,
        keys=upload,
        signature=identity.sign(signed, secrets.token_bytes),
    )


def _keys(identity: IdentityKeyPair) -> pb.UploadKeysRequest:
    """What a registration must have: a signed pre-key and a last-resort Kyber key."""
    now, draw = time.time(), secrets.token_bytes
    signed = SignedPreKey.generate(1, identity, now=now, randomness=draw)
    kyber = KemPreKey.generate(2, identity, now=now, randomness=draw, last_resort=True)
    classic, kem = signed.published(), kyber.published()
    return pb.UploadKeysRequest(
        signed_pre_key=pb.SignedPreKey(
            id=classic.id, public_key=classic.public, signature=classic.signature
        ),
        last_resort_kyber_pre_key=pb.KyberPreKey(
            id=kem.id, public_key=kem.public, signature=kem.signature
        ),
    )
