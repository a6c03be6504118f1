"""What is seen of a pod from outside, and how two looks make rates. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from signet.cluster.parts import Phase
from signet.ports.members import Kind

# What counts as a message of a pod: every sample that starts so.
MESSAGES: Mapping[Kind, str] = {
    Kind.GATEWAY: "signet_sent_seconds_count",
    Kind.ROUTER: 'signet_items_accepted_total{kind="message"}',
    Kind.KEYS: "signet_keys_requests_total",
    Kind.PUSH: "signet_push_hints_total",
}

# Why a pod that does not answer is not ready, where its process says it all.
UNANSWERED = {Phase.STARTING: "not yet", Phase.PAUSED: "stopped by SIGSTOP"}


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a pod. `at` is monotonic, in seconds; `cpu_s` what the process has used.

    `status` is what `/v1/pod` said, `why` what `/readyz` said; both empty when it did not answer.
    """

    pid: int
    at: float
    cpu_s: float
    rss: int
    answered: bool = False
    why: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PodState:
    """A line of the table. Rates are of the time between the last two looks; 0 at the first."""

    kind: Kind
    name: str
    phase: Phase
    pid: int
    restarts: int
    stage: str = ""  # its own word: active, draining, empty, gone; '' when it does not answer
    ready: bool = False
    why: str = ""  # why it is not ready
    load: int = 0  # open streams, shards held
    accepts: float = 0.0  # moved streams a second that it takes
    rate: float = 0.0  # messages a second (keys: requests, push: hints)
    cpu: float = 0.0  # percent of one core
    rss: int = 0  # bytes
    addresses: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def read_metrics(text: str) -> dict[str, float]:
    """Prometheus' text format: `name{labels}` as it is written → value."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")
    return {name: float(value) for name, _, value in lines}


def total(metrics: Mapping[str, float], start: str) -> float:
    """The sum of the samples whose name and labels start so."""
    return sum(value for name, value in metrics.items() if name.startswith(start))


def state(
    kind: Kind,
    name: str,
    phase: Phase,
    restarts: int,
    addresses: Mapping[str, Any],
    before: Look | None,
    now: Look | None,
    failure: str = "",
) -> PodState:
    """A pod as two looks show it; `now` is None for one that does not run.

    `failure`: why its latest try to start failed.
    """
    if now is None:
        return PodState(kind, name, phase, pid=0, restarts=restarts, why=failure)
    status = now.status
    return PodState(
        kind=kind,
        name=name,
        phase=phase,
        pid=now.pid,
        restarts=restarts,
        stage=str(status.get("stage", "")),
        ready=now.answered and not now.why,
        why=now.why if now.answered else UNANSWERED.get(phase, "does not answer"),
        load=int(status.get("load", 0)),
        accepts=float(status.get("accepts", 0)),
        rate=_messages_a_second(kind, before, now),
        cpu=_cpu(before, now),
        rss=now.rss,
        addresses=addresses,
        status=status,
        metrics=now.metrics,
    )


def _same_life(before: Look | None, now: Look) -> float:
    """Seconds since the look before at this very process; 0 when there was none."""
    return now.at - before.at if before is not None and before.pid == now.pid else 0.0


def _messages_a_second(kind: Kind, before: Look | None, now: Look) -> float:
    passed = _same_life(before, now)
    if before is None or passed <= 0 or not (before.answered and now.answered):
        return 0.0
    counted = total(now.metrics, MESSAGES[kind]) - total(before.metrics, MESSAGES[kind])
    return max(0.0, counted / passed)


def _cpu(before: Look | None, now: Look) -> float:
    passed = _same_life(before, now)
    if before is None or passed <= 0:
        return 0.0
    return max(0.0, 100 * (now.cpu_s - before.cpu_s) / passed)
