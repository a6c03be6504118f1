"""Devices of a group without a network: the SDK's own sealing and taking, on stores in memory.

`Order` is the server: it judges sends by the group's membership and devices, gives one order,
and keeps an inbox a device, from which a test delivers as it likes. Time is what a test says.
"""

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from signet.client import content as contents
from signet.client import mailbox, reading, sealing
from signet.client.device_store import Tx
from signet.client.environment import Environment
from signet.client.events import Event, MessageReceived, MessageSynced
from signet.client.groups import chain
from signet.client.groups import sealing as group_sealing
from signet.client.groups.receiving import follow_records
from signet.client.groups.sealing import Renumbered
from signet.client.outcome import Outcome
from signet.client.reading import From
from signet.client.sealing import Bundles, Self
from signet.client.store.outgoing import Row
from signet.client.store.schema import migrate
from signet.client.store.settings import Account
from signet.client.store.vault import Vault
from signet.core.groups import GroupId, devices_digest
from signet.core.ids import MessageId, UserId
from signet.core.membership import Membership, What
from signet.e2e import KemPreKey, PreKeyBundle, SignedPreKey
from signet.v1 import messaging_pb2 as pb
from tests.support.e2e_people import randomness
from tests.support.group_people import GROUP, Human

CONVERSATION = UserId(GROUP)


async def _nothing() -> None: ...


def _confirm(_: int) -> Callable[[], Awaitable[None]]:
    return _nothing


class GroupDevice:
    """One device of somebody, with a store of its own."""

    def __init__(self, world: "Order", human: Human, number: int, registration: int) -> None:
        self.world, self.human = world, human
        self.name = f"{human.name}/{number}/{registration}"
        self.id, self.registration = (human.user, number), registration
        draw = randomness(self.name)
        db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        migrate(db)
        self.tx = Tx(db, Vault(bytes(32), draw))
        environment = Environment(now=lambda: world.now, randomness=draw, chance=lambda: 0.0)
        account = Account(
            human.user, number, registration, human.name, "", "", "", human.identity.private, b""
        )
        self.me = Self(account, account.local(), environment)
        signed = SignedPreKey.generate(1, human.identity, now=0.0, randomness=draw)
        kem = KemPreKey.generate(2, human.identity, now=0.0, randomness=draw, last_resort=True)
        for key in (signed, kem):
            self.tx.pre_keys.add(key, 0.0)
        self.bundle = PreKeyBundle(
            registration,
            number,
            human.identity.public,
            signed.published(),
            kyber_pre_key=kem.published(),
        )
        self.items: list[pb.Item] = []  # its inbox at the server
        self.shown: list[MessageId] = []
        self.last_sent: pb.GroupSend | None = None  # as it was taken
        self.events: list[Event] = []

    # --- writing --------------------------------------------------------------------------------

    def write(self, text: str, answers: MessageId | None = None) -> MessageId | None:
        """Write, and send until it is taken; None: refused for good (no member)."""
        author = self.human.user if answers else None
        content = contents.text(text, answers, author, "")
        row = group_sealing.queue(self.tx, self.me, GROUP, content)
        reading.put_text(
            self.tx, self.me, From(self.human.user, self.id[1], CONVERSATION), row.content
        )
        return row.id if self.send(row) else None

    def send(self, row: Row) -> bool:
        """As the sender does it: fetch what is missing, seal, learn from refusals."""
        wrong: pb.GroupMismatch | None = None
        for _ in range(6):
            sealed = self._sealed(row, wrong)
            if sealed is None:
                return False
            verdict = self.world.judge(self, sealed)
            if verdict is None:
                self.tx.outgoing.remove(row.peer, row.ordinal)
                self.last_sent = sealed
                return True
            if not verdict.members:
                return False
            wrong = verdict
        raise AssertionError("a send that is never taken")

    def _sealed(self, row: Row, wrong: pb.GroupMismatch | None) -> pb.GroupSend | None:
        for lenient in (False, True):
            rows = group_sealing.seal_rows(
                self.tx, self.me, GROUP, (row.ordinal,), wrong, lenient=lenient
            )
            assert not isinstance(rows, Renumbered)
            if rows:
                assert rows[0].sealed is not None
                return pb.GroupSend.FromString(rows[0].sealed)
            for user in group_sealing.wanting(self.tx, self.me, GROUP):
                self.fetch(user)
        return None

    def fetch(self, user: UserId) -> None:
        """Bundles of somebody's devices."""
        bundles = tuple(device.bundle for device in self.world.devices_of(user))
        if bundles:
            found = Bundles(user, self.world.humans[user].identity.public, bundles)
            sealing.learn_bundles(self.tx, self.me, found)

    def send_direct(self, row: Row) -> None:
        """A 1:1 send: a request for a key, or the answer to one."""
        self.fetch(row.peer)
        sealed = row.sealed or getattr(sealing.seal(self.tx, self.me, row), "sealed", None)
        self.tx.outgoing.remove(row.peer, row.ordinal)
        if sealed is None:
            return
        for part in pb.Send.FromString(sealed).contents:
            envelope = pb.Envelope(
                sender=self.human.user,
                sender_device=self.id[1],
                sender_registration_id=self.registration,
                message_id=row.id,
                type=part.type,
                content=part.content,
            )
            there = self.world.device(row.peer, part.device_id)
            if there is not None and there.registration == part.registration_id:
                there.put(pb.Item(envelope=envelope))

    # --- reading --------------------------------------------------------------------------------

    def put(self, item: pb.Item) -> None:
        """Into the inbox, at its next position."""
        item = pb.Item.FromString(item.SerializeToString())
        item.position.CopyFrom(pb.Position(epoch=1, seq=len(self.items) + 1))
        follows = pb.Position(epoch=1, seq=len(self.items)) if self.items else pb.Position()
        item.follows.CopyFrom(follows)
        self.items.append(item)

    @property
    def at(self) -> int:
        return self.tx.settings.position().seq

    @property
    def waiting(self) -> list[pb.Item]:
        return self.items[self.at :]

    def takes(self, items: list[pb.Item]) -> None:
        """What the wire brings, in whatever order; and what comes of it."""
        frames = [pb.ServerFrame(item=item) for item in items]
        taken = mailbox.take(self.tx, self.me, frames, _confirm)
        self._give_out(taken)

    def _give_out(self, outcome: Outcome) -> None:
        self.events += outcome.events
        self.shown += [
            event.message.id
            for event in outcome.events
            if isinstance(event, MessageReceived | MessageSynced)
        ]
        for row in outcome.queued:
            self.send_direct(row)
        for group in outcome.behind:
            self._catch_up(group)

    def _catch_up(self, group: GroupId) -> None:
        known = self.tx.groups.get(group)
        records = self.world.records[known.version if known else 0 :]
        outcome = Outcome()
        follow_records(self.tx, self.me, group, records, outcome)
        assert not outcome.behind, "the whole chain was there"
        self._give_out(outcome)

    def history(self) -> list[MessageId]:
        page = self.tx.messages.page(CONVERSATION, 10_000, None)
        return [message.id for message in page if message.text]


@dataclass(frozen=True)
class Stood:
    """A message in the group's order, and who were members then."""

    id: MessageId
    writer: GroupDevice
    content: bytes
    readers: frozenset[UserId]


@dataclass
class Order:
    """The server, and everybody's devices."""

    now: float = 1_700_000_000.0
    group: Membership = field(default_factory=lambda: chain.founded(GROUP))
    records: list[bytes] = field(default_factory=list)
    humans: dict[UserId, Human] = field(default_factory=dict)
    devices: list[GroupDevice] = field(default_factory=list)
    stood: list[Stood] = field(default_factory=list)
    lose_keys_of: set[tuple[UserId, int]] = field(default_factory=set)
    _places: "count[int]" = field(default_factory=lambda: count(1))

    def add_device(self, human: Human, number: int = 1, registration: int = 1) -> GroupDevice:
        self.humans[human.user] = human
        device = GroupDevice(self, human, number, registration)
        self.devices.append(device)
        return device

    def devices_of(self, user: UserId) -> list[GroupDevice]:
        return [device for device in self.devices if device.human.user == user]

    def device(self, user: UserId, number: int) -> GroupDevice | None:
        return next((d for d in self.devices_of(user) if d.id[1] == number), None)

    def change(self, human: Human, what: What) -> None:
        """Raises SignetError where the rules refuse it."""
        record = human.signs(self.group, what)
        before, (self.group, _) = self.group, chain.follow(self.group, record)
        self.records.append(record)
        item = pb.GroupChanged(group=GROUP, record=record)
        self._place(pb.Item(group_changed=item), {*before.members, *self.group.members})

    def judge(self, sender: GroupDevice, send: pb.GroupSend) -> pb.GroupMismatch | None:
        """Take it (None), or say how the group is; without members: the sender is none."""
        if sender.human.user not in self.group.members:
            return pb.GroupMismatch()
        now = self._listed()
        if (send.membership, send.devices) != (self.group.membership, devices_digest(now)):
            return self._mismatch(now)
        if send.content:
            readers = frozenset(self.group.members)
            self.stood.append(Stood(MessageId(send.message_id), sender, send.content, readers))
        message = pb.GroupMessage(
            group=GROUP,
            membership=self.group.membership,
            sender=sender.human.user,
            sender_device=sender.id[1],
            sender_registration_id=sender.registration,
            message_id=send.message_id,
            content=send.content,
        )
        keys = {(UserId(key.user), key.device_id): key for key in send.keys}
        self._place(pb.Item(group_message=message), set(self.group.members), sender, keys)
        return None

    def _place(
        self,
        item: pb.Item,
        to: set[UserId],
        sender: GroupDevice | None = None,
        keys: dict[tuple[UserId, int], pb.GroupKey] | None = None,
    ) -> None:
        wire = item.group_message if item.HasField("group_message") else item.group_changed
        wire.at.CopyFrom(pb.Position(epoch=1, seq=next(self._places)))
        for device in self.devices:
            if device.human.user not in to:
                continue
            copy = pb.Item.FromString(item.SerializeToString())
            if device is sender:
                copy.group_message.content = b""
            key = (keys or {}).get(device.id)
            if key is not None and device.id in self.lose_keys_of:
                self.lose_keys_of.discard(device.id)
            elif key is not None:
                copy.group_message.key.CopyFrom(key)
            device.put(copy)

    def _listed(self) -> dict[UserId, dict[int, int]]:
        found: dict[UserId, dict[int, int]] = {user: {} for user in self.group.members}
        for device in self.devices:
            if device.human.user in found:
                found[device.human.user][device.id[1]] = device.registration
        return found

    def _mismatch(self, now: dict[UserId, dict[int, int]]) -> pb.GroupMismatch:
        members = [
            pb.MemberDevices(
                user=user,
                devices=[pb.MemberDevice(device_id=d, registration_id=r) for d, r in those.items()],
            )
            for user, those in now.items()
        ]
        return pb.GroupMismatch(membership=self.group.membership, members=members)

    def deliver_all(self) -> None:
        """Until nothing waits: what is asked for and answered comes too."""
        while any(device.waiting for device in self.devices):
            for device in self.devices:
                device.takes(device.waiting)
