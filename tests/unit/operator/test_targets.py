"""How many pods each tier shall have: one writer of a pool by mode, bounds on the pool itself."""

from dataclasses import replace

from signet_operator import memory
from signet_operator.actions import SetPoolReplicas, Tell
from signet_operator.autoscale import Window
from signet_operator.names import Tier
from signet_operator.observed import Observed, Pod
from signet_operator.spec import Autoscaling, ClusterSpec, Mode
from signet_operator.targets import Targets, targets
from tests.unit.operator import clusters
from tests.unit.operator.looks import NOW, found, observed, pod, pool, report


def spec(mode: Mode, replicas: int = 3, minimum: int = 1, maximum: int = 6) -> ClusterSpec:
    auto = Autoscaling(mode=mode, minimum=minimum, maximum=maximum, target_connections=100)
    tiers = {kind: clusters.tier(kind, autoscaling=Autoscaling(maximum=6)) for kind in Tier}
    gateway = clusters.tier(Tier.GATEWAY, replicas=replicas, autoscaling=auto)
    return clusters.plain(tiers={**tiers, Tier.GATEWAY: gateway})


def aim(asked: ClusterSpec, seen: Observed, window: Window | None = None) -> Targets:
    windows = {Tier.GATEWAY: window} if window else {}
    return targets(asked, seen, windows, NOW, busy=False)


def with_pool(replicas: int, *pods: Pod) -> Observed:
    return observed(*pods, pools={Tier.GATEWAY: pool(replicas)})


def writes(found: Targets) -> list[int]:
    return [action.replicas for action in found.actions if isinstance(action, SetPoolReplicas)]


def test_fixed_is_what_the_cluster_says_whoever_wrote_the_pool() -> None:
    found = aim(spec(Mode.FIXED), with_pool(5))
    assert (found.pods[Tier.GATEWAY], writes(found)) == (3, [3])
    assert writes(aim(spec(Mode.FIXED), with_pool(3))) == []


def test_external_follows_the_pool_and_never_writes_what_is_in_bounds() -> None:
    found = aim(spec(Mode.EXTERNAL), with_pool(5))
    assert (found.pods[Tier.GATEWAY], writes(found)) == (5, [])


def test_zero_from_outside_becomes_the_minimum_and_it_is_said() -> None:
    found = aim(spec(Mode.EXTERNAL, minimum=2), with_pool(0))
    assert (found.pods[Tier.GATEWAY], writes(found)) == (2, [2])
    (told,) = [action for action in found.actions if isinstance(action, Tell)]
    assert told.reason == "ReplicasOutOfBounds"
    assert "was set to 0; it is 2 now" in told.message
    assert writes(aim(spec(Mode.EXTERNAL), with_pool(99))) == [6]


def test_a_change_of_mode_changes_no_number() -> None:
    for mode in (Mode.EXTERNAL, Mode.BUILTIN):
        found = aim(spec(mode, replicas=2), with_pool(4, *(pod(n, 80) for n in range(4))))
        assert (found.pods[Tier.GATEWAY], writes(found)) == (4, [])


def test_builtin_writes_the_pool_when_its_window_is_full() -> None:
    crowd = [pod(n, 150) for n in range(3)]
    first = aim(spec(Mode.BUILTIN), with_pool(3, *crowd))
    assert (first.pods[Tier.GATEWAY], writes(first)) == (3, [])
    window = first.windows[Tier.GATEWAY]
    later = targets(
        spec(Mode.BUILTIN), with_pool(3, *crowd), {Tier.GATEWAY: window}, NOW + 15, busy=False
    )
    assert (later.pods[Tier.GATEWAY], writes(later)) == (5, [5])
    assert Tier.GATEWAY not in later.windows


def test_hibernation_leaves_the_pools_and_keeps_routers_while_gateways_are_there() -> None:
    asleep = replace(spec(Mode.EXTERNAL), hibernate=True)
    here = observed(pod(0), pod(0, tier=Tier.ROUTER), pools={Tier.GATEWAY: pool(5)})
    found = aim(asleep, here)
    assert (found.pods[Tier.GATEWAY], found.pods[Tier.ROUTER], found.pods[Tier.PUSH]) == (0, 2, 0)
    assert writes(found) == []
    alone = observed(pod(0, tier=Tier.ROUTER), pools={Tier.GATEWAY: pool(5)})
    assert set(aim(asleep, alone).pods.values()) == {0}


def test_paused_writes_no_pool_and_goes_by_what_it_says() -> None:
    found = aim(replace(spec(Mode.FIXED), paused=True), with_pool(5))
    assert (found.pods[Tier.GATEWAY], found.actions) == (5, ())


def test_before_there_is_a_pool_the_cluster_says_it() -> None:
    found = aim(spec(Mode.EXTERNAL, replicas=4), Observed())
    assert (found.pods[Tier.GATEWAY], found.actions) == (4, ())


def test_a_rate_counts_as_well_as_people() -> None:
    crowd = [pod(0, report=report(1, rates={"open_rate": 1_600.0}))]
    first = aim(spec(Mode.BUILTIN, replicas=1), with_pool(1, *crowd))
    assert first.windows[Tier.GATEWAY].above == ((NOW, 4),)


def push(mode: Mode, **changed: int) -> ClusterSpec:
    auto = Autoscaling(mode=mode, maximum=6, target_cpu_percent=50)
    tier = clusters.tier(Tier.PUSH, autoscaling=auto, **changed)
    return clusters.plain(tiers={Tier.PUSH: tier})


def workers(*cpu_percent: float) -> Observed:
    pods = [
        pod(-1, tier=Tier.PUSH, name=f"push-{n}", report=report(0, rates={"cpu_percent": cpu}))
        for n, cpu in enumerate(cpu_percent)
    ]
    return observed(*pods, pools={Tier.PUSH: pool(len(pods), Tier.PUSH)})


def test_a_change_of_push_replicas_reaches_its_pool_in_fixed_and_in_no_other_mode() -> None:
    found = aim(push(Mode.FIXED, replicas=5), workers(10.0, 10.0))
    assert (found.pods[Tier.PUSH], writes(found)) == (5, [5])
    for mode in (Mode.BUILTIN, Mode.EXTERNAL):
        found = aim(push(mode, replicas=5), workers(40.0, 40.0))
        assert (found.pods[Tier.PUSH], writes(found)) == (2, [])


def test_push_follows_its_cpu_over_looks_that_know_only_what_was_noted() -> None:
    asked, seen = push(Mode.BUILTIN), workers(90.0, 90.0)
    noted: dict[str, object] = {}
    for passed in (0, 5, 10):
        windows = memory.read(noted).load
        found = targets(asked, seen, windows, NOW + passed, busy=False)
        assert writes(found) == []
        noted = memory.write(memory.Memory(load=found.windows))
    found = targets(asked, seen, memory.read(noted).load, NOW + 15, busy=False)
    assert (found.pods[Tier.PUSH], writes(found)) == (4, [4])


def test_bounds_are_those_of_the_pool_and_not_of_the_stateful_set() -> None:
    seen = replace(with_pool(3), sets={Tier.GATEWAY: found(9)})
    assert aim(spec(Mode.EXTERNAL), seen).pods[Tier.GATEWAY] == 3
