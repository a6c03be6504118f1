"""Two people on a small server that misbehaves on demand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet.client import (
    Client,
    ConnectionChanged,
    ConnectionState,
    DecryptionFailed,
    Environment,
    IdentityChanged,
    Kind,
    ReceiptChanged,
    SendFailed,
    SendRefused,
    Status,
    StoreInUse,
    TypingChanged,
)
from signet.client.errors import Displaced, UserNameTaken
from signet.core.errors import Code
from signet.core.ids import UserId
from signet.e2e import SessionRecord
from signet.v1 import messaging_pb2 as pb
from tests.support.people import Person, running
from tests.support.small_server import SmallServer


@pytest.fixture
def server() -> SmallServer:
    return SmallServer()


@pytest.fixture
def environment(server: SmallServer) -> Environment:
    return Environment(dial=server.dial, http=server.http, chance=lambda: 0.0)


@pytest.fixture
async def people(
    environment: Environment, tmp_path: Path
) -> AsyncIterator[tuple[Person, Person, UserId, UserId]]:
    alice = await registered("alice", tmp_path, environment)
    bob = await registered("bob", tmp_path, environment)
    async with running(alice) as a, running(bob) as b:
        yield a, b, alice.user_id, bob.user_id


async def registered(name: str, path: Path, environment: Environment) -> Client:
    return await Client.register(
        server="http://small.test", store=path / name, user_name=name, environment=environment
    )


People = tuple[Person, Person, UserId, UserId]


async def test_two_people_talk_in_order_with_ticks(people: People) -> None:
    alice, bob, alice_id, _ = people
    to = await alice.client.find("bob")
    for number in range(100):
        await alice.client.send(to, f"message {number}")
    assert await bob.reads(100) == [f"message {number}" for number in range(100)]
    for number in range(20):
        await bob.client.send(alice_id, f"answer {number}")
    assert await alice.reads(20) == [f"answer {number}" for number in range(20)]
    last = (await alice.client.history(to))[-1]
    first = (await alice.client.history(to, limit=500))[0]
    assert (last.text, first.text) == ("answer 19", "message 0")
    await alice.client.wait_status(first.id, Status.DELIVERED)
    await bob.client.mark_read(alice_id)
    await alice.client.wait_status(first.id, Status.READ)
    assert await bob.client.unread() == []


async def test_items_that_the_wire_loses_are_read_again(
    people: People, server: SmallServer
) -> None:
    alice, bob, _, bob_id = people
    await alice.client.send(bob_id, "first")
    await bob.reads(1)
    server.lose_items = 3
    for number in range(5):
        await alice.client.send(bob_id, str(number))
    assert await bob.reads(6) == ["first", *map(str, range(5))]


async def test_a_stream_that_breaks_loses_and_doubles_nothing(
    people: People, server: SmallServer
) -> None:
    alice, bob, alice_id, bob_id = people
    sent = []
    for number in range(30):
        await alice.client.send(bob_id, str(number))
        sent.append(str(number))
        if number % 7 == 3:
            server.cut(alice_id)
            server.cut(bob_id)
    assert await bob.reads(30) == sent
    assert Code.ACK_BEYOND_SENT not in {event.code for event in await bob.hears(ConnectionChanged)}


async def test_refused_sends_go_again_in_order(people: People, server: SmallServer) -> None:
    alice, bob, _, bob_id = people
    await alice.client.send(bob_id, "first")
    await bob.reads(1)
    server.refuse_next.extend([(Code.STORE_UNAVAILABLE, 1), (Code.RATE_LIMITED, 1)])
    for number in range(10):
        await alice.client.send(bob_id, str(number))
    assert await bob.reads(11) == ["first", *map(str, range(10))]


async def test_a_final_refusal_fails_one_message_and_no_other(
    people: People, server: SmallServer
) -> None:
    alice, bob, _, bob_id = people
    await alice.client.wait_sent((await alice.client.send(bob_id, "first")).id)
    server.refuse_next.append((Code.INVALID_ARGUMENT, 0))
    bad = await alice.client.send(bob_id, "bad")
    good = await alice.client.send(bob_id, "good")
    with pytest.raises(SendRefused):
        await alice.client.wait_sent(bad.id)
    await alice.client.wait_sent(good.id)
    assert await bob.reads(2) == ["first", "good"]
    (failed,) = await alice.hears(SendFailed)
    assert (failed.message_id, failed.code) == (bad.id, Code.INVALID_ARGUMENT)


async def test_what_was_written_while_the_server_was_away_goes_out_after_a_restart(
    environment: Environment, server: SmallServer, tmp_path: Path
) -> None:
    alice = await registered("alice", tmp_path, environment)
    bob = await registered("bob", tmp_path, environment)
    server.down = True
    await alice.start()
    written = await alice.send(bob.user_id, "are you there?")
    await alice.stop()
    server.down = False
    again = await Client.open(store=tmp_path / "alice", environment=environment)
    async with running(again), running(bob) as b:
        await again.wait_sent(written.id)
        assert await b.reads(1) == ["are you there?"]


async def test_a_message_does_not_wait_for_the_back_off(
    server: SmallServer, tmp_path: Path
) -> None:
    """S8: a send is worth a try at once. No test could sit this back-off out."""
    slow = Environment(dial=server.dial, http=server.http, chance=lambda: 1_000.0)
    async with running(await registered("alice", tmp_path, slow)) as alice:
        bob = await registered("bob", tmp_path, slow)
        server.down = True
        server.cut(alice.client.user_id)
        await alice.until(lambda: alice.client.state is ConnectionState.WAITING)
        server.down = False
        sent = await alice.client.send(bob.user_id, "are you back?")
        await alice.client.wait_sent(sent.id)
        await bob.stop()


async def test_an_event_comes_again_after_a_restart_until_it_is_done(
    environment: Environment, tmp_path: Path
) -> None:
    alice = await registered("alice", tmp_path, environment)
    bob = await registered("bob", tmp_path, environment)
    async with running(alice):
        async with running(bob, confirming=False) as b:
            await alice.send(bob.user_id, "hello")
            await b.reads(1)
        bob = await Client.open(store=tmp_path / "bob", environment=environment)
        async with running(bob) as b:
            assert await b.reads(1) == ["hello"]
        bob = await Client.open(store=tmp_path / "bob", environment=environment)
        async with running(bob) as b:
            await alice.send(bob.user_id, "again")
            assert await b.reads(1) == ["again"]


async def test_a_lost_session_is_repaired_and_the_message_shown_once(
    people: People, server: SmallServer
) -> None:
    alice, bob, alice_id, bob_id = people
    await alice.client.send(bob_id, "first")
    await bob.reads(1)
    await bob.client.send(alice_id, "back")  # alice's session is answered: no pre-key messages
    await alice.reads(1)
    await bob.client._store.run(lambda tx: tx.peers.put_session(alice_id, 1, SessionRecord()))
    lost = await alice.client.send(bob_id, "lost")
    (failed,) = await bob.hears(DecryptionFailed)
    assert failed.message.id == lost.id
    assert await bob.reads(2) == ["first", "lost"]
    texts = [(m.text, m.kind) for m in await bob.client.history(alice_id)]
    assert texts == [("first", Kind.TEXT), ("back", Kind.TEXT), ("lost", Kind.TEXT)]
    await alice.client.send(bob_id, "after")
    assert await bob.reads(3) == ["first", "lost", "after"]


async def test_a_changed_identity_key_stops_sends_until_somebody_consents(
    environment: Environment, server: SmallServer, tmp_path: Path
) -> None:
    alice = await registered("alice", tmp_path, environment)
    bob = await registered("bob", tmp_path, environment)
    bob_id = bob.user_id
    async with running(alice) as a:
        await alice.wait_sent((await alice.send(bob_id, "first")).id)
        number = await alice.safety_number(bob_id)
        other = await registered("mallory", tmp_path, environment)
        stolen, theirs = server.users[bob_id], server.users.pop(other.user_id)
        stolen.identity = theirs.identity
        stolen.devices = {1: theirs.devices[1]}
        theirs.devices[1].user = bob_id
        held = await alice.send(bob_id, "is it you?")
        (changed,) = await a.hears(IdentityChanged)
        assert changed.peer == bob_id
        assert (await alice.message(held.id)).status is Status.PENDING
        assert await alice.safety_number(bob_id) != number
        await alice.consent(bob_id)
        await alice.wait_sent(held.id)
    await bob.stop()
    await other.stop()


async def test_the_device_set_is_learned_from_a_refusal(
    people: People, server: SmallServer
) -> None:
    alice, bob, _, bob_id = people
    await alice.client.wait_sent((await alice.client.send(bob_id, "one device")).id)
    user = server.users[bob_id]
    server.add_device(user, 4242, {**user.devices[1].keys, "pre_keys": [], "kyber_pre_keys": []})
    for number in range(3):
        await alice.client.send(bob_id, f"two devices {number}")
    assert len(await bob.reads(4)) == 4
    assert {c.device_id for c in server.sends[-1].contents} == {1, 2}


async def test_a_newer_stream_of_the_same_device_ends_this_one_for_good(
    people: People, server: SmallServer
) -> None:
    alice, _, alice_id, _ = people
    server.close(alice_id, Code.DISPLACED)
    await alice.until(lambda: alice.client.state is ConnectionState.DISPLACED)
    with pytest.raises(Displaced):
        await alice.client.wait_online()
    await alice.client.reconnect()
    await alice.until(lambda: alice.client.state is ConnectionState.ONLINE)


async def test_a_resume_token_that_is_refused_costs_a_login_and_nothing_else(
    people: People, server: SmallServer
) -> None:
    alice, bob, alice_id, bob_id = people
    server.users[alice_id].devices[1].resume = b"another"
    server.cut(alice_id)
    await alice.client.send(bob_id, "hello")
    assert await bob.reads(1) == ["hello"]
    assert server.hellos[-2].resume_token
    assert not server.hellos[-1].resume_token


async def test_a_refusal_of_a_newer_server_ends_no_stream(
    people: People, server: SmallServer
) -> None:
    alice, bob, alice_id, bob_id = people
    stream = server.users[alice_id].devices[1].stream
    assert stream is not None
    refusal = pb.Refusal(code=9999)  # type: ignore[arg-type]
    stream.push(pb.ServerFrame(refused=pb.Refused(refusal=refusal)))
    await alice.client.wait_sent((await alice.client.send(bob_id, "hello")).id)
    assert await bob.reads(1) == ["hello"]
    assert server.users[alice_id].devices[1].stream is stream


async def test_connection_counters_only_rise(people: People, server: SmallServer) -> None:
    alice, _, alice_id, _ = people
    for _ in range(3):
        server.cut(alice_id)
        await alice.until(lambda: alice.client.state is not ConnectionState.ONLINE)
        await alice.client.wait_online()
    counters = [h.connection_counter for h in server.hellos if h.connection_counter > 0]
    assert len(set(counters)) >= 4


async def test_typing_reaches_those_online(people: People) -> None:
    alice, bob, alice_id, bob_id = people
    await alice.client.send(bob_id, "hello")
    await bob.reads(1)
    await alice.client.typing(bob_id)
    (typing,) = await bob.hears(TypingChanged)
    assert (typing.peer, typing.started) == (alice_id, True)


async def test_edits_reactions_and_deletions_arrive(people: People) -> None:
    alice, bob, alice_id, bob_id = people
    message = await alice.client.send(bob_id, "helo")
    await bob.reads(1)
    await alice.client.edit(message.id, "hello")
    await bob.client.react(message.id, "👍")
    await alice.until(lambda: any(type(e).__name__ == "ReactionReceived" for e in alice.told))
    (there,) = await bob.client.history(alice_id)
    (here,) = await alice.client.history(bob_id)
    assert here.reactions == ((bob_id, "👍"),)
    await bob.until(lambda: any(type(e).__name__ == "Edited" for e in bob.told))
    (there,) = await bob.client.history(alice_id)
    assert (there.text, there.edited) == ("hello", True)
    await alice.client.delete(message.id)
    await bob.until(lambda: any(type(e).__name__ == "Deleted" for e in bob.told))
    (there,) = await bob.client.history(alice_id)
    assert (there.text, there.kind) == ("", Kind.DELETED)


async def test_read_receipts_can_be_switched_off(people: People) -> None:
    alice, bob, alice_id, bob_id = people
    await bob.client.set_privacy(read_receipts=False)
    message = await alice.client.send(bob_id, "secretly read")
    await bob.reads(1)
    await bob.client.mark_read(alice_id)
    await bob.client.send(alice_id, "later")
    await alice.reads(1)
    assert (await alice.client.message(message.id)).status is Status.DELIVERED
    statuses = {event.status for event in await alice.hears(ReceiptChanged)}
    assert Status.READ not in statuses


async def test_a_name_is_taken_once(environment: Environment, tmp_path: Path) -> None:
    first = await registered("alice", tmp_path, environment)
    with pytest.raises(UserNameTaken):
        await Client.register(
            server="http://small.test",
            store=tmp_path / "other",
            user_name="alice",
            environment=environment,
        )
    await first.stop()


async def test_a_store_has_one_client(environment: Environment, tmp_path: Path) -> None:
    first = await registered("alice", tmp_path, environment)
    with pytest.raises(StoreInUse):
        await Client.open(store=tmp_path / "alice", environment=environment)
    await first.stop()
    second = await Client.open(store=tmp_path / "alice", environment=environment)
    await second.stop()


async def test_keys_are_refilled_when_the_server_runs_low(
    people: People, server: SmallServer
) -> None:
    alice, _, alice_id, _ = people
    device = server.users[alice_id].devices[1]
    del device.keys["pre_keys"][9:]
    stock = await alice.client.refresh_keys()
    assert (stock.pre_keys, len(server.uploads[-1]["pre_keys"])) == (100, 100)
    assert server.uploads[-1]["kyber_pre_keys"] == []
