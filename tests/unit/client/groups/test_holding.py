"""An answer is shown after what it answers, and never much later than it came."""

from signet.client.events import Kind, MessageReceived
from signet.client.outcome import Outcome
from signet.client.reading import show_held
from signet.core.limits import HOLD_ANSWERS
from signet.core.membership import Create
from tests.support.group_devices import CONVERSATION, GroupDevice, Order
from tests.support.group_people import Human


class Three:
    """Alice, Bob and Carol in a group; Carol does not get Bob's key, and nobody answers her."""

    def __init__(self) -> None:
        self.world = Order()
        humans = [Human(name) for name in ("alice", "bob", "carol")]
        devices = [self.world.add_device(human) for human in humans]
        self.alice, self.bob, self.carol = devices
        self.world.change(humans[0], Create(tuple(human.key for human in humans[1:])))
        self.world.deliver_all()

    def carol_misses_the_question(self) -> None:
        self.world.lose_keys_of.add(self.carol.id)
        question = self.bob.write("who plays white?")
        self.alice.takes(self.alice.waiting)
        assert self.alice.write("I do", question)
        self.carol.takes(self.carol.waiting)


def held(device: GroupDevice) -> list[str]:
    """What is shown when time has passed."""
    outcome = Outcome()
    show_held(device.tx, device.me, outcome)
    received = [event for event in outcome.events if isinstance(event, MessageReceived)]
    return [event.message.text for event in received]


def texts(device: GroupDevice) -> list[str]:
    received = [event for event in device.events if isinstance(event, MessageReceived)]
    return [event.message.text for event in received]


def test_an_answer_waits_for_what_it_answers() -> None:
    three = Three()
    three.carol_misses_the_question()
    assert texts(three.carol) == []
    assert held(three.carol) == []
    three.bob.takes(three.bob.waiting)  # her request
    three.carol.takes(three.carol.waiting)  # the key, and the question
    assert texts(three.carol) == ["who plays white?", "I do"]
    history = three.carol.tx.messages.page(CONVERSATION, 10, None)
    assert [message.text for message in history] == ["who plays white?", "I do"]


def test_it_does_not_wait_for_long() -> None:
    three = Three()
    three.carol_misses_the_question()
    three.world.now += HOLD_ANSWERS / 2
    assert held(three.carol) == []
    three.world.now += HOLD_ANSWERS
    assert held(three.carol) == ["I do"]
    assert held(three.carol) == []
    history = three.carol.tx.messages.page(CONVERSATION, 10, None)
    assert [message.kind for message in history] == [Kind.UNDECRYPTABLE, Kind.TEXT]


def test_what_disappeared_meanwhile_is_not_waited_for() -> None:
    three = Three()
    three.carol_misses_the_question()
    three.carol.tx._db.execute("DELETE FROM messages")
    three.world.now += HOLD_ANSWERS * 2
    assert held(three.carol) == []
    assert three.carol.tx.group_lines.next_release() is None


def test_what_answers_nothing_does_not_wait() -> None:
    three = Three()
    three.world.lose_keys_of.add(three.carol.id)
    three.bob.write("who plays white?")
    three.alice.takes(three.alice.waiting)
    three.alice.write("nice weather")
    three.carol.takes(three.carol.waiting)
    assert texts(three.carol) == ["nice weather"]


def test_a_key_is_asked_for_three_times_at_the_most() -> None:
    three = Three()
    three.carol_misses_the_question()
    requests = len(three.bob.waiting)
    for _ in range(6):
        message = next(item for item in three.carol.items if item.group_message.content)
        again = type(message).FromString(message.SerializeToString())
        again.group_message.at.seq += 100 + len(three.carol.items)
        three.carol.tx.incoming.forget_seen(three.world.now * 2)
        three.carol.put(again)
        three.carol.takes(three.carol.waiting)
    assert len(three.bob.waiting) == requests + 2
