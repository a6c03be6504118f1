"""What peers may not do, and what is done with what cannot be read."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from signet.client import (
    Client,
    DecryptionFailed,
    Deleted,
    Edited,
    Kind,
    MessageReceived,
    ReactionReceived,
    Status,
    UpdateNeeded,
)
from signet.client import content as contents
from signet.core.ids import MessageId, UserId
from signet.core.limits import MAX_RETRIES
from tests.support.people import Person, running
from tests.support.small_world import SmallWorld, say

Three = tuple[Person, Person, Person]


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return SmallWorld(tmp_path)


@pytest.fixture
async def three(world: SmallWorld) -> AsyncIterator[Three]:
    """Alice and Mallory have each written with Bob."""
    clients = [await world.register(name) for name in ("alice", "bob", "mallory")]
    async with AsyncExitStack() as stack:
        alice, bob, mallory = [await stack.enter_async_context(running(one)) for one in clients]
        for who in (alice, mallory):
            await who.client.send(bob.client.user_id, f"from {who.client.user_name}")
        await bob.reads(2)
        yield alice, bob, mallory


def new_id() -> MessageId:
    return MessageId(os.urandom(16))


async def try_all(mallory: Client, bob: UserId, target: MessageId) -> None:
    """Change a message that Mallory knows the id of; then something harmless, to wait for."""
    for content in (
        contents.edit(target, "forged"),
        contents.delete(target),
        contents.reaction(target, "🐍"),
        contents.read_receipt([target]),
    ):
        own = new_id()
        await say(mallory, bob, contents.stamped(content, own, 0), own)
    await mallory.send(bob, "done")


async def test_nobody_reaches_into_another_conversation(three: Three) -> None:
    alice, bob, mallory = three
    (theirs,) = await bob.client.history(alice.client.user_id)
    ours = await bob.client.send(alice.client.user_id, "for alice")
    for target in (theirs.id, ours.id):
        await try_all(mallory.client, bob.client.user_id, target)
    assert (await bob.reads(4))[2:] == ["done", "done"]
    kept = await bob.client.history(alice.client.user_id)
    assert [(m.text, m.edited, m.reactions) for m in kept] == [
        ("from alice", False, ()),
        ("for alice", False, ()),
    ]
    assert kept[1].status < Status.READ
    kinds = {type(event) for event in bob.told}
    assert not kinds & {Edited, Deleted, ReactionReceived}


async def test_a_peer_changes_no_text_that_they_did_not_write(three: Three) -> None:
    alice, bob, _ = three
    ours = await bob.client.send(alice.client.user_id, "mine")
    for content in (contents.edit(ours.id, "forged"), contents.delete(ours.id)):
        own = new_id()
        stamped = contents.stamped(content, own, 0)
        await say(alice.client, bob.client.user_id, stamped, own)
    await alice.client.send(bob.client.user_id, "done")
    await bob.reads(3)
    kept = await bob.client.message(ours.id)
    assert (kept.text, kept.kind, kept.edited) == ("mine", Kind.TEXT, False)


async def test_two_people_who_choose_the_same_id_share_nothing(three: Three) -> None:
    alice, bob, mallory = three
    a, b, m = (person.client.user_id for person in three)
    same = new_id()
    for who in (alice, mallory):
        text = contents.text(f"{who.client.user_name} again", None, None, "")
        await say(who.client, b, contents.stamped(text, same, 0), same)
    await bob.reads(4)
    own = new_id()
    await say(mallory.client, b, contents.stamped(contents.reaction(same, "🐍"), own, 0), own)
    await bob.hears(ReactionReceived)
    first, second = (await bob.client.history(a))[-1], (await bob.client.history(m))[-1]
    assert (first.text, first.reactions) == ("alice again", ())
    assert (second.text, second.reactions) == ("mallory again", ((m, "🐍"),))
    own = new_id()
    await say(mallory.client, b, contents.stamped(contents.delete(same), own, 0), own)
    await bob.hears(Deleted)
    assert (await bob.client.history(a))[-1].text == "alice again"


async def test_a_message_for_a_newer_client_says_so_and_is_acknowledged(
    three: Three, world: SmallWorld
) -> None:
    alice, bob, _ = three
    newer = new_id()
    content = contents.stamped(contents.text("sealed in 2030", None, None, ""), newer, 0)
    content.required_version = contents.VERSION + 1
    sends = len(world.server.sends)
    await say(alice.client, bob.client.user_id, content, newer)
    (needed,) = await bob.hears(UpdateNeeded)
    assert (needed.message.id, needed.message.kind) == (newer, Kind.UPDATE_NEEDED)
    await alice.client.send(bob.client.user_id, "after")
    await bob.reads(3)
    await bob.until(lambda: world.server.waiting(bob.client.user_id) == 0)
    kinds = [m.kind for m in await bob.client.history(alice.client.user_id)]
    assert kinds == [Kind.TEXT, Kind.UPDATE_NEEDED, Kind.TEXT]
    assert len(world.server.sends) == sends + 2  # and Bob asked for nothing


async def test_a_content_of_another_envelope_is_rejected_and_not_asked_for_again(
    three: Three, world: SmallWorld
) -> None:
    alice, bob, _ = three
    envelope, inside = new_id(), new_id()
    content = contents.stamped(contents.text("swapped", None, None, ""), inside, 0)
    sends = len(world.server.sends)
    await say(alice.client, bob.client.user_id, content, envelope)
    (failed,) = await bob.hears(DecryptionFailed)
    assert (failed.message.id, failed.message.text) == (envelope, "")
    await alice.client.send(bob.client.user_id, "after")
    assert (await bob.reads(3))[2] == "after"
    assert len(world.server.sends) == sends + 2


async def test_a_message_that_fails_again_and_again_leaves_one_line_once_it_is_read(
    three: Three, world: SmallWorld
) -> None:
    alice, bob, _ = three
    await bob.client.send(alice.client.user_id, "back")
    await alice.reads(1)
    world.server.garble[bob.client.user_id] = MAX_RETRIES
    lost = await alice.client.send(bob.client.user_id, "at last")
    assert (await bob.reads(3))[2] == "at last"
    assert len(await bob.hears(DecryptionFailed)) == MAX_RETRIES
    kept = await bob.client.history(alice.client.user_id)
    assert [m.text for m in kept] == ["from alice", "back", "at last"]
    assert kept[2].id == lost.id


async def test_what_fails_more_often_is_given_up(three: Three, world: SmallWorld) -> None:
    alice, bob, _ = three
    await bob.client.send(alice.client.user_id, "back")
    await alice.reads(1)
    world.server.garble[bob.client.user_id] = MAX_RETRIES + 1
    lost = await alice.client.send(bob.client.user_id, "never")
    await bob.hears(DecryptionFailed, MAX_RETRIES + 1)
    await alice.client.send(bob.client.user_id, "after")
    assert (await bob.reads(3))[2] == "after"
    tries = [s for s in world.server.sends if s.to == bob.client.user_id]
    assert world.server.garble[bob.client.user_id] == 0
    assert lost.id in {s.message_id for s in tries}
    unread = [m for m in await bob.client.history(alice.client.user_id) if not m.text]
    assert {m.kind for m in unread} == {Kind.UNDECRYPTABLE}
    assert len([e for e in bob.told if isinstance(e, MessageReceived)]) == 3
