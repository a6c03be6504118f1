"""A cluster as people see it: the cells of the table, and what has happened since. Pure."""

from collections.abc import Iterator, Sequence

from rich.markup import escape

from signet.cluster.parts import Entries, Phase
from signet.cluster.state import PodState
from signet.ports.members import Kind

COLUMNS = ("pod", "pid", "stage", "ready", "holds", "msg/s", "CPU", "memory", "restarts")
HOLDS = {Kind.GATEWAY: "stream", Kind.ROUTER: "shard"}
MIB = 1 << 20
STYLES = {
    "active": "good",
    "draining": "warn",
    "empty": "warn",
    "gone": "bad",
    Phase.STARTING: "quiet",
    Phase.PAUSED: "warn",
    Phase.WAITING: "bad",
    Phase.ENDED: "bad",
}
WORDS = {Phase.WAITING: "dead", Phase.ENDED: "ended", Phase.PAUSED: "paused"}


def stage(pod: PodState) -> str:
    """Its own word, or what is known of its process where it has none."""
    if pod.phase is Phase.RUNNING:
        return pod.stage or "silent"
    return WORDS.get(pod.phase, pod.phase.value)


def cells(pod: PodState) -> tuple[str, ...]:
    """One for each of COLUMNS, as rich markup with the names of look.THEME."""
    shown = stage(pod)
    style = STYLES.get(pod.stage if pod.phase is Phase.RUNNING else pod.phase, "bad")
    return (
        f"[bold]{pod.name}[/]",
        str(pod.pid or "–"),
        f"[{style}]{shown}[/]",
        "[good]●[/] yes" if pod.ready else f"[warn]○[/] {escape(pod.why)}",
        holds(pod),
        f"{pod.rate:.0f}" if pod.pid else "–",
        f"{pod.cpu:.0f} %" if pod.pid else "–",
        f"{pod.rss / MIB:.0f} MiB" if pod.pid else "–",
        f"[warn]{pod.restarts}[/]" if pod.restarts else "0",
    )


def holds(pod: PodState) -> str:
    """`512 shards`; nothing for kinds that hold nothing."""
    word = HOLDS.get(pod.kind)
    if word is None or not pod.status:
        return "" if word is None else "–"
    return f"{pod.load} {word}{'' if pod.load == 1 else 's'}"


def happenings(before: Sequence[PodState], after: Sequence[PodState]) -> Iterator[str]:
    """What is worth a line: who went, came, changed stage or readiness, and where shards moved."""
    old = {pod.name: pod for pod in before}
    for pod in after:
        if pod.name not in old:
            yield f"{pod.name}: added"
        else:
            yield from _happened(old[pod.name], pod)
    now = {pod.name for pod in after}
    yield from (f"{name}: removed" for name in old if name not in now)


def _happened(old: PodState, pod: PodState) -> Iterator[str]:
    if pod.pid and old.pid and pod.pid != old.pid:
        yield f"{pod.name}: process {old.pid} has ended, {pod.pid} has its place"
    elif not pod.pid and old.pid:
        yield f"{pod.name}: process {old.pid} has ended"
    elif pod.pid and not old.pid:
        yield f"{pod.name}: process {pod.pid} started"
    if stage(pod) != stage(old) and pod.pid:
        yield f"{pod.name}: {stage(pod)}"
    if pod.ready and not old.ready:
        yield f"{pod.name}: ready"
    if pod.kind is Kind.ROUTER and pod.status and old.status and pod.load != old.load:
        yield f"{pod.name}: {holds(pod)}, {pod.load - old.load:+d}"


def how_to_chat(entries: Entries, signet: str = "signet") -> Sequence[str]:
    """The commands of two people, in the order of two terminals; none while no keys are there."""
    if not entries.rest:
        return ()
    server = entries.rest[0]
    return tuple(
        f"{signet} register {me} --server {server} && {signet} chat {them} --as {me}"
        for me, them in (("alice", "bob"), ("bob", "alice"))
    )
