"""Gateways come and go: who is asked to move is who belongs elsewhere by the ring, slowly, once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from signet.core.errors import Code, SignetError
from signet.core.ids import UserId
from signet.core.limits import MOVE_QUIET, REBALANCE_LOOK, REBALANCE_PART, REBALANCE_RATE, TICK
from signet.core.ring import Ring
from signet.ports.members import Member
from tests.support.gateways import record
from tests.support.one_gateway import Edge, Place

FEW = settings(max_examples=6, deadline=None)
USERS = [UserId(number.to_bytes(16, "big")) for number in range(240)]
GATEWAYS = st.integers(2, 5).map(lambda count: [f"gateway-{n}" for n in range(count)])


def public(name: str) -> str:
    return f"wss://{name}.test/v1/connect {name}.test:7401"


def listed(*names: str, accepts: float = 1_000.0) -> list[Member]:
    return [record(name, public=public(name), accepts=accepts) for name in names]


class Crowd:
    """Streams of many users at gateway-0, which is alone at first."""

    def __init__(self, users: list[UserId] = USERS) -> None:
        self.place = Place()
        self.edges = {user: self.place.stream_of(user) for user in users}

    def see(self, members: list[Member]) -> None:
        self.place.hub.neighbours.see(members, self.place.now)

    def asked(self) -> dict[UserId, list[str]]:
        found = {user: [r.to for r in edge.of("reconnect")] for user, edge in self.edges.items()}
        return {user: to for user, to in found.items() if to}

    def wait(self, seconds: float) -> list[int]:
        """How many were asked in all, after each tick."""
        counts = []
        for _ in range(int(seconds / TICK)):
            self.place.pass_time(TICK)
            counts.append(self.place.hub.strays.asked)
        return counts


@FEW
@given(GATEWAYS)
def test_those_who_belong_at_another_gateway_are_asked_once_and_nobody_else(
    names: list[str],
) -> None:
    crowd, ring = Crowd(), Ring(names)
    crowd.see(listed(*names))
    crowd.wait(MOVE_QUIET + len(USERS) / REBALANCE_RATE + 60)
    expected = {
        user: [public(home).split()[0]]
        for user in USERS
        if (home := ring.at(user)) and home != "gateway-0"
    }
    assert crowd.asked() == expected
    share = len(USERS) / len(names)
    assert len(USERS) - 2 * share < len(expected) < len(USERS) - share / 2


@FEW
@given(GATEWAYS)
def test_when_one_more_joins_only_its_own_are_asked_about_it(names: list[str]) -> None:
    before, after = Ring(names), Ring([*names, "new"])
    crowd = Crowd([user for user in USERS if before.at(user) == "gateway-0"])
    crowd.see(listed(*names))
    crowd.wait(MOVE_QUIET + 1)
    assert crowd.asked() == {}
    crowd.see(listed(*names, "new"))
    crowd.wait(MOVE_QUIET + len(USERS) / REBALANCE_RATE + 60)
    moved = {user for user in crowd.edges if after.at(user) == "new"}
    assert crowd.asked() == {user: [public("new").split()[0]] for user in moved}
    assert len(moved) < 2.5 * len(crowd.edges) / (len(names) + 1) + 10  # about 1/N


@FEW
@given(st.floats(1, 1_000), st.integers(1, 4))
def test_no_more_are_asked_in_a_second_than_the_rate_and_the_targets_part(
    accepts: float, others: int
) -> None:
    crowd = Crowd()
    crowd.see(listed(*(f"gateway-{n}" for n in range(others + 1)), accepts=accepts))
    counts = crowd.wait(MOVE_QUIET + 20)
    ticks = int(1 / TICK)
    seconds = [after - before for before, after in zip(counts, counts[ticks:], strict=False)]
    part = accepts * REBALANCE_PART  # a share for each other gateway, and so many targets
    assert max(seconds) <= min(REBALANCE_RATE + REBALANCE_RATE * TICK, part + 2 * others) + 1


def test_nobody_is_asked_before_the_ring_has_been_quiet() -> None:
    crowd = Crowd()
    for count in range(2, 6):
        crowd.see(listed(*(f"gateway-{n}" for n in range(count))))
        assert crowd.wait(MOVE_QUIET - 2 * TICK)[-1] == 0
    assert crowd.wait(1)[-1] > 0


def test_a_gateway_that_drains_leaves_the_asking_to_its_drain() -> None:
    crowd = Crowd()
    crowd.place.hub.refusing = Code.DRAINING
    crowd.place.hub.neighbours.leave(crowd.place.now)
    crowd.see(listed("gateway-0", "gateway-1"))
    assert crowd.wait(MOVE_QUIET + 5)[-1] == 0


def test_who_was_told_and_stayed_is_told_again_when_somebody_asks_for_a_rebalance() -> None:
    crowd = Crowd(USERS[:20])  # few, and soon: who says nothing for long is closed
    crowd.see(listed("gateway-0", "gateway-1"))
    first = crowd.wait(MOVE_QUIET + 5)[-1]
    assert first > 0
    assert crowd.wait(2)[-1] == first  # nobody is told twice by itself
    crowd.place.hub.strays.again()
    assert crowd.wait(5)[-1] == 2 * first


def test_a_gateway_that_takes_nobody_is_not_sent_any_until_it_does() -> None:
    crowd = Crowd()
    crowd.see(listed("gateway-0", "gateway-1", accepts=0.0))
    assert crowd.wait(MOVE_QUIET + 5)[-1] == 0
    crowd.see(listed("gateway-0", "gateway-1"))
    assert crowd.wait(2)[-1] > 0


def test_without_public_addresses_nothing_moves() -> None:
    crowd = Crowd()
    crowd.see([record("gateway-0"), record("gateway-1")])
    assert crowd.wait(MOVE_QUIET + 5)[-1] == 0
    assert crowd.asked() == {}


def test_a_newcomer_hears_where_it_belongs_in_its_welcome() -> None:
    place, ring = Place(), Ring(["gateway-0", "gateway-1"])
    place.hub.neighbours.see(listed("gateway-0", "gateway-1"), place.now)
    for user, transport in ((user, kind) for user in USERS[:20] for kind in ("websocket", "grpc")):
        place.now += 1.0
        edge = place.stream_of(user, transport)
        addresses = dict(zip(("websocket", "grpc"), public("gateway-1").split(), strict=True))
        expected = "" if ring.at(user) == "gateway-0" else addresses[transport]
        assert welcome(edge) == expected


def test_a_storm_of_newcomers_is_not_sent_on_as_a_storm_and_the_rest_are_told_later() -> None:
    place = Place()
    place.hub.neighbours.see(listed("gateway-0", "gateway-1", accepts=20.0), place.now)
    edges = [place.stream_of(user) for user in USERS]
    assert sum(welcome(edge) != "" for edge in edges) <= 3
    for _ in range(int(90 / TICK)):
        place.pass_time(TICK)
    strays = [user for user in USERS if Ring(["gateway-0", "gateway-1"]).at(user) == "gateway-1"]
    told = [edge for edge in edges if welcome(edge) or edge.of("reconnect")]
    assert len(told) == len(strays)


def test_who_does_not_know_reconnect_stays() -> None:
    crowd = Crowd([])
    for user in USERS[:50]:
        crowd.edges[user] = crowd.place.stream_of(user, capabilities=[])
    crowd.see(listed("gateway-0", "gateway-1"))
    crowd.wait(MOVE_QUIET + 5)
    assert all(edge.kinds == ["welcome"] for edge in crowd.edges.values())


def test_streams_that_are_gone_are_not_kept_in_mind() -> None:
    place = Place()
    place.hub.neighbours.see(listed("gateway-0", "gateway-1", accepts=0.0), place.now)
    for _ in range(28):
        for user in USERS[:200]:
            place.stream_of(user)
        for session in list(place.hub.sessions.values()):
            session.fault(SignetError(Code.DISPLACED))
        place.pass_time(TICK)
        assert place.hub.strays.waiting <= 2 * REBALANCE_LOOK


def welcome(edge: Edge) -> str:
    (found,) = edge.of("welcome")
    return str(found.better_address)
