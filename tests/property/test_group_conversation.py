"""A group in which people come and go, on wires that lose, repeat and reorder, in virtual time.

One order on every device; nothing after a removal can be decrypted, not with all keys that the
removed one ever had; every message that was answered SENT is shown once by each member of that
place in the order, on each device that was theirs then.
"""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from signet.core.errors import SignetError
from signet.core.ids import MessageId, UserId
from signet.core.membership import Add, Create, Leave, Remove, SetAdministrator
from signet.e2e import SENDER_KEY, Ciphertext, E2eError, SenderKeyRecord, group_decrypt
from tests.support.group_devices import GroupDevice, Order
from tests.support.group_people import GROUP, Human

NAMES = ("alice", "bob", "carol", "dave")
names = st.sampled_from(NAMES)


class Group(RuleBasedStateMachine):
    @initialize()
    def meet(self) -> None:
        self.world = Order()
        self.people = {name: Human(name) for name in NAMES}
        for human in self.people.values():
            self.world.add_device(human)
        others = tuple(self.people[name].key for name in NAMES[1:3])
        self.world.change(self.people["alice"], Create(others))
        self.world.deliver_all()
        self.written = 0
        self.sent: list[MessageId] = []
        self.stolen: list[tuple[int, UserId, SenderKeyRecord]] = []
        self.began = {device.name: 0 for device in self.world.devices}

    def device(self, name: str, which: int) -> GroupDevice:
        devices = self.world.devices_of(self.people[name].user)
        return devices[which % len(devices)]

    @rule(name=names, which=st.integers(0, 2), answers=st.booleans())
    def write(self, name: str, which: int, answers: bool) -> None:
        device = self.device(name, which)
        if device.tx.groups.get(GROUP) is None or not self.is_up_to_date(device):
            return
        self.written += 1
        last = device.history()[-1:] if answers else []
        message_id = device.write(f"{self.written}", last[0] if last else None)
        if message_id is not None:
            self.sent.append(message_id)

    def is_up_to_date(self, device: GroupDevice) -> bool:
        """Else the SDK waits for the change that is on its way to it."""
        known = device.tx.groups.get(GROUP)
        return known is not None and known.membership == self.world.group.membership

    @rule(by=names, whom=names)
    def add(self, by: str, whom: str) -> None:
        with suppress(SignetError):
            self.world.change(self.people[by], Add((self.people[whom].key,)))

    @rule(by=names, whom=names)
    def remove(self, by: str, whom: str) -> None:
        goes = self.people[whom].user
        if goes in self.world.group.members:
            self.steal_all_keys_of(goes)
        with suppress(SignetError):
            self.world.change(self.people[by], Remove((goes,)))

    @rule(name=names)
    def leave(self, name: str) -> None:
        with suppress(SignetError):
            self.world.change(self.people[name], Leave())

    @rule(by=names, whom=names)
    def make_administrator(self, by: str, whom: str) -> None:
        with suppress(SignetError):
            change = SetAdministrator(self.people[whom].user, administrator=True)
            self.world.change(self.people[by], change)

    def steal_all_keys_of(self, user: UserId) -> None:
        """What a device that is about to be removed can read with, copied beside its store."""
        for device in self.world.devices_of(user):
            device.takes(device.waiting)
            for other in self.world.devices:
                record = device.tx.group_keys.of(GROUP, *other.id)
                if record is not None:
                    self.stolen.append((len(self.world.stood), user, record))

    @rule(name=names, number=st.integers(2, 3))
    def link_a_device(self, name: str, number: int) -> None:
        if self.world.device(self.people[name].user, number) is None:
            device = self.world.add_device(self.people[name], number)
            self.began[device.name] = len(self.world.stood)

    @rule(name=names)
    def register_anew(self, name: str) -> None:
        """A device is gone, and another has its number."""
        old = self.device(name, 0)
        self.steal_all_keys_of(old.human.user)
        self.world.devices.remove(old)
        device = self.world.add_device(old.human, old.id[1], old.registration + 1)
        self.began[device.name] = len(self.world.stood)

    @rule(name=names, which=st.integers(0, 2), order=st.lists(st.integers(0, 9), max_size=12))
    def some_items_arrive(self, name: str, which: int, order: list[int]) -> None:
        """Lost, repeated and in any order; what is missing is read again, from its position."""
        device = self.device(name, which)
        there = device.items[max(0, device.at - 3) :]
        device.takes([there[at % len(there)] for at in order if there])

    @precondition(lambda self: len(self.sent) > 0)
    @rule(name=names, which=st.integers(0, 2))
    def a_sender_key_is_lost(self, name: str, which: int) -> None:
        self.world.lose_keys_of.add(self.device(name, which).id)

    @rule()
    def all_arrives(self) -> None:
        self.world.deliver_all()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.lose_keys_of.clear()
        self.world.deliver_all()
        self.world.now += 10.0
        for device in self.world.devices:
            self.check_one_device(device)
        self.check_the_removed()

    def check_one_device(self, device: GroupDevice) -> None:
        stood = self.world.stood
        mine = [at for at in range(len(stood)) if device.human.user in stood[at].readers]
        mine = [at for at in mine if at >= self.began[device.name]]
        wanted = [stood[at].id for at in mine]
        taken = set(self.sent)
        history = [one for one in device.history() if one in taken]
        assert history == [one for one in wanted if one in set(history)], "another order"
        lost = [at for at in mine if stood[at].id not in history]
        assert not [at for at in lost if self.could_be_had(stood[at].writer)]
        others = [stood[at].id for at in mine if stood[at].writer is not device]
        assert sorted(device.shown) == sorted(one for one in others if one in history)

    def could_be_had(self, writer: GroupDevice) -> bool:
        """Whether a key that was lost can be asked for: its device is still there, and a member."""
        return writer in self.world.devices and writer.human.user in self.world.group.members

    def check_the_removed(self) -> None:
        """With every key that they had when they went, nothing opens that came afterwards."""
        for at, user, record in self.stolen:
            for later in self.world.stood[at:]:
                if user in later.readers:
                    continue
                with pytest.raises(E2eError):
                    group_decrypt(record, GROUP, Ciphertext(SENDER_KEY, later.content))


Group.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

TestGroup = Group.TestCase
