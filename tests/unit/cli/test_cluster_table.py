from dataclasses import replace

import pytest

from signet.cli import look
from signet.cli.cluster_table import COLUMNS, cells, happenings, how_to_chat
from signet.cluster.parts import Entries, Phase
from signet.cluster.state import PodState
from signet.ports.members import Kind

ROUTER = PodState(
    Kind.ROUTER,
    "router-0",
    Phase.RUNNING,
    pid=7,
    restarts=0,
    stage="active",
    ready=True,
    load=512,
    rate=120.4,
    cpu=33.3,
    rss=64 << 20,
    status={"stage": "active"},
)


def row(pod: PodState) -> list[str]:
    return [str(look.styled(cell)) for cell in cells(pod)]


def test_a_row_says_who_it_is_how_it_is_and_what_it_does() -> None:
    assert dict(zip(COLUMNS, row(ROUTER), strict=True)) == {
        "pod": "router-0",
        "pid": "7",
        "stage": "active",
        "ready": "● yes",
        "holds": "512 shards",
        "msg/s": "120",
        "CPU": "33 %",
        "memory": "64 MiB",
        "restarts": "0",
    }


def test_a_pod_that_is_not_ready_says_why() -> None:
    assert row(replace(ROUTER, ready=False, why="draining"))[3] == "○ draining"


@pytest.mark.parametrize(
    ("phase", "word"),
    [(Phase.WAITING, "dead"), (Phase.ENDED, "ended"), (Phase.STARTING, "starting")],
)
def test_a_pod_without_a_word_of_its_own_is_named_by_its_process(phase: Phase, word: str) -> None:
    pod = PodState(Kind.ROUTER, "router-0", phase, pid=0, restarts=2)
    assert row(pod)[1:3] == ["–", word]
    assert row(pod)[-1] == "2"


def test_kinds_that_hold_nothing_leave_the_column_empty() -> None:
    assert row(replace(ROUTER, kind=Kind.KEYS, load=0))[4] == ""
    assert row(replace(ROUTER, kind=Kind.GATEWAY, load=1))[4] == "1 stream"


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (ROUTER, []),
        (replace(ROUTER, rate=5.0, cpu=1.0), []),
        (replace(ROUTER, pid=8), ["router-0: process 7 has ended, 8 has its place"]),
        (
            replace(ROUTER, pid=0, phase=Phase.WAITING, ready=False, status={}),
            ["router-0: process 7 has ended"],
        ),
        (replace(ROUTER, stage="draining", ready=False), ["router-0: draining"]),
        (replace(ROUTER, load=341), ["router-0: 341 shards, -171"]),
    ],
)
def test_what_has_happened_between_two_looks(after: PodState, told: list[str]) -> None:
    assert list(happenings([ROUTER], [after])) == told


def test_a_pod_that_comes_back_is_told_with_its_process_and_its_readiness() -> None:
    away = replace(ROUTER, pid=0, phase=Phase.WAITING, ready=False)
    assert list(happenings([away], [replace(ROUTER, pid=9)])) == [
        "router-0: process 9 started",
        "router-0: active",
        "router-0: ready",
    ]


def test_pods_that_are_added_and_removed_are_told() -> None:
    other = replace(ROUTER, name="router-1")
    assert list(happenings([ROUTER], [ROUTER, other])) == ["router-1: added"]
    assert list(happenings([ROUTER, other], [ROUTER])) == ["router-1: removed"]


def test_the_footer_says_how_to_chat_at_the_first_keys_that_run() -> None:
    entries = Entries((), (), (), ("http://127.0.0.1:1", "http://127.0.0.1:2"))
    first, second = how_to_chat(entries)
    assert first == (
        "signet register alice --server http://127.0.0.1:1 && signet chat bob --as alice"
    )
    assert second.endswith("signet chat alice --as bob")
    assert how_to_chat(Entries((), (), (), ())) == ()


def test_a_reason_is_shown_as_it_is_whatever_brackets_it_has() -> None:
    assert row(replace(ROUTER, ready=False, why="[bold]no[/] lease"))[3] == "○ [bold]no[/] lease"
