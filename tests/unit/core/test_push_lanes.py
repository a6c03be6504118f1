"""U9-U11: many providers beside each other."""

from signet.core import limits
from signet.core.ids import DeviceId, UserId
from signet.core.push_hints import Hint, Unwoken
from signet.core.push_lanes import InLane, Lane, Lanes
from signet.core.pushing import Room
from signet.core.timers import NEVER

ANN = UserId(b"a" * 16)
APNS, FCM, HOOK = Lane("apns:production"), Lane("fcm"), Lane("webhook")
T = 1_000_000.0


def device(number: int) -> DeviceId:
    return DeviceId(UserId(number.to_bytes(16, "big")), 1)


def hint(*, urgent: bool = True, away: int = 1) -> Hint:
    return Hint(T, urgent, frozenset({away}))


def fail(lanes: Lanes, found: list[InLane], now: float = T) -> None:
    for lane, wake in found:
        lanes[lane].failed(wake.to, now, 0.5)


def test_a_provider_that_fails_slows_down_itself_alone() -> None:
    """U9."""
    lanes = Lanes()
    for number in range(40):
        lanes.hinted(APNS, device(number), hint(), T)
        lanes.hinted(FCM, device(number), hint(), T)
    found, _ = lanes.due(T)
    fail(lanes, [one for one in found if one.lane == APNS])
    for lane, wake in found:
        if lane == FCM:
            lanes[lane].delivered(wake.to, T)
    assert (lanes[APNS].at_once(), lanes[FCM].at_once()) == (1, limits.PUSH_AT_ONCE)


def test_so_many_are_under_way_in_all_and_lanes_take_turns() -> None:
    """U10."""
    lanes = Lanes(in_all=4)
    for number in range(9):
        for lane in (APNS, FCM):
            lanes.hinted(lane, device(number), hint(), T)
    turns = []
    while lanes.waiting:
        assert lanes.due_at() <= T
        found, _ = lanes.due(T)
        assert len(found) == lanes.under_way == 4 or not lanes.waiting
        assert lanes.due_at() == NEVER
        turns.append({lane for lane, _ in found})
        for lane, wake in found:
            lanes[lane].delivered(wake.to, T)
    assert turns[:2] == [{APNS}, {FCM}]


def test_beyond_so_many_hosts_those_of_a_kind_share_and_idle_ones_are_given_up() -> None:
    """U11."""
    lanes = Lanes([HOOK], most=3)
    for number, host in enumerate(("a", "b", "c", "d")):
        lanes.hinted(Lane(f"web_push:{host}"), device(number), hint(), T)
    lanes.hinted(APNS, device(9), hint(), T)
    assert [name in lanes for name in map(Lane, ("web_push:b", "web_push:c", "web_push:"))] == [
        True,
        False,
        True,
    ]
    assert Lane("apns:") in lanes  # not with strangers' hosts
    for lane, wake in lanes.due(T)[0]:
        lanes[lane].gone(wake.to, T)
    assert lanes.remembered == 0
    lanes.hinted(Lane("web_push:c"), device(3), hint(), T)
    assert Lane("web_push:c") in lanes
    assert HOOK in lanes
    assert len(lanes) == 2


def test_a_device_that_is_back_is_back_in_every_lane() -> None:
    """U8."""
    lanes = Lanes([HOOK])
    lanes.hinted(HOOK, DeviceId(ANN, 0), hint(away=1), T)
    lanes.hinted(HOOK, DeviceId(ANN, 0), hint(away=2), T)
    lanes.hinted(FCM, DeviceId(ANN, 1), hint(away=1), T)
    lanes.hinted(APNS, DeviceId(ANN, 2), hint(away=2), T)
    assert lanes.came_back(DeviceId(ANN, 1), T) == [Unwoken.BACK]
    assert sorted(wake.to.device for wake in lanes.left()) == [0, 2]
    assert lanes.came_back(DeviceId(ANN, 2), T) == [Unwoken.BACK, Unwoken.BACK]
    assert list(lanes.left()) == []


def test_a_device_that_is_gone_may_register_and_be_woken_at_once() -> None:
    """U5: what knows users remembers who is gone; what knows devices is told by a registration."""
    lanes = Lanes([HOOK], room=Room(100))
    for lane, to in ((HOOK, DeviceId(ANN, 0)), (FCM, DeviceId(ANN, 1))):
        lanes.hinted(lane, to, hint(), T)
    for lane, wake in lanes.due(T)[0]:
        lanes[lane].gone(wake.to, T)
    assert lanes.hinted(HOOK, DeviceId(ANN, 0), hint(), T) is Unwoken.GONE
    assert lanes.hinted(FCM, DeviceId(ANN, 1), hint(), T) is None
