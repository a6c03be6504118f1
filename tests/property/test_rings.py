"""Both rings: agreement, balance, and how little moves when a member comes or goes."""

from math import ceil

from hypothesis import given, settings
from hypothesis import strategies as st

from signet.core.ids import UserId
from signet.core.limits import BOUNDED_LOAD
from signet.core.ring import Ring
from signet.core.shards import place, shard_of

NAMES = st.lists(st.integers(0, 500).map("router-{}".format), min_size=1, max_size=12, unique=True)
FEW = settings(max_examples=15, deadline=None)  # rings of a few thousand points each
USERS = [UserId(number.to_bytes(16, "big")) for number in range(2_000)]


@FEW
@given(NAMES, st.data())
def test_all_who_see_the_same_members_agree_whatever_their_order(
    names: list[str], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(names))
    assert [Ring(names).at(user) for user in USERS[:50]] == [
        Ring(shuffled).at(user) for user in USERS[:50]
    ]
    assert place(64, names) == place(64, shuffled)


@FEW
@given(NAMES)
def test_a_gateway_that_joins_takes_only_its_own_part(names: list[str]) -> None:
    before, after = Ring(names), Ring([*names, "new"])
    moved = [user for user in USERS if before.at(user) != after.at(user)]
    assert all(after.at(user) == "new" for user in moved)
    share = len(USERS) / (len(names) + 1)
    assert share / 2 < len(moved) < share * 2


@FEW
@given(NAMES)
def test_a_gateway_that_leaves_moves_only_its_own(names: list[str]) -> None:
    before, after = Ring(names), Ring(names[1:])
    for user in USERS:
        if before.at(user) != names[0]:
            assert after.at(user) == before.at(user)


def test_nobody_is_anywhere_on_an_empty_ring() -> None:
    assert Ring([]).at(USERS[0]) is None


@FEW
@given(NAMES)
def test_no_router_has_more_than_its_bounded_share(names: list[str]) -> None:
    placed = place(256, names)
    loads = [list(placed.values()).count(name) for name in names]
    assert set(placed) == set(range(256))
    assert max(loads) <= ceil((1 + BOUNDED_LOAD) * 256 / len(names))


@FEW
@given(NAMES)
def test_few_shards_move_when_a_router_joins_or_leaves(names: list[str]) -> None:
    """What must move is the share of the one who comes or goes; bounds make some others move."""
    with_it, without = place(256, [*names, "new"]), place(256, names)
    share = sum(name == "new" for name in with_it.values())
    moved = sum(with_it[shard] != without[shard] for shard in with_it)
    assert share <= moved <= share + 256 * BOUNDED_LOAD


def test_no_router_has_no_shards() -> None:
    assert place(256, []) == {}


def test_users_spread_over_shards() -> None:
    shards = [shard_of(user, 16) for user in USERS]
    assert all(80 < shards.count(shard) < 180 for shard in set(shards))
    assert len(set(shards)) == 16
