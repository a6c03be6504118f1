"""Pictures for several devices and for groups: put once, got by everybody who got the message."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signet import testing
from signet.client import (
    Attachment,
    Client,
    Environment,
    GroupChanged,
    MessageReceived,
    MessageSynced,
    SendFailed,
    Status,
)
from signet.core.errors import Code
from signet.core.ids import UserId
from tests.support.cut_http import CutHttp
from tests.support.people import Person, running

DATA = os.urandom(300_000)


@pytest.fixture
async def signet(tmp_path: Path) -> AsyncIterator[testing.Server]:
    async with testing.server(tmp_path) as started:
        yield started


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.jpg"
    path.write_bytes(DATA)
    return path


def parts(folder: Path) -> list[Path]:
    return list(folder.glob("server/blobs/blobs/*-*-????"))


async def gets(person: Person, event: MessageReceived | MessageSynced, folder: Path) -> bytes:
    [attachment] = event.message.attachments
    to = folder / f"got {person.client.user_name} {person.client.device_id}"
    await person.client.download(attachment, to)
    return to.read_bytes()


async def second_device(signet: testing.Server, first: Client) -> Client:
    name = signet.folder / f"{first.user_name}.second"
    async with await Client.link(server=signet.addresses.rest, store=name) as linking:
        code = asyncio.create_task(linking.code())
        request = await first.read_link(linking.link)
        assert request.code == await code
        made = asyncio.create_task(linking.client())
        await request.approve()
        return await made


async def test_a_picture_is_on_all_devices_of_both(signet: testing.Server, picture: Path) -> None:
    alice, bob = await signet.register("alice"), await signet.register("bob")
    async with running(alice) as a, running(bob) as b:
        tablet, laptop = await second_device(signet, alice), await second_device(signet, bob)
        async with running(tablet) as t, running(laptop) as lap:
            message = await alice.send_attachment(bob.user_id, picture)
            await alice.wait_sent(message.id)
            [synced] = await t.hears(MessageSynced)
            assert await gets(t, synced, signet.folder) == DATA
            for person in (b, lap):
                [event] = await person.hears(MessageReceived)
                assert await gets(person, event, signet.folder) == DATA
            assert not [event for event in a.told if isinstance(event, MessageSynced)]
    assert len(parts(signet.folder)) == 1


async def test_a_picture_for_a_group_is_put_once(signet: testing.Server, picture: Path) -> None:
    alice, bob, carol = [await signet.register(name) for name in ("alice", "bob", "carol")]
    async with running(alice), running(bob) as b, running(carol) as c:
        group = await alice.create_group("friends", [bob.user_id, carol.user_id])
        message = await alice.send_attachment(UserId(group.id), picture, text="all of us")
        await alice.wait_sent(message.id)
        for person in (b, c):
            [event] = await person.hears(MessageReceived)
            assert (event.message.peer, event.message.text) == (UserId(group.id), "all of us")
            assert await gets(person, event, signet.folder) == DATA
    assert len(parts(signet.folder)) == 1


async def test_who_is_removed_during_an_upload_sends_nothing(
    signet: testing.Server, picture: Path
) -> None:
    alice, http = await signet.register("alice"), CutHttp()
    bob = await Client.register(
        server=signet.addresses.rest,
        store=signet.folder / "bob",
        user_name="bob",
        environment=Environment(http=http, chance=lambda: 0.0),
    )
    async with running(alice) as a, running(bob) as b:
        group = await alice.create_group("friends", [bob.user_id])
        await b.hears(GroupChanged)
        http.gate.clear()
        message = await bob.send_attachment(UserId(group.id), picture)
        await http.stands.wait()
        await alice.remove_members(group.id, [bob.user_id])
        await b.hears(GroupChanged, 2)
        http.gate.set()
        [failed] = await b.hears(SendFailed)
        assert (failed.message_id, failed.code) == (message.id, Code.NOT_A_MEMBER)
        assert (await bob.message(message.id)).status is Status.FAILED
        assert not [event for event in a.told if isinstance(event, MessageReceived)]


async def test_what_was_not_uploaded_yet_cannot_be_downloaded(signet: testing.Server) -> None:
    alice = await signet.register("alice")
    waiting = Attachment("", bytes(64), bytes(32), 1)
    with pytest.raises(Exception, match="not uploaded yet"):
        await alice.download(waiting, signet.folder / "got")
    await alice.stop()
