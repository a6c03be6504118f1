"""The stream's life in virtual time: heartbeats (S5), moves (S7), back-off (S8)."""

from itertools import pairwise

import pytest

from signet.client.errors import StoreFailed, refusal
from signet.client.events import ConnectionState
from signet.client.greeting import Hints
from signet.client.transports.stream import TurnedAway
from signet.core.errors import Code
from signet.core.limits import (
    BACKOFF_CAP,
    BACKOFF_HURRY,
    MAX_MOVES,
    MOVE_PERIOD,
)
from signet.v1 import messaging_pb2 as pb
from tests.support.scripted_net import ENTRY, Device, Net, connected, later, now
from tests.support.virtual_time import in_virtual_time

ONLINE, WAITING, DISPLACED = (
    ConnectionState.ONLINE,
    ConnectionState.WAITING,
    ConnectionState.DISPLACED,
)
OTHER = "wss://gw-1.chat.test/v1/connect"


async def online(device: Device) -> None:
    await device.until(lambda: device.state is ONLINE)


# --- heartbeats (S5) --------------------------------------------------------------------------


@in_virtual_time
async def test_a_client_with_nothing_to_say_says_that_it_is_there() -> None:
    net, device = Net(), Device()
    async with connected(net, device):
        await online(device)
        start = now()
        await later(100)
        assert [at - start for at in net.lines[0].times("heartbeat")] == pytest.approx([30, 60, 90])
        assert len(net.lines) == 1


@in_virtual_time
async def test_what_is_sent_spares_a_heartbeat() -> None:
    net, device = Net(), Device()
    async with connected(net, device) as connection:
        await online(device)
        start = now()
        await later(20)
        connection.send(pb.ClientFrame(watch=pb.Watch()))
        await later(35)
        assert [at - start for at in net.lines[0].times("heartbeat")] == pytest.approx([50])


@in_virtual_time
async def test_a_server_that_is_silent_for_two_heartbeats_is_left() -> None:
    net, device = Net(), Device()
    net.alive = False
    async with connected(net, device):
        await online(device)
        start = now()
        await device.until(lambda: len(net.lines) == 2)
        assert (net.lines[0].closed_at or 0) - start == pytest.approx(60)
        await online(device)
        assert net.lines[1].hello.resume_token == b"of line 1"


# --- moves (S7) -------------------------------------------------------------------------------


@in_virtual_time
async def test_a_move_opens_the_new_stream_before_the_old_one_closes() -> None:
    net, device = Net(), Device()
    async with connected(net, device):
        await online(device)
        net.lines[0].reconnect(OTHER, after_ms=1500, token=b"for the other")
        start = now()
        await device.until(lambda: device.log.count("opened") == 2)
        old, new = net.lines
        assert (new.address, new.opened_at - start) == (OTHER, 1.5)
        assert new.hello.resume_token == b"for the other"
        assert new.hello.connection_counter > old.hello.connection_counter
        await later(1)
        assert old.times("bye")
        assert (old.closed_at or 0) >= new.opened_at + 0.1
        assert device.log == ["opened", "reconnect", "lost", "opened"]
        assert WAITING not in [state for _, state in device.states]
        new.say(pb.ServerFrame(caught_up=pb.CaughtUp()))
        await device.until(lambda: device.log[-1] == "caught_up")


@in_virtual_time
async def test_an_old_stream_that_its_own_successor_displaces_ends_nothing() -> None:
    net, device = Net(), Device()
    net.displaces = True
    async with connected(net, device):
        await online(device)
        net.lines[0].reconnect()
        await device.until(lambda: device.log.count("opened") == 2)
        await later(10)
        assert device.state is ONLINE
        assert len(net.lines) == 2


@in_virtual_time
async def test_a_client_that_displaced_itself_for_nothing_comes_back() -> None:
    net, device = Net(), Device()
    net.displaces = True
    async with connected(net, device):
        await online(device)
        net.lines[0].reconnect()
        await later(0.05)
        net.lines[1].end()  # before its Welcome
        await later(30)
        assert (device.state, DISPLACED in [state for _, state in device.states]) == (ONLINE, False)


@in_virtual_time
async def test_a_move_that_is_given_up_and_displaces_the_old_stream_later_ends_nothing() -> None:
    """Its Hello was on its way for so long that nobody waited for the Welcome any more."""
    net, device = Net(), Device()
    async with connected(net, device):
        await online(device)
        net.down.add(ENTRY)
        net.lines[0].reconnect(OTHER)
        await later(0.05)
        net.lines[1].end()
        await later(10)
        assert (device.state, len(net.lines)) == (ONLINE, 2)
        net.down.clear()
        net.lines[0].end(Code.DISPLACED)
        await later(5)
        assert (device.state, len(net.lines)) == (ONLINE, 3)
        assert DISPLACED not in [state for _, state in device.states]
        net.lines[2].end(Code.DISPLACED)  # by somebody else
        await device.until(lambda: device.state is DISPLACED)


@in_virtual_time
async def test_an_old_stream_that_ends_while_the_new_one_opens_costs_no_third() -> None:
    net, device = Net(), Device()
    async with connected(net, device):
        await online(device)
        net.lines[0].reconnect(OTHER)
        await later(0.05)
        net.lines[0].end(Code.DRAINING)
        await later(60)
        assert (device.state, len(net.lines)) == (ONLINE, 2)


@in_virtual_time
async def test_a_client_is_sent_about_three_times_in_five_minutes() -> None:
    net, device = Net(), Device()
    async with connected(net, device):
        await online(device)
        for number in range(MAX_MOVES + 2):
            net.lines[-1].reconnect(f"wss://gw-{number}.chat.test/v1/connect")
            await later(1)
        assert len(net.lines) == 1 + MAX_MOVES
        net.lines[-1].end(Code.DRAINING)
        await later(1)
        assert net.lines[-1].address == ENTRY
        await later(MOVE_PERIOD)
        net.lines[-1].reconnect(OTHER)
        await later(1)
        assert net.lines[-1].address == OTHER


@pytest.mark.parametrize("to", ["wss://evil.test/v1/connect", "ws://gw-1.chat.test/v1/connect"])
def test_an_offer_outside_the_domain_is_not_followed(to: str) -> None:
    @in_virtual_time
    async def run() -> None:
        net, device = Net(), Device()
        async with connected(net, device):
            await online(device)
            net.lines[0].reconnect(to, token=b"stolen")
            await later(10)
            assert [address for _, address in net.tried] == [ENTRY]
            assert device.token == b"of line 1"

    run()


@in_virtual_time
async def test_where_the_offer_does_not_answer_the_client_goes_to_the_entry() -> None:
    net, device = Net(), Device()
    net.down.add(OTHER)
    async with connected(net, device):
        await online(device)
        net.lines[0].reconnect(OTHER)
        await device.until(lambda: device.log.count("opened") == 2)
        assert [address for _, address in net.tried] == [ENTRY, OTHER, ENTRY]


@in_virtual_time
async def test_where_nobody_answers_the_old_stream_stays_until_it_ends() -> None:
    net, device = Net(), Device()
    async with connected(net, device):
        await online(device)
        net.down |= {OTHER, ENTRY}
        net.lines[0].reconnect(OTHER)
        await later(10)
        assert (device.state, net.lines[0].closed_at) == (ONLINE, None)
        net.down.clear()
        net.lines[0].end(Code.DRAINING)
        await later(1)
        assert (device.state, net.lines[1].address) == (ONLINE, ENTRY)


@in_virtual_time
async def test_an_entry_that_leads_to_who_drains_is_tried_again_beside_the_old_stream() -> None:
    """A balancer hears of a drain some seconds late; the old stream would end with the drain."""
    net, device = Net(), Device()
    async with connected(net, device, lambda: 1.0):
        await online(device)
        net.draining, start = True, now()
        net.lines[0].reconnect()
        await later(6)
        assert (device.state, net.lines[0].closed_at) == (ONLINE, None)
        assert [line.opened_at - start for line in net.lines[1:]] == pytest.approx(
            [0, 0.5, 1.5, 3.5]
        )
        net.draining = False
        await device.until(lambda: device.log.count("opened") == 2)
        assert WAITING not in [state for _, state in device.states]
        await later(1)
        assert net.lines[0].closed_at is not None


@in_virtual_time
async def test_who_waits_to_try_the_entry_again_comes_back_as_usual_when_the_old_stream_ends() -> (
    None
):
    net, device = Net(), Device()
    async with connected(net, device, lambda: 1.0):
        await online(device)
        net.draining = True
        net.lines[0].reconnect()
        await later(10)
        net.draining, tried = False, len(net.lines)
        net.lines[0].end(Code.DRAINING)
        await later(60)
        assert (device.state, len(net.lines)) == (ONLINE, tried + 1)


@in_virtual_time
async def test_a_stream_elsewhere_that_breaks_leads_back_to_the_entry() -> None:
    net, device = Net(), Device()
    async with connected(net, device):
        await online(device)
        net.lines[0].reconnect(OTHER)
        await device.until(lambda: device.log.count("opened") == 2)
        net.lines[1].end()
        await device.until(lambda: device.log.count("opened") == 3)
        assert net.lines[2].address == ENTRY


@in_virtual_time
async def test_a_better_address_is_tried_once_and_without_haste() -> None:
    net, device = Net(), Device()
    net.welcome = lambda: pb.Welcome(heartbeat_seconds=30, better_address="gw-1.chat.test")
    net.down.add(OTHER)
    async with connected(net, device):
        await online(device)
        await later(100)
        assert [address for _, address in net.tried] == [ENTRY, OTHER]
        net.down.clear()
        net.lines[0].end()
        await device.until(lambda: net.lines[-1].address == OTHER)
        await later(100)
        assert len(net.lines) == 3


@in_virtual_time
async def test_a_better_address_that_drains_is_not_tried_again() -> None:
    net, device = Net(), Device()
    net.welcome = lambda: pb.Welcome(heartbeat_seconds=30, better_address="gw-1.chat.test")
    async with connected(net, device):
        await online(device)
        net.draining = True
        await later(100)
        assert (device.state, len(net.lines)) == (ONLINE, 2)


@in_virtual_time
async def test_a_shorter_heartbeat_of_the_new_stream_is_kept() -> None:
    net, device = Net(), Device()
    net.welcome = lambda: pb.Welcome(heartbeat_seconds=540 if len(net.lines) == 1 else 15)
    async with connected(net, device):
        await online(device)
        await later(10)
        net.lines[0].reconnect(OTHER)
        await later(100)
        beats = net.lines[1].times("heartbeat")
        assert beats[0] - net.lines[1].opened_at == pytest.approx(15.1)
        assert len(beats) == 6


# --- back-off (S8) ----------------------------------------------------------------------------


@in_virtual_time
async def test_waits_double_up_to_the_cap_with_full_jitter() -> None:
    net, device = Net(), Device()
    net.down.add(ENTRY)
    for chance in (1.0, 0.5):
        start, tried = now(), len(net.tried)
        async with connected(net, device, lambda chance=chance: chance):  # type: ignore[misc]
            await later(300)
        at = [when - start for when, _ in net.tried[tried:]]
        gaps = [after - before for before, after in pairwise(at)]
        expected = [chance * min(BACKOFF_CAP, 0.5 * 2**n) for n in range(len(gaps))]
        assert gaps == pytest.approx(expected)


@in_virtual_time
async def test_a_send_while_the_client_waits_is_worth_a_try_at_once_but_not_again_and_again() -> (
    None
):
    net, device = Net(), Device()
    net.down.add(ENTRY)
    async with connected(net, device, lambda: 1.0) as connection:
        await later(64)  # the next try by itself is far away
        before, start = len(net.tried), now()
        for _ in range(50):
            connection.hurry()
            await later(0.1)
        times = [round(when - start, 3) for when, _ in net.tried[before:]]
        assert times == [0, BACKOFF_HURRY, 2 * BACKOFF_HURRY]
        net.down.clear()
        connection.hurry()
        await later(BACKOFF_HURRY + 0.2)
        assert device.state is ONLINE


@in_virtual_time
async def test_no_hurry_goes_before_the_time_that_the_server_gave() -> None:
    net, device = Net(), Device()
    async with connected(net, device) as connection:
        await online(device)
        net.lines[0].end(Code.OVERLOADED, retry_after_ms=7000)
        start = now()
        await later(1)
        connection.reconnect()
        await device.until(lambda: len(net.lines) == 2)
        assert now() - start == pytest.approx(7)


@in_virtual_time
async def test_who_found_no_room_for_a_stream_comes_when_it_was_told_and_no_sooner() -> None:
    net, device = Net(), Device()
    async with connected(net, device) as connection:
        await online(device)
        net.full = TurnedAway(Code.OVERLOADED, 7.0)
        net.lines[0].end(Code.DRAINING)
        await device.until(lambda: len(net.tried) == 2 and device.state is WAITING)
        turned_away = now()
        connection.reconnect()
        await device.until(lambda: len(net.tried) == 3)
        assert now() - turned_away == pytest.approx(7)
        net.full = None
        await online(device)


@in_virtual_time
async def test_a_displaced_client_comes_back_when_it_is_asked_to_and_not_to_send() -> None:
    net, device = Net(), Device()
    async with connected(net, device) as connection:
        await online(device)
        net.lines[0].end(Code.DISPLACED)
        await device.until(lambda: device.state is DISPLACED)
        connection.hurry()
        await later(1000)
        assert device.state is DISPLACED
        connection.reconnect()
        await later(0.2)
        assert device.state is ONLINE


# --- a store that fails -------------------------------------------------------------------------


class FullDisk(Device):
    """Takes no counter, and later no resume token either, until there is room."""

    full = True

    async def next_hello(self) -> Hints:
        if self.full:
            raise StoreFailed("disk full")
        return await super().next_hello()


@in_virtual_time
async def test_without_a_durable_counter_there_is_no_hello_until_there_is_room_again() -> None:
    net, device = Net(), FullDisk()
    async with connected(net, device, chance=lambda: 1.0):
        await later(10)
        told = [at for at, state in device.states if state is WAITING]
        assert [after - before for before, after in pairwise(told)] == pytest.approx([0.5, 1, 2, 4])
        assert net.tried == []
        device.full = False
        await online(device)


@in_virtual_time
async def test_a_disk_that_is_full_when_the_stream_is_to_move_leaves_the_old_one() -> None:
    net, device = Net(), FullDisk()
    device.full = False
    async with connected(net, device):
        await online(device)
        device.full = True
        net.lines[0].reconnect(OTHER)
        await later(10)
        assert device.state is ONLINE
        assert [line.closed_at for line in net.lines] == [None]


@in_virtual_time
async def test_what_cannot_be_kept_ends_the_stream_and_another_opens_after_a_back_off() -> None:
    net, device = Net(), Device()
    async with connected(net, device, chance=lambda: 1.0) as connection:
        await online(device)
        connection.give_up()
        await device.until(lambda: device.state is WAITING)
        assert device.log[-1] == "lost"
        await online(device)
        assert len(net.lines) == 2
        assert net.lines[0].closed_at is not None


@in_virtual_time
async def test_a_device_that_cannot_log_in_any_more_knows_that_it_was_removed() -> None:
    net, device = Net(), Device()
    net.login = refusal(Code.DEVICE_REMOVED)
    async with connected(net, device):
        await later(1000)
        assert device.state is ConnectionState.REMOVED


@in_virtual_time
async def test_a_login_that_was_too_slow_is_tried_again_and_a_limit_is_waited_for() -> None:
    net, device = Net(), Device()
    net.login = refusal(Code.NONCE_REFUSED)
    async with connected(net, device, lambda: 0.5):
        await device.until(lambda: device.state is WAITING)
        net.login = refusal(Code.RATE_LIMITED, retry_after_s=40)
        await later(20)
        assert device.state is WAITING
        net.login = None
        await later(21)
        assert device.state is ONLINE
