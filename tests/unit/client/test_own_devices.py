"""Who may speak for a person's own devices, and what such words may change (O5)."""

import os
from pathlib import Path

from signet.client import Client, DecryptionFailed, Environment, MessageSynced, own_devices
from signet.client import content as contents
from signet.client.account import _bundle
from signet.client.rest import unb64
from signet.core.ids import MessageId, UserId
from signet.e2e import Address, IdentityKeyPair, LocalDevice, encrypt, initiate
from signet.v1 import messaging_pb2 as pb
from signet.v1.content_pb2 import KnownPerson
from tests.support import small_keys
from tests.support.people import running
from tests.support.small_server import SmallServer

BOB, CAROL = UserId(b"b" * 16), UserId(b"c" * 16)


async def alice(server: SmallServer, folder: Path) -> Client:
    environment = Environment(dial=server.dial, http=server.http, chance=lambda: 0.0)
    return await Client.register(
        server="http://small.test",
        store=folder / "alice",
        user_name="alice",
        environment=environment,
    )


def said_by(server: SmallServer, client: Client, identity: IdentityKeyPair) -> pb.Envelope:
    """A copy of something sent, by a device 9 that the server says is one of the account."""
    user = server.users[client.user_id]
    device, message_id = user.devices[1], MessageId(os.urandom(16))
    claimed = LocalDevice(Address(client.user_id, 9), identity, 4711)
    bundle = _bundle(unb64(user.identity), small_keys._bundle(device))
    to = Address(client.user_id, 1)
    record = initiate(None, bundle, local=claimed, remote=to, now=0.0, randomness=os.urandom)
    text = contents.stamped(contents.text("I never wrote this", None, None, ""), message_id, 1)
    copy = contents.stamped(contents.sync_sent(BOB, text), message_id, 1)
    plaintext = contents.to_plaintext(copy)
    _, sealed = encrypt(record, plaintext, local=claimed, remote=to, now=0.0)
    return pb.Envelope(
        sender=client.user_id,
        sender_device=9,
        message_id=message_id,
        type=sealed.type,
        content=sealed.body,
    )


async def test_a_device_that_the_server_invents_does_not_speak_for_us(tmp_path: Path) -> None:
    server = SmallServer()
    client = await alice(server, tmp_path)
    async with running(client) as person:
        forged = said_by(server, client, IdentityKeyPair.generate(os.urandom))
        server.push(server.users[client.user_id].devices[1], pb.Item(envelope=forged))
        await person.hears(DecryptionFailed)
        assert not [event for event in person.told if isinstance(event, MessageSynced)]
        assert await client.history(BOB) == []


async def test_a_device_that_has_the_identity_key_does(tmp_path: Path) -> None:
    server = SmallServer()
    client = await alice(server, tmp_path)
    async with running(client) as person:
        true = said_by(server, client, client._me.local.identity)
        server.push(server.users[client.user_id].devices[1], pb.Item(envelope=true))
        (synced,) = await person.hears(MessageSynced)
        assert (synced.message.peer, synced.message.outgoing) == (BOB, True)


async def test_what_another_device_knows_of_people_replaces_nothing(tmp_path: Path) -> None:
    client = await alice(SmallServer(), tmp_path)
    store, me = client._store, client._me
    ours, theirs = (IdentityKeyPair.generate(os.urandom).public for _ in range(2))
    told = [
        KnownPerson(user=BOB, name="robert", identity_key=theirs, verified=True),
        KnownPerson(user=CAROL, name="carol", identity_key=theirs, verified=True, timer_seconds=9),
        KnownPerson(user=client.user_id, name="alice", identity_key=theirs, verified=True),
        KnownPerson(user=b"short", identity_key=theirs),
    ]
    await store.run(lambda tx: tx.peers.set(BOB, identity=ours, name="bob"))
    await store.run(lambda tx: own_devices.learn_people(tx, me, told))
    bob, carol, own = await store.run(
        lambda tx: [tx.peers.get(user) for user in (BOB, CAROL, client.user_id)]
    )
    assert (bob.name, bob.identity, bob.verified) == ("bob", ours, False)
    assert (carol.name, carol.identity, carol.verified, carol.timer) == ("carol", theirs, True, 9)
    assert own.identity is None
    await client.stop()
