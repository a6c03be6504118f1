"""What a pod says of how much it does."""

from signet.pod.rates import WINDOW, Rates
from signet.ports.members import Kind
from signet.telemetry import metrics


class Time:
    """A clock of the process, and its CPU."""

    def __init__(self) -> None:
        self.now, self.cpu = 1000.0, 5.0


def rates(kind: Kind) -> tuple[Rates, Time]:
    time = Time()
    return Rates(kind, lambda: time.now, lambda: time.cpu), time


def test_cpu_is_that_of_the_last_seconds_in_percent_of_a_core() -> None:
    of, time = rates(Kind.KEYS)
    time.now, time.cpu = 1010.0, 8.0
    assert of.shown() == {"cpu_percent": 30.0}


def test_what_is_longer_ago_than_the_window_counts_no_more() -> None:
    of, time = rates(Kind.KEYS)
    time.now, time.cpu = 1000.0 + WINDOW, 5.0 + WINDOW  # busy, then idle
    of.look()
    for _ in range(6):
        time.now += WINDOW / 3
        of.look()
    assert of.shown()["cpu_percent"] == 0.0


def test_a_gateway_says_how_many_streams_open_a_second() -> None:
    of, time = rates(Kind.GATEWAY)
    metrics.STREAMS_OPENED.labels("websocket", "true").inc(20)
    metrics.STREAMS_OPENED.labels("grpc", "false").inc(10)
    time.now += 10
    assert of.shown()["open_rate"] == 3.0
    assert "messages" not in of.shown()


def test_a_router_says_how_many_items_it_stores_and_how_long_a_write_takes() -> None:
    of, time = rates(Kind.ROUTER)
    metrics.ITEMS_ACCEPTED.labels("message").inc(50)
    metrics.APPEND_SECONDS.observe(0.010)
    metrics.APPEND_SECONDS.observe(0.030)
    time.now += 10
    shown = of.shown()
    assert (shown["messages"], shown["lag_ms"]) == (5.0, 20.0)
