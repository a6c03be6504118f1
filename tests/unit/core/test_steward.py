"""What a router does about shards, rule by rule (durability.md L2, L4–L6)."""

from collections.abc import Mapping

import pytest

from signet.core import limits
from signet.core.ids import Epoch, Incarnation, ShardId
from signet.core.steward import Candidate, Row, Steps, Steward

SHARDS = 4
ME, ANNA, BERT = (Incarnation(name.ljust(16, b".")) for name in (b"me", b"anna", b"bert"))
DEAD_AFTER = limits.LEASE + limits.LEASE_DRIFT


class Looking:
    """A steward, and the world as it sees it."""

    def __init__(self, *, alone: bool = False) -> None:
        self.steward = Steward("me", ME, SHARDS, alone=alone)
        self.rows = {shard: Row(ShardId(shard), None, Epoch(0)) for shard in range(SHARDS)}
        self.leases: dict[Incarnation, int | None] = {ME: 1}
        self.routers: list[Candidate] = []
        self.held: dict[ShardId, Epoch] = {}
        self.now = 0.0

    def owns(self, owner: Incarnation | None, epoch: int, *shards: int) -> None:
        for shard in shards:
            self.rows[shard] = Row(ShardId(shard), owner, Epoch(epoch))

    def hold(self, epoch: int, *shards: int) -> None:
        self.owns(ME, epoch, *shards)
        self.held |= {ShardId(shard): Epoch(epoch) for shard in shards}

    def joins(self, name: str, incarnation: Incarnation, *, ready: bool = True) -> None:
        self.routers.append(Candidate(name, incarnation, ready))
        self.leases[incarnation] = 1

    def look(self, after: float = 1.0, room: int = 100) -> Steps:
        self.now += after
        return self.steward.look(
            self.now, self.rows.values(), self.leases, self.routers, self.held, room
        )

    def given(self, steps: Steps) -> dict[Incarnation, int]:
        return {taker: len(shards) for taker, shards in steps.release.items()}


@pytest.fixture
def at() -> Looking:
    return Looking()


def everything(steps: Steps) -> Mapping[str, object]:
    return {name: getattr(steps, name) for name in steps.__dataclass_fields__}


def test_a_single_router_takes_what_nobody_owns(at: Looking) -> None:
    assert at.look().take == [0, 1, 2, 3]


def test_an_owner_is_dead_only_after_its_counter_stood_still_for_lease_and_drift(
    at: Looking,
) -> None:
    """L2: counted from when this router itself first saw the counter."""
    at.joins("anna", ANNA)
    at.owns(ANNA, 3, 0, 1, 2, 3)
    assert at.look().bury == []
    assert at.look(DEAD_AFTER - 0.1).bury == []
    steps = at.look(0.2)
    assert steps.bury == [(ANNA, 1)]
    assert steps.take == []  # it is marked first; the row of its lease says so


def test_a_renewal_begins_the_wait_anew(at: Looking) -> None:
    at.joins("anna", ANNA)
    at.owns(ANNA, 3, 0)
    at.look()
    at.look(DEAD_AFTER - 0.1)
    at.leases[ANNA] = 2
    assert at.look(0.2).bury == []
    assert at.look(DEAD_AFTER - 0.1).bury == []


def test_the_shards_of_the_dead_are_taken_though_the_list_still_names_them(at: Looking) -> None:
    """L6: the rows say who owns what; a list that lags holds nothing up."""
    at.joins("anna", ANNA)
    at.owns(ANNA, 3, 0, 1, 2, 3)
    at.leases[ANNA] = None
    assert at.look().take == [0, 1, 2, 3]


def test_an_absence_from_the_list_releases_and_takes_nothing(at: Looking) -> None:
    at.leases[ANNA] = 1
    at.owns(ANNA, 3, 0, 1, 2, 3)
    at.look()
    at.leases[ANNA] = 2
    assert everything(at.look(60.0)) == everything(Steps(bury=[], adopt=[], give_again=[], take=[]))


def test_shards_go_to_a_router_that_joined_when_the_list_has_been_quiet(at: Looking) -> None:
    at.hold(1, 0, 1, 2, 3)
    at.look(100.0)
    at.joins("anna", ANNA)
    assert at.look().release == {}
    at.leases[ANNA] = 2
    steps = at.look(limits.REBALANCE_QUIET)
    assert list(steps.release) == [ANNA]
    assert 1 <= len(steps.release[ANNA]) <= 3


def test_no_more_are_given_away_than_there_is_room_for(at: Looking) -> None:
    at.hold(1, 0, 1, 2, 3)
    at.joins("anna", ANNA)
    at.steward.leaving = True
    assert at.given(at.look(room=3)) == {ANNA: 3}
    assert at.given(at.look(room=0)) == {}


def test_nothing_is_released_to_a_taker_that_is_not_ready_or_not_alive(at: Looking) -> None:
    """L6."""
    at.hold(1, 0, 1, 2, 3)
    at.joins("anna", ANNA, ready=False)
    at.joins("bert", BERT)
    at.leases[BERT] = None
    at.steward.leaving = True
    assert at.look(100.0).release == {}


def test_a_shard_that_has_just_come_does_not_go_back_at_once(at: Looking) -> None:
    at.joins("anna", ANNA)
    at.look(100.0)
    at.leases[ANNA] = 2
    at.hold(5, 0, 1, 2, 3)  # anna, who still looks ready, gave them away
    assert at.look().release == {}


def test_a_row_that_names_us_and_is_not_known_is_served(at: Looking) -> None:
    """L4: the answer to a take was lost."""
    at.owns(ME, 7, 2)
    assert at.look().adopt == [Row(ShardId(2), ME, Epoch(7))]


def test_a_release_that_is_not_in_the_row_is_made_again_and_never_served(at: Looking) -> None:
    """L4."""
    at.steward.given[ShardId(2)] = Epoch(7)
    at.owns(ME, 7, 2)
    steps = at.look()
    assert (steps.adopt, steps.give_again) == ([], [Row(ShardId(2), ME, Epoch(7))])
    at.owns(ME, 8, 2)  # taken again since
    assert at.look().adopt == [Row(ShardId(2), ME, Epoch(8))]


@pytest.mark.parametrize("owner", [ANNA, ME, None])
def test_a_newer_row_of_a_shard_that_is_served_ends_this_life(
    at: Looking, owner: Incarnation | None
) -> None:
    at.hold(3, 1)
    at.owns(owner, 4, 1)
    assert at.look().lost


def test_an_older_row_of_a_shard_that_is_served_is_old_news(at: Looking) -> None:
    at.hold(3, 1)
    at.owns(ANNA, 2, 1)
    at.leases[ANNA] = 1
    assert not at.look().lost


def test_a_shard_without_an_owner_is_taken_after_a_while_by_whoever_sees_it(at: Looking) -> None:
    at.joins("anna", ANNA)
    placed_here = set(at.look().take)
    assert placed_here < {0, 1, 2, 3}
    at.leases[ANNA] = 2
    assert set(at.look(limits.SHARD_ORPHANED).take) == {0, 1, 2, 3}


def test_a_router_that_leaves_takes_nothing(at: Looking) -> None:
    at.steward.leaving = True
    assert at.look(100.0).take == []
    assert at.look(100.0).take == []


def test_a_router_that_is_alone_waits_for_nobody() -> None:
    at = Looking(alone=True)
    at.leases[ANNA] = 9
    at.owns(ANNA, 3, 0)
    assert at.look().bury == [(ANNA, 9)]
