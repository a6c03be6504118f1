"""Lanes: what a test needs besides Python, and what is said when it cannot be had.

A test marked `lane("node")` runs where the lane can be started. When it cannot, the test skips
and the lane is named at the end with its reason. `--lanes a,b` runs only those lanes;
SIGNET_REQUIRE_LANES=all (CI) turns such a skip into a failure.
"""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.lanes import FETCH, LaneUnavailableError

pytest_plugins = ("tests.support.lanes.fixtures", "tests.support.lanes.kube.fixtures")

REQUIRE = os.environ.get("SIGNET_REQUIRE_LANES", "") == "all"
RAN: Counter[str] = Counter()
MISSING: dict[str, str] = {}
LANE_TIMEOUT_S = 240  # the first test of a lane starts its server, on a busy machine for a minute
# A whole Kubernetes runs to the end of the session: nothing else is to run beside it.
LAST = {"kube-api": 1, "kwok": 1, "kube": 2}
UNAVAILABLE: dict[str, str] = {}  # lanes that were asked for, tried, and could not be fetched


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--lanes", default="", help="run only the tests of these lanes (a,b)")


def lane_of(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("lane")
    return str(marker.args[0]) if marker else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = {name for name in config.getoption("--lanes").split(",") if name}
    if wanted:
        kept = [item for item in items if lane_of(item) in wanted]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    items.sort(key=lambda item: LAST.get(lane_of(item) or "", 0))
    for item in items:
        if lane_of(item) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LANE_TIMEOUT_S))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch what the chosen tests need before the first one runs: no test's time-out counts it."""
    if session.config.option.collectonly:
        return
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    assert isinstance(terminal, pytest.TerminalReporter)
    wanted = {lane_of(item) for item in session.items}
    for name in (name for name in FETCH if name in wanted):
        try:
            FETCH[name](lambda text: terminal.write_line(text, flush=True))
        except LaneUnavailableError as reason:
            UNAVAILABLE[name] = str(reason)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if reason := UNAVAILABLE.get(lane_of(item) or ""):
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    report: pytest.TestReport = yield  # type: ignore[misc, assignment]
    lane = lane_of(item)
    if lane is None:
        return report  # type: ignore[return-value]
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        MISSING[lane] = reason.removeprefix("Skipped: ")
        if REQUIRE:
            report.outcome = "failed"
            report.longrepr = f"lane {lane} is required and did not run: {reason}"
    elif report.when == "call":
        RAN[lane] += 1
    return report  # type: ignore[return-value]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for lane, count in sorted(RAN.items()):
        terminalreporter.write_line(f"lane {lane}: {count} tests ran")
    for lane, reason in sorted(MISSING.items()):
        terminalreporter.write_line(f"lane {lane} did not run: {reason}", yellow=True)
