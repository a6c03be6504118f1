"""Rules E1–E4 of signet_operator/leader.py, in virtual time, with a store that may be away."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from signet_operator.leader import Leader, Record

LEASE_S = 15.0


@dataclass
class Leases:
    """The Lease object, as the API server keeps it: compared by version, written whole."""

    record: Record | None = None
    away: bool = False
    versions: int = 0

    def read(self) -> Record | None:
        if self.away:
            raise OSError
        return self.record

    def write(self, holder: str, seconds: int, seen: Record | None) -> bool:
        if self.away:
            raise OSError
        if seen != self.record:
            return False
        self.versions += 1
        self.record = Record(holder, seconds, str(self.versions))
        return True


@dataclass
class Replica:
    """One operator. `at` is its own clock; `events` what it was told."""

    leases: Leases
    name: str
    now: list[float]
    events: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.leader = Leader(
            self.leases,
            self.name,
            LEASE_S,
            lost=self.events.append,
            gained=lambda: self.events.append("gained"),
            clock=lambda: self.now[0],
        )

    def step(self) -> bool:
        self.leader.step()
        return self.leader.leads


def two() -> tuple[Leases, list[float], Replica, Replica]:
    leases, now = Leases(), [100.0]
    return leases, now, Replica(leases, "one", now), Replica(leases, "two", now)


def test_the_first_to_ask_leads_and_the_other_waits() -> None:
    _, _, one, two_ = two()
    assert one.step()
    assert not two_.step()
    assert one.events == ["gained"]


def test_a_leader_that_is_gone_is_followed_when_its_lease_has_run_out() -> None:
    _, now, one, other = two()
    one.step()
    other.step()
    now[0] += LEASE_S - 0.1
    assert not other.step()
    now[0] += 0.2
    assert other.step()


def test_a_leader_that_was_stopped_past_its_lease_does_not_write_and_ends() -> None:
    _, now, one, other = two()
    one.step()
    other.step()
    now[0] += LEASE_S + 1
    assert not one.leader.leads  # before it has asked anybody
    assert other.step()
    one.step()
    assert one.events[-1] == "the lease was not renewed in time"
    assert not one.leader.leads


def test_a_store_that_is_away_ends_leadership_before_another_can_take_it() -> None:
    leases, now, one, _ = two()
    one.step()
    leases.away = True
    now[0] += LEASE_S * 0.7
    assert one.step()  # still within what was granted
    now[0] += LEASE_S * 0.2
    assert not one.leader.leads
    one.step()
    assert one.events[-1] == "the lease was not renewed in time"


def test_a_lease_that_is_given_back_is_taken_within_a_second() -> None:
    _, now, one, other = two()
    one.step()
    other.step()
    one.leader.give_back()
    assert not one.leader.leads
    now[0] += 1.0
    assert other.step()


def test_a_new_life_under_an_old_name_waits_for_the_old_ones_lease() -> None:
    leases, now, one, _ = two()
    one.step()
    again = Replica(leases, "one", now)
    assert not again.step()
    now[0] += LEASE_S
    assert again.step()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["one", "two", "away", "back"]), st.floats(min_value=0, max_value=20)
        ),
        max_size=60,
    )
)
def test_there_are_never_two_leaders(happens: list[tuple[str, float]]) -> None:
    """Whoever is stopped, for however long, and whenever the API is away."""
    leases, now, one, other = two()
    alive = {"one": one, "two": other}
    for what, wait in happens:
        now[0] += wait
        if what in alive:
            if any(event != "gained" for event in alive[what].events):
                alive[what] = Replica(leases, what, now)  # its process ended (E3) and began again
            alive[what].step()
        else:
            leases.away = what == "away"
        assert not (one.leader.leads and other.leader.leads)
        assert sum(replica.leader.leads for replica in alive.values()) <= 1
