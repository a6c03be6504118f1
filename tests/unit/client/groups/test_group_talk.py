"""People in a group, on a small server that misbehaves on demand."""

from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from signet.client import (
    Client,
    DecryptionFailed,
    Environment,
    Group,
    GroupAction,
    GroupChanged,
    GroupDistrusted,
    GroupReceipts,
    Kind,
    MessageReceived,
    Status,
)
from signet.client.errors import Forbidden, NotAMember, NotFound
from signet.client.groups import chain
from signet.core.errors import Code
from signet.core.ids import MessageId, UserId, show
from signet.core.membership import Add, Member, Membership
from signet.e2e import (
    SENDER_KEY,
    Ciphertext,
    IdentityKeyPair,
    NoSession,
    group_decrypt,
)
from signet.e2e.sender_key_wire import parse_group_message
from signet.v1 import messaging_pb2 as pb
from tests.support.people import Person, running
from tests.support.small_groups import SmallGroups

NAMES = ("alice", "bob", "carol", "dave")


class Party:
    """Four people and a group of the first three."""

    def __init__(self, server: SmallGroups, people: dict[str, Person]) -> None:
        self.server, self.people = server, people
        self.group: Group

    def __getitem__(self, name: str) -> Client:
        return self.people[name].client

    def id(self, name: str) -> UserId:
        return self[name].user_id

    @property
    def conversation(self) -> UserId:
        return UserId(self.group.id)

    async def say(self, name: str, text: str, *, reply_to: MessageId | None = None) -> MessageId:
        message = await self[name].send(self.conversation, text, reply_to=reply_to)
        await self[name].wait_sent(message.id)
        return message.id

    async def texts(self, name: str) -> list[str]:
        history = await self[name].history(self.conversation)
        return [message.text for message in history]

    async def reads(self, name: str, count: int) -> list[str]:
        return await self.people[name].reads(count)


@pytest.fixture
def server() -> SmallGroups:
    return SmallGroups()


@pytest.fixture
async def party(server: SmallGroups, tmp_path: Path) -> AsyncIterator[Party]:
    environment = Environment(dial=server.dial, http=server.http, chance=lambda: 0.0)
    async with AsyncExitStack() as stack:
        people = {}
        for name in NAMES:
            client = await Client.register(
                server="http://small.test",
                store=tmp_path / name,
                user_name=name,
                environment=environment,
            )
            people[name] = await stack.enter_async_context(running(client, confirming=False))
            people[name].patience = 10.0
        made = Party(server, people)
        alice = made["alice"]
        made.group = await alice.create_group("Chess", [made.id("bob"), made.id("carol")])
        yield made


async def test_a_group_talks_in_one_order_and_counts_who_has_what(party: Party) -> None:
    first = await party.say("alice", "one")
    assert await party.reads("bob", 1) == await party.reads("carol", 1) == ["one"]
    await party.say("bob", "two", reply_to=first)
    await party.reads("carol", 2)
    await party.say("carol", "three")
    await party.reads("alice", 2)
    await party.reads("bob", 2)
    for name in ("alice", "bob", "carol"):
        assert await party.texts(name) == ["one", "two", "three"]
    await party["alice"].wait_status(first, Status.DELIVERED)
    await party["bob"].mark_read(party.conversation)
    counts = await party.people["alice"].hears(GroupReceipts, 3)
    assert (counts[-1].delivered, counts[-1].read, counts[-1].recipients) == (2, 1, 2)
    assert (await party["alice"].message(first)).status is Status.DELIVERED
    await party["carol"].mark_read(party.conversation)
    await party["alice"].wait_status(first, Status.READ)


async def test_one_ciphertext_for_all_and_a_key_for_each_once(party: Party) -> None:
    await party.say("alice", "one")
    await party.say("alice", "two")
    await party.reads("bob", 2)
    sent = {send.message_id: send for send in party.server.group_sends}.values()
    assert [bool(send.content) for send in sent] == [False, True, True]
    assert [len(send.keys) for send in sent] == [2, 0, 0]  # with the group's creation
    assert not any(b"one" in send.SerializeToString() for send in sent)


async def test_names_are_read_by_members_alone(party: Party) -> None:
    await party.say("alice", "hello")
    await party.reads("bob", 1)
    assert (await party["bob"].group(party.group.id)).name == "Chess"
    renamed = await party["alice"].rename_group(party.group.id, "Chess & Go", picture=b"jpg")
    assert (renamed.name, renamed.picture) == ("Chess & Go", b"jpg")
    bob = party.people["bob"]
    await bob.until(lambda: sum(_is(e, GroupAction.PROFILE) for e in bob.told) >= 3)
    seen = await party["bob"].group(party.group.id)
    assert (seen.name, seen.picture) == ("Chess & Go", b"jpg")
    assert not any(b"Chess" in r for r in party.server.logs[party.group.id].records)
    with pytest.raises(Forbidden):
        await party["bob"].rename_group(party.group.id, "Bob's")


def _is(event: object, action: GroupAction) -> bool:
    return isinstance(event, GroupChanged) and event.action is action


async def test_who_is_added_reads_from_then_on_and_who_is_removed_nothing_more(
    party: Party,
) -> None:
    await party.say("alice", "before Dave")
    await party["alice"].add_members(party.group.id, [party.id("dave")])
    await party.say("bob", "with Dave")
    assert await party.reads("dave", 1) == ["with Dave"]
    assert await party.texts("dave") == ["with Dave"]
    assert (await party["dave"].group(party.group.id)).name == "Chess"
    await party["alice"].remove_members(party.group.id, [party.id("dave")])
    dave = party.people["dave"]
    await dave.until(lambda: any(_is(e, GroupAction.REMOVED) for e in dave.told))
    before = await party["dave"]._store.run(
        lambda tx: tx.group_keys.of(party.group.id, party.id("bob"), 1)
    )
    assert before is None
    await party.say("bob", "without Dave")
    await party.reads("alice", 2)
    with pytest.raises(NotAMember):
        await party["dave"].send(party.conversation, "still there?")
    assert not (await party["dave"].group(party.group.id)).is_member


async def test_a_removed_member_who_kept_every_key_reads_nothing_later(party: Party) -> None:
    """Even with a server that hands them everything, and with all keys that they ever had."""
    await party.say("bob", "hello")
    await party.reads("carol", 1)
    kept = await party["carol"]._store.run(
        lambda tx: tx.group_keys.of(party.group.id, party.id("bob"), 1)
    )
    await party["alice"].remove_members(party.group.id, [party.id("carol")])
    await party.people["bob"].hears(GroupChanged, 2)
    await party.say("bob", "secret")
    sent = [send for send in party.server.group_sends if send.content][-1]
    assert {UserId(key.user) for key in sent.keys} == {party.id("alice")}
    with pytest.raises(NoSession):
        group_decrypt(kept, party.group.id, Ciphertext(SENDER_KEY, sent.content))


async def test_a_device_that_is_gone_makes_the_others_change_their_keys(party: Party) -> None:
    await party.say("alice", "one")
    bob = party.server.users[party.id("bob")]
    bob.devices[1].registration += 1  # registered anew
    await party.say("alice", "two")
    tries = [send for send in party.server.group_sends if send.content]
    chains = [parse_group_message(send.content).chain_id for send in tries]
    assert len(set(chains)) == 2
    assert chains[-1] != chains[0]


async def test_a_listener_whom_the_server_adds_gets_no_key(party: Party) -> None:
    """It names another person's device as a member's, and hands them all; nobody tells it a key."""
    mallory = party.server.users[party.id("dave")].devices[1]
    party.server.listener = mallory
    await party.say("alice", "one")
    await party.say("bob", "two")
    await party.reads("carol", 2)
    named = {UserId(key.user) for send in party.server.group_sends for key in send.keys}
    assert party.id("dave") not in named
    assert await party.texts("dave") == []
    dave = party.people["dave"]
    assert not any(isinstance(event, MessageReceived) for event in dave.told)


async def test_a_change_that_the_server_signs_is_not_followed(party: Party) -> None:
    await party.say("alice", "hello")
    await party.reads("bob", 1)
    log = party.server.logs[party.group.id]
    own = IdentityKeyPair.generate(lambda size: b"\x07" * size)
    alice = log.group.members[party.id("alice")]
    forged = chain.write(
        _with_key(log.group, party.id("alice"), own.public),
        Add(((party.id("dave"), own.public),)),
        actor=party.id("alice"),
        identity=own,
        randomness=lambda size: b"\x08" * size,
    )
    item = pb.GroupChanged(group=party.group.id, record=forged)
    party.server.order(log, log.group.members, pb.Item(group_changed=item))
    await party.people["bob"].hears(GroupDistrusted)
    await party.people["carol"].hears(GroupDistrusted)
    seen = await party["bob"].group(party.group.id)
    assert {member.user for member in seen.members} == set(log.group.members)
    assert alice.identity_key != own.public
    await party.say("bob", "nobody else")
    assert await party.reads("carol", 2) == ["hello", "nobody else"]


def _with_key(group: Membership, user: UserId, key: bytes) -> Membership:
    members = {**group.members, user: Member(key, administrator=True)}
    return replace(group, members=members)


async def test_a_link_brings_in_who_has_it_and_its_secret_stays_at_home(party: Party) -> None:
    with pytest.raises(Forbidden):
        await party["bob"].create_group_link(party.group.id)
    url = await party["alice"].create_group_link(party.group.id)
    where, _, secret = url.partition("#")
    assert where == f"http://small.test/group/{show(party.group.id)}"
    joined = await party["dave"].join_group(url)
    assert (joined.name, joined.is_member, joined.is_administrator) == ("Chess", True, False)
    await party.say("dave", "hello from the link")
    assert await party.reads("carol", 1) == ["hello from the link"]
    await party.say("carol", "welcome")
    assert await party.reads("dave", 1) == ["welcome"]
    raw = urlsafe_b64decode(secret + "=" * (-len(secret) % 4))[:32]
    assert not any(raw in body or secret.encode() in body for body in party.server.bodies)
    await party["alice"].remove_members(party.group.id, [party.id("dave")])
    await party["alice"].disable_group_link(party.group.id)
    with pytest.raises(NotFound):
        await party["dave"].join_group(url)


async def test_a_lost_key_is_asked_for_and_what_answers_is_shown_behind(party: Party) -> None:
    party.server.drop_next_key_for.add(party.id("carol"))
    question = await party.say("bob", "who plays white?")
    await party.reads("alice", 1)
    await party.say("alice", "I do", reply_to=question)
    assert await party.reads("carol", 2) == ["who plays white?", "I do"]
    assert await party.texts("carol") == ["who plays white?", "I do"]
    history = await party["carol"].history(party.conversation)
    assert {message.kind for message in history} == {Kind.TEXT}
    assert len(await party.people["carol"].hears(DecryptionFailed)) == 1
    await party.say("bob", "later")
    assert (await party.reads("carol", 3))[-1] == "later"


async def _until_heard(party: Party, name: str, count: int) -> None:
    await party.people[name].hears(MessageReceived, count)


async def test_messages_written_at_once_are_marked(party: Party) -> None:
    await party.say("alice", "start")
    for name in ("bob", "carol"):
        await party.reads(name, 1)
    one = await party["bob"].send(party.conversation, "Bob's")
    two = await party["carol"].send(party.conversation, "Carol's")
    await party["bob"].wait_sent(one.id)
    await party["carol"].wait_sent(two.id)
    for name in ("alice", "bob", "carol"):
        await _until_heard(party, name, 2)
        history = await party[name].history(party.conversation)
        assert [message.concurrent for message in history] == [False, False, True]
        assert len({message.id for message in history}) == 3


async def test_sends_behind_a_refused_one_keep_their_order(party: Party) -> None:
    await party.say("alice", "zero")
    party.server.refuse_group_next = [Code.GROUP_BUSY]
    for number in range(12):
        last = await party["bob"].send(party.conversation, str(number))
    await party["alice"].add_members(party.group.id, [party.id("dave")])
    await party["bob"].wait_sent(last.id)
    assert (await party.reads("carol", 13))[1:] == [str(number) for number in range(12)]
    assert await party.texts("alice") == await party.texts("carol")


async def test_who_leaves_hands_the_group_on(party: Party) -> None:
    await party["alice"].leave_group(party.group.id)
    await party.people["bob"].hears(GroupChanged, 2)
    seen = await party["bob"].group(party.group.id)
    assert [member.administrator for member in seen.members].count(True) == 1
    assert party.id("alice") not in {member.user for member in seen.members}
    await party.say("carol", "gone")
    assert await party.reads("bob", 1) == ["gone"]
    with pytest.raises(NotAMember):
        await party["alice"].send(party.conversation, "hello?")
    await party["alice"].send(party.id("bob"), "but to you")
    assert await party.reads("bob", 2) == ["gone", "but to you"]
