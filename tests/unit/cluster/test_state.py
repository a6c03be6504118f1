from dataclasses import replace

from signet.cluster.parts import Phase
from signet.cluster.state import Look, PodState, read_metrics, state, total
from signet.ports.members import Kind

PAGE = """\
# HELP signet_items_accepted_total Items made durable
# TYPE signet_items_accepted_total counter
signet_items_accepted_total{kind="message"} 41.0
signet_items_accepted_total{kind="receipt"} 9.0
signet_keys_requests_total{route="a b",status="OK"} 2.0
signet_keys_requests_total{route="c",status="404"} 1.5e+1
"""

FIRST = Look(
    pid=7,
    at=100.0,
    cpu_s=3.0,
    rss=1 << 20,
    answered=True,
    status={"stage": "active", "load": 512, "accepts": 20.5},
    metrics=read_metrics(PAGE),
)


def seen(before: Look | None, now: Look | None, kind: Kind = Kind.ROUTER) -> PodState:
    return state(kind, "a-0", Phase.RUNNING, 0, {}, before, now)


def test_metrics_are_read_as_they_are_written() -> None:
    metrics = read_metrics(PAGE)
    assert metrics['signet_items_accepted_total{kind="message"}'] == 41
    assert total(metrics, "signet_keys_requests_total") == 17
    assert total(metrics, "signet_nothing") == 0


def test_a_look_alone_says_what_is_and_no_rates() -> None:
    pod = seen(None, FIRST)
    assert (pod.pid, pod.stage, pod.load, pod.accepts, pod.rss) == (7, "active", 512, 20.5, 1 << 20)
    assert pod.ready
    assert (pod.rate, pod.cpu) == (0, 0)


def test_two_looks_make_rates_of_the_time_between_them() -> None:
    more = {**FIRST.metrics, 'signet_items_accepted_total{kind="message"}': 141.0}
    pod = seen(FIRST, replace(FIRST, at=104.0, cpu_s=4.0, metrics=more))
    assert pod.rate == 25
    assert pod.cpu == 25


def test_what_an_earlier_process_counted_is_not_compared_with_this_one() -> None:
    pod = seen(FIRST, replace(FIRST, pid=8, at=104.0, cpu_s=0.5, metrics={}))
    assert (pod.rate, pod.cpu) == (0, 0)


def test_a_pod_that_does_not_answer_is_not_ready_and_its_cpu_still_seen() -> None:
    now = Look(pid=7, at=102.0, cpu_s=4.0, rss=5)
    pod = seen(FIRST, now)
    assert not pod.ready
    assert pod.why == "does not answer"
    assert (pod.cpu, pod.rate) == (50, 0)
    assert seen(now, replace(FIRST, at=103.0)).rate == 0


def test_a_pod_that_wants_no_work_says_why() -> None:
    pod = seen(None, replace(FIRST, why="draining"))
    assert (pod.ready, pod.why) == (False, "draining")


def test_a_pod_without_a_process_has_no_figures() -> None:
    pod = seen(FIRST, None)
    assert (pod.pid, pod.ready, pod.stage) == (0, False, "")


def test_a_pod_that_could_not_start_says_its_last_words() -> None:
    pod = state(Kind.KEYS, "keys-0", Phase.WAITING, 3, {}, None, None, "PORT_TAKEN: …")
    assert (pod.why, pod.restarts, pod.ready) == ("PORT_TAKEN: …", 3, False)
