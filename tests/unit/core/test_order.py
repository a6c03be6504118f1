"""M3-M6 of the protocol, O1-O3: which sends an owner takes, and which answers it gives again."""

from signet.core.errors import Code
from signet.core.ids import DeviceAddress, DeviceId, MessageId, ShardId, UserId
from signet.core.limits import MAX_UNANSWERED, REMEMBERED_BELOW_BASE
from signet.core.link import Answer, Send
from signet.core.order import Again, Conversations, Key, Take, Verdict

ALICE, BOB = (UserId(name.ljust(16, b"_")) for name in (b"alice", b"bob"))
SENDER = DeviceAddress(DeviceId(ALICE, 1), 11, 1)
KEY = Key(SENDER, BOB)
BYTES, OTHER_BYTES = b"d" * 16, b"e" * 16


def shard(user: UserId) -> ShardId:
    return ShardId(user[0])


def message(ordinal: int) -> MessageId:
    return MessageId(ordinal.to_bytes(16, "big"))


def send(ordinal: int, base: int, *, digest: bytes = BYTES, id_: MessageId | None = None) -> Send:
    return Send(id_ or message(ordinal), BOB, ordinal, base, (), digest)


def offer(owner: Conversations, ordinal: int, base: int) -> Verdict:
    """Judge a send, and take it if that is the verdict; its append stays under way."""
    verdict = owner.judge(KEY, send(ordinal, base))
    if isinstance(verdict, Take):
        owner.taken(KEY, send(ordinal, base))
    return verdict


def answered(owner: Conversations, ordinal: int) -> Answer:
    answer = Answer(message(ordinal), ordinal, 1000 + ordinal)
    owner.durable(KEY, answer)
    return answer


def restored(*ordinals: int) -> Conversations:
    """An owner that found these in the store."""
    owner = Conversations(shard)
    for ordinal in ordinals:
        answer = Answer(message(ordinal), ordinal, 1000 + ordinal)
        owner.restore(KEY, ordinal, BYTES, answer)
    return owner


def test_the_first_send_is_taken_if_it_equals_its_base() -> None:
    assert offer(Conversations(shard), 7, 7) == Take()


def test_an_owner_that_remembers_nothing_refuses_what_is_above_its_base() -> None:
    assert offer(Conversations(shard), 8, 7) is Code.OUT_OF_ORDER  # M4


def test_the_next_ordinal_is_taken_while_earlier_ones_are_under_way() -> None:
    owner = Conversations(shard)
    assert [offer(owner, n, 1) for n in (1, 2, 3)] == [Take()] * 3


def test_a_hole_is_out_of_order_until_the_base_says_that_it_was_refused_for_good() -> None:
    owner = Conversations(shard)
    offer(owner, 1, 1)
    assert offer(owner, 3, 1) is Code.OUT_OF_ORDER
    assert offer(owner, 3, 3) == Take()  # M5


def test_a_refusal_does_not_advance_what_is_next() -> None:
    owner = Conversations(shard)
    offer(owner, 1, 1)
    assert owner.judge(KEY, send(2, 1)) == Take()  # and then it is refused by another check
    assert offer(owner, 3, 1) is Code.OUT_OF_ORDER
    assert offer(owner, 2, 1) == Take()


def test_a_retry_gets_the_same_answer() -> None:
    owner = Conversations(shard)
    offer(owner, 1, 1)
    answer = answered(owner, 1)
    assert offer(owner, 1, 1) == Again(answer)  # M3


def test_a_retry_whose_append_is_under_way_waits_for_it() -> None:
    owner = Conversations(shard)
    offer(owner, 1, 1)
    assert offer(owner, 1, 1) == Again(None)


def test_a_retry_may_have_another_ordinal_and_base() -> None:
    owner = Conversations(shard)
    offer(owner, 1, 1)
    answer = answered(owner, 1)
    assert owner.judge(KEY, send(2, 2, id_=message(1))) == Again(answer)


def test_the_same_id_with_other_bytes_is_refused() -> None:
    owner = Conversations(shard)
    offer(owner, 1, 1)
    assert owner.judge(KEY, send(1, 1, digest=OTHER_BYTES)) is Code.ID_REUSED  # O1
    assert owner.judge(KEY, send(2, 1, digest=OTHER_BYTES, id_=message(1))) is Code.ID_REUSED


def test_conversations_of_other_senders_registrations_and_recipients_are_others() -> None:
    owner = Conversations(shard)
    offer(owner, 1, 1)
    for sender, to in (
        (DeviceAddress(DeviceId(ALICE, 2), 11, 1), BOB),
        (DeviceAddress(DeviceId(ALICE, 1), 12, 1), BOB),
        (DeviceAddress(DeviceId(ALICE, 1), 11, 2), BOB),
        (SENDER, ALICE),
    ):
        assert owner.judge(Key(sender, to), send(1, 1, digest=OTHER_BYTES)) == Take()


def test_so_many_may_be_unanswered_and_no_more() -> None:
    owner = Conversations(shard)
    for ordinal in range(1, MAX_UNANSWERED + 1):
        assert offer(owner, ordinal, 1) == Take()
    assert offer(owner, MAX_UNANSWERED + 1, 1) is Code.TOO_MANY_UNANSWERED  # M6
    answered(owner, 1)
    assert offer(owner, MAX_UNANSWERED + 1, 2) == Take()


def test_what_is_below_the_highest_base_is_not_taken_late() -> None:
    owner = Conversations(shard)
    offer(owner, 1, 1)
    answered(owner, 1)
    offer(owner, 3, 3)  # 2 was given up
    assert offer(owner, 2, 2) is Code.OUT_OF_ORDER


def test_a_few_answers_below_the_base_are_kept_to_tell_an_id_that_is_used_twice() -> None:
    owner = Conversations(shard)
    for ordinal in range(1, 11):
        offer(owner, ordinal, ordinal)
        answered(owner, ordinal)
    kept = [n for n in range(1, 11) if isinstance(owner.judge(KEY, send(n, 10)), Again)]
    assert kept == [*range(10 - REMEMBERED_BELOW_BASE, 10), 10]


def test_what_is_under_way_is_never_forgotten_even_below_the_base() -> None:
    owner = Conversations(shard)
    for ordinal in range(1, 11):
        offer(owner, ordinal, ordinal)
    assert offer(owner, 1, 1) == Again(None)


def test_what_an_earlier_life_took_is_answered_again() -> None:
    owner = restored(4, 5)
    assert offer(owner, 4, 4) == Again(Answer(message(4), 4, 1004))  # O2
    assert offer(owner, 6, 4) == Take()


def test_what_was_acknowledged_before_this_life_is_taken_again_from_the_base() -> None:
    owner = restored(5)  # 3 and 4 were delivered, their answers were lost
    assert offer(owner, 3, 3) == Take()  # the receiver drops the double; or its sender stops (O2)
    assert offer(owner, 4, 3) == Take()
    assert offer(owner, 5, 3) == Again(Answer(message(5), 5, 1005))
    assert offer(owner, 6, 3) == Take()


def test_what_was_acknowledged_before_this_life_goes_again_in_order_only() -> None:
    assert offer(restored(5), 4, 3) is Code.OUT_OF_ORDER


def test_the_longest_silent_conversation_is_forgotten_first() -> None:
    owner = Conversations(shard, most=2)
    keys = [Key(SENDER, UserId(bytes([n]) * 16)) for n in (1, 2, 3)]
    for key in keys:
        owner.taken(key, send(5, 5))
        owner.durable(key, Answer(message(5), 5, 1))
    verdicts = [owner.judge(key, send(6, 5)) for key in keys]
    assert verdicts == [Code.OUT_OF_ORDER, Take(), Take()]


def test_a_conversation_with_an_append_under_way_is_not_forgotten() -> None:
    owner = Conversations(shard, most=1)
    other = Key(SENDER, ALICE)
    owner.taken(KEY, send(1, 1))
    owner.taken(other, send(1, 1))
    assert owner.judge(KEY, send(1, 1)) == Again(None)


def test_a_shard_that_is_given_away_takes_its_conversations_along_and_no_others() -> None:
    """Also one that was forgotten meanwhile for lack of room, and one that has begun again."""
    owner = Conversations(shard, most=2)
    carol, dave = (UserId(name.ljust(16, b"_")) for name in (b"carol", b"dave"))
    keys = [Key(SENDER, to) for to in (BOB, carol, dave)]
    for key in keys:  # the first has no room beside the third
        owner.taken(key, send(5, 5))
        owner.durable(key, Answer(message(5), 5, 1))
    assert owner.judge(keys[0], send(6, 5)) is Code.OUT_OF_ORDER  # nothing is remembered
    owner.forget([shard(BOB), shard(carol)])
    assert owner.judge(keys[1], send(6, 5)) is Code.OUT_OF_ORDER
    assert owner.judge(keys[2], send(6, 5)) == Take()
    owner.taken(keys[1], send(5, 5))
    owner.forget([shard(carol)])
    owner.forget([shard(carol)])
    assert owner.judge(keys[1], send(6, 5)) is Code.OUT_OF_ORDER
