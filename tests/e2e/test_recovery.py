"""Alice loses her device and takes her account over, on a whole server and both transports (K1)."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from signet import testing
from signet.client import (
    Client,
    Environment,
    IdentityChanged,
    ServerUnreachable,
    Status,
    StoreHasAccount,
)
from signet.client.client import Transport
from signet.client.errors import DeviceRemoved, InvalidArgument, Locked, NotFound
from signet.client.events import ConnectionState
from signet.core.ids import UserId
from signet.testing import Server
from tests.support.people import Person, running

TRANSPORTS: list[Transport] = ["websocket", "grpc"]
over_both_transports = pytest.mark.parametrize("transport", TRANSPORTS)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with testing.server(tmp_path) as started:
        yield started


async def recovered(
    server: Server,
    key: str | None,
    *,
    name: str = "alice",
    user_id: UserId | None = None,
    lock: str = "",
    store: str = "new",
    transport: Transport = "websocket",
) -> Client:
    return await Client.recover(
        server=server.addresses.rest,
        store=server.folder / store,
        user_name=name,
        user_id=user_id,
        recovery_key=key or "",
        registration_lock=lock,
        transport=transport,
    )


async def say(speaker: Person, hearer: Person, text: str) -> None:
    """One message that arrives."""
    heard = len(await hearer.reads(0))
    await speaker.client.send(hearer.client.user_id, text)
    assert (await hearer.reads(heard + 1))[-1] == text


@over_both_transports
async def test_who_lost_her_device_talks_on_once_her_peer_trusts_the_new_key(
    server: Server, transport: Transport
) -> None:
    lost = await server.register("alice", transport=transport)
    alice_id, key = lost.user_id, lost.recovery_key
    async with running(await server.register("bob", transport=transport)) as bob:
        async with running(lost) as old_alice:
            await say(old_alice, bob, "first")
            await say(bob, old_alice, "back")
            before = await bob.client.safety_number(alice_id)
        client = await recovered(server, key, transport=transport)
        assert client.user_id == alice_id
        async with running(client) as alice:
            (changed,) = await bob.hears(IdentityChanged)
            assert changed.peer == alice_id
            held = await bob.client.send(alice_id, "is it you?")
            assert (await bob.client.message(held.id)).status is Status.PENDING
            number = await bob.client.safety_number(alice_id)
            assert number != before
            assert number == await client.safety_number(bob.client.user_id)
            await bob.client.consent(alice_id)
            assert await alice.reads(1) == ["is it you?"]
            await bob.client.wait_status(held.id, Status.DELIVERED)
            await say(alice, bob, "it is")
            await say(bob, alice, "good")


@over_both_transports
async def test_a_first_word_of_the_new_device_is_shown_and_its_key_is_reported(
    server: Server, transport: Transport
) -> None:
    lost = await server.register("alice", transport=transport)
    key = lost.recovery_key
    bob_client = await server.register("bob", transport=transport)
    async with running(bob_client) as bob, running(lost) as old_alice:
        await say(old_alice, bob, "first")
        await say(bob, old_alice, "back")
    async with running(await recovered(server, key, transport=transport)) as alice:
        await alice.client.send(bob_client.user_id, "a new phone")
        async with running(await server.open("bob")) as bob:
            assert await bob.reads(1) == ["a new phone"]
            (changed,) = await bob.hears(IdentityChanged)
            assert changed.peer == alice.client.user_id
            held = await bob.client.send(alice.client.user_id, "whose?")
            assert (await bob.client.message(held.id)).status is Status.PENDING
            await bob.client.consent(alice.client.user_id)
            assert await alice.reads(1) == ["whose?"]


@over_both_transports
async def test_the_lost_device_is_closed_for_good(server: Server, transport: Transport) -> None:
    async with running(await server.register("alice", transport=transport)) as lost:
        key = lost.client.recovery_key
        again = await recovered(server, key, transport=transport)
        await lost.until(lambda: lost.client.state is ConnectionState.REMOVED)
        with pytest.raises(DeviceRemoved):
            await lost.client.wait_online()
        await again.stop()
    for resumes in (True, False):
        reopened = await server.open("alice")
        if not resumes:
            await reopened._store.run(lambda tx: tx.settings.put("resume_token", b""))
        await reopened.start()
        with pytest.raises(DeviceRemoved):
            await reopened.wait_online()
        await reopened.stop()


async def test_a_recovery_key_is_good_once_and_a_wrong_one_is_no_oracle(server: Server) -> None:
    lost = await server.register("alice")
    key = lost.recovery_key
    await lost.stop()
    first = await recovered(server, key, store="first")
    for name, tried in (("alice", key), ("alice", "AAAA"), ("nobody", first.recovery_key)):
        with pytest.raises(NotFound):
            await recovered(server, tried, name=name)
    second = await recovered(server, first.recovery_key)
    assert (second.user_id, second.user_name) == (lost.user_id, "alice")
    await first.stop()
    await second.stop()


async def test_an_account_without_a_name_is_taken_over_by_its_id(server: Server) -> None:
    lost = await server.register("alice")
    await lost.stop()
    again = await recovered(server, lost.recovery_key, name="", user_id=lost.user_id)
    assert (again.user_id, again.user_name) == (lost.user_id, "alice")
    await again.stop()
    with pytest.raises(InvalidArgument):
        await recovered(server, lost.recovery_key, name="", store="third")


async def test_a_registration_lock_asks_for_its_pin(server: Server) -> None:
    lost = await server.register("alice")
    assert not await lost.has_registration_lock()
    await lost.set_registration_lock("2468 x")
    assert await lost.has_registration_lock()
    with pytest.raises(InvalidArgument):
        await lost.set_registration_lock("123")
    await lost.stop()
    for pin in ("", "2468"):
        with pytest.raises(Locked):
            await recovered(server, lost.recovery_key, lock=pin)
    again = await recovered(server, lost.recovery_key, lock="2468 x")
    await again.set_registration_lock("")
    await again.stop()
    free = await recovered(server, again.recovery_key, store="third")
    assert not await free.has_registration_lock()
    await free.stop()


class LosesAnswers(httpx.AsyncHTTPTransport):
    """Requests arrive; the first answer to a take-over does not."""

    lost = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.url.path == "/v1/recover" and not self.lost:
            self.lost += 1
            raise httpx.ReadError("cut")
        return answer


async def test_a_take_over_whose_answer_is_lost_is_asked_for_again(server: Server) -> None:
    lost = await server.register("alice")
    await lost.stop()

    async def recover(http: httpx.AsyncBaseTransport | None) -> Client:
        return await Client.recover(
            server=server.addresses.rest,
            store=server.folder / "new",
            user_name="alice",
            recovery_key=lost.recovery_key or "",
            environment=Environment(http=http),
        )

    with pytest.raises(ServerUnreachable):
        await recover(LosesAnswers())
    async with running(await recover(None)) as alice:
        key = alice.client.recovery_key
        async with running(await server.register("bob")) as bob:
            await say(bob, alice, "you again?")
            await say(alice, bob, "me again")
    again = await recovered(server, key, store="newer")
    assert again.user_id == lost.user_id
    await again.stop()


async def test_a_store_that_holds_an_account_is_not_written_over(server: Server) -> None:
    alice = await server.register("alice")
    await alice.stop()
    with pytest.raises(StoreHasAccount):
        await recovered(server, alice.recovery_key, store="alice.store")
    async with running(await server.open("alice")) as same:
        assert same.client.user_id == alice.user_id
