"""What becomes of accounts on a whole server, over both transports: blocked, gone, made anew."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from signet.client import (
    Client,
    ConnectionState,
    GroupAction,
    GroupChanged,
    IdentityChanged,
    ReportReason,
    Status,
    identity_change,
)
from signet.client.client import Transport
from signet.client.errors import (
    AccountDeleted,
    Forbidden,
    NotFound,
    RateLimited,
    SendRefused,
)
from signet.client.events import Message
from signet.core.ids import UserId, show
from signet.core.limits import REPORTS_OF_ONE_A_DAY
from signet.ports.members import Kind
from signet.standalone import Standalone
from tests.support.local_cluster import cluster, register
from tests.support.people import Person, running
from tests.support.server import server


@dataclass
class Place:
    """A server and a folder of stores."""

    running: Standalone
    folder: Path
    transport: Transport

    async def register(self, name: str) -> Client:
        return await Client.register(
            server=self.running.addresses.rest,
            store=self.folder / name,
            user_name=name,
            transport=self.transport,
        )


@pytest.fixture(params=["websocket", "grpc"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with server(tmp_path / "data") as started:
        yield Place(started, tmp_path, request.param)


@asynccontextmanager
async def talking(place: Place, *names: str) -> AsyncIterator[list[Person]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(running(await place.register(name))) for name in names
        ]


async def acquainted(alice: Person, bob: Person) -> tuple[UserId, UserId]:
    """They have written to each other."""
    a, b = alice.client.user_id, bob.client.user_id
    await alice.client.send(b, "hello bob")
    await bob.reads(1)
    await bob.client.send(a, "hello alice")
    await alice.reads(1)
    return a, b


# --- blocking -------------------------------------------------------------------------------------


async def test_who_is_blocked_cannot_tell_and_is_not_heard(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, b = await acquainted(alice, bob)
        await bob.client.block(a)
        assert await bob.client.blocked() == [a]
        unheard = await alice.client.send(b, "are you there?")
        await alice.client.wait_sent(unheard.id)
        assert (await alice.client.message(unheard.id)).status is Status.SENT
        await bob.client.unblock(a)
        assert await bob.client.blocked() == []
        heard = await alice.client.send(b, "and now?")
        await alice.client.wait_status(heard.id, Status.DELIVERED)
        assert await bob.reads(2) == ["hello bob", "and now?"]


async def test_what_a_blocked_person_had_sent_before_is_dropped_by_the_device(
    place: Place,
) -> None:
    """It waited at the server when they were blocked."""
    async with talking(place, "alice", "bob", "carol") as (alice, bob, carol):
        a, b = await acquainted(alice, bob)
        await bob.client.stop()
        late = await alice.client.send(b, "too late")
        await alice.client.wait_sent(late.id)
        again = await Client.open(store=place.folder / "bob")
        await again.block(a)
        async with running(again) as bob_again:
            await carol.client.send(b, "hello")
            assert await bob_again.reads(1) == ["hello"]
            await alice.client.wait_status(late.id, Status.DELIVERED)
        assert "too late" not in [m.text for m in await history(place, a)]


async def history(place: Place, peer: UserId) -> list[Message]:
    opened = await Client.open(store=place.folder / "bob")
    try:
        return await opened.history(peer)
    finally:
        await opened.close()


# --- reports --------------------------------------------------------------------------------------


async def test_somebody_is_reported_so_often_a_day_and_hears_nothing(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, _ = await acquainted(alice, bob)
        (message,) = [m for m in await bob.client.history(a) if not m.outgoing]
        for _ in range(REPORTS_OF_ONE_A_DAY):
            await bob.client.report(a, ReportReason.SPAM, [message.id])
        with pytest.raises(RateLimited) as refused:
            await bob.client.report(a, ReportReason.SPAM)
        assert refused.value.retry_after_s > 0
        with pytest.raises(Forbidden):
            await bob.client.report(bob.client.user_id, ReportReason.OTHER)


# --- identity -------------------------------------------------------------------------------------


async def test_a_new_identity_changes_the_safety_number_and_both_go_on(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, b = await acquainted(alice, bob)
        before = await alice.client.safety_number(b)
        await alice.client.change_identity()
        await alice.client.wait_online()
        (changed,) = await bob.hears(IdentityChanged)
        assert changed.peer == a
        mine, theirs = await alice.client.safety_number(b), await bob.client.safety_number(a)
        assert mine == theirs
        assert mine != before
        waits = await bob.client.send(a, "is it you?")
        await bob.client.consent(a)
        assert (await alice.reads(2))[-1] == "is it you?"
        await bob.client.wait_status(waits.id, Status.DELIVERED)
        await alice.client.send(b, "it is")
        assert (await bob.reads(2))[-1] == "it is"
        assert len(await bob.hears(IdentityChanged)) == 1


async def test_what_waited_for_the_identity_before_is_read_all_the_same(place: Place) -> None:
    async with talking(place, "bob") as (bob,):
        alice = await place.register("alice")
        a = alice.user_id
        async with running(alice) as online:
            await acquainted(online, bob)
        waits = await bob.client.send(a, "while you were away")
        await bob.client.wait_sent(waits.id)
        again = await Client.open(store=place.folder / "alice")
        await again.change_identity()
        async with running(again) as online:
            assert await online.reads(1) == ["while you were away"]


async def test_a_change_whose_answer_was_lost_goes_on_with_the_same_call(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, b = await acquainted(alice, bob)
        client = alice.client
        change = await client._store.run(lambda tx: identity_change.prepare(tx, client._me))
        await identity_change.ask(client._keys, client._me, change)  # and the process dies
        await client.change_identity()
        await client.wait_online()
        await bob.hears(IdentityChanged)
        assert await client.safety_number(b) == await bob.client.safety_number(a)
        assert await client.refresh_keys()
        await bob.client.consent(a)
        await client.send(b, "still here")
        assert (await bob.reads(2))[-1] == "still here"


# --- the end --------------------------------------------------------------------------------------


async def test_a_deleted_account_is_gone_and_its_streams_say_so(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, _ = await acquainted(alice, bob)
        await alice.client.delete_account()
        await alice.until(lambda: alice.client.state is ConnectionState.REMOVED)
        with pytest.raises(AccountDeleted):
            await alice.client.wait_online()
        with pytest.raises(AccountDeleted):
            await alice.client.export_account()
        with pytest.raises(NotFound):
            await bob.client.find("alice")
        lost = await bob.client.send(a, "are you there?")
        with pytest.raises(SendRefused, match="UNKNOWN_RECIPIENT"):
            await bob.client.wait_sent(lost.id)


async def test_a_deleted_account_has_left_its_groups(place: Place) -> None:
    async with talking(place, "alice", "bob", "carol") as (alice, bob, carol):
        users = [person.client.user_id for person in (alice, bob, carol)]
        group = await alice.client.create_group("Hike", users[1:])
        await bob.until(lambda: any(isinstance(event, GroupChanged) for event in bob.told))
        await alice.client.delete_account()

        def left(event: object) -> bool:
            return isinstance(event, GroupChanged) and event.action is GroupAction.LEFT

        await bob.until(lambda: any(map(left, bob.told)))
        members = (await bob.client.group(group.id)).members
        assert {member.user for member in members} == set(users[1:])
        assert [member.administrator for member in members].count(True) == 1


async def test_no_store_of_the_server_names_a_deleted_account(tmp_path: Path) -> None:
    """Every column of every table of every file; the ids stand there as bytes or in hex."""
    data = tmp_path / "data"
    async with server(data) as started:
        place = Place(started, tmp_path, "websocket")
        async with talking(place, "alice", "bob") as (alice, bob):
            a, b = await acquainted(alice, bob)
            await bob.client.block(a)
            await alice.client.block(b)
            await bob.client.stop()
            await alice.client.send(b, "of alice, for bob")
            assert {"account", "device", "contact", "block", "inbox"} <= tables_that_name(data, a)
            await alice.client.delete_account()
            await alice.until(lambda: alice.client.state is ConnectionState.REMOVED)
    left = tables_that_name(data, a)
    assert left == set(), f"{show(a)} is still named"
    assert "account" in tables_that_name(data, b)


def tables_that_name(data: Path, user: UserId) -> set[str]:
    found = set()
    for file in data.rglob("*"):
        if not file.is_file() or not file.read_bytes().startswith(b"SQLite format 3"):
            continue
        with closing(sqlite3.connect(file)) as db:
            named = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in named:
                rows = db.execute(f"SELECT * FROM {table}").fetchall()
                if any(names(value, user) for row in rows for value in row):
                    found.add(table)
    return found


def names(value: object, user: UserId) -> bool:
    if isinstance(value, bytes):
        return value.find(user) >= 0 or value.find(user.hex().encode()) >= 0
    return isinstance(value, str) and (user.hex() in value or show(user) in value)


# --- export ---------------------------------------------------------------------------------------


async def test_an_export_says_what_is_held(place: Place) -> None:
    async with talking(place, "alice", "bob") as (alice, bob):
        a, b = await acquainted(alice, bob)
        await bob.client.stop()
        waits = await alice.client.send(b, "for later")
        await alice.client.wait_sent(waits.id)
        again = await Client.open(store=place.folder / "bob")
        found = await again.export_account()
        assert found["user_id"] == show(b)
        assert found["directory"]["account"][0]["user_name"] == "bob"
        assert len(found["directory"]["contact"]) == 2
        (inbox,) = found["inboxes"]
        assert inbox["messages_of"] == {show(a): 1}
        assert found["presence"]["status"] == "offline"
        await again.close()


# --- in processes ---------------------------------------------------------------------------------


async def test_it_is_the_same_with_a_process_for_each_part(tmp_path: Path) -> None:
    """Keys asks and tells the owners of shards over the network."""
    one = dict.fromkeys((Kind.GATEWAY, Kind.ROUTER, Kind.KEYS), 1)
    async with cluster(tmp_path, one) as at, AsyncExitStack() as stack:
        alice, bob = [
            await stack.enter_async_context(running(await register(at, tmp_path, name)))
            for name in ("alice", "bob")
        ]
        a, b = await acquainted(alice, bob)
        await bob.client.block(a)
        unheard = await alice.client.send(b, "unheard")
        await alice.client.wait_sent(unheard.id)
        await bob.client.unblock(a)
        await alice.client.change_identity()
        await alice.client.wait_online()
        await bob.hears(IdentityChanged)
        exported = await alice.client.export_account()
        assert exported["inboxes"][0]["attached"] is True
        assert exported["presence"]["status"] == "online"
        await alice.client.delete_account()
        await alice.until(lambda: alice.client.state is ConnectionState.REMOVED)
        assert await bob.reads(1) == ["hello bob"]
