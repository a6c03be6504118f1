import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from cassandra.cluster import NoHostAvailable

from signet.adapters.inbox_cassandra import session
from signet.adapters.inbox_cassandra.url import parse
from signet.telemetry import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_json_logs_are_one_object_a_line_with_the_facts_as_keys() -> None:
    stream = io.StringIO()
    logs.configure("json", stream=stream)
    structlog.get_logger("signet.test").info("shard taken", shard=7)
    line = json.loads(stream.getvalue())
    assert (line["message"], line["shard"], line["level"]) == ("shard taken", 7, "info")
    assert line["logger"] == "signet.test"


def test_what_is_no_terminal_gets_json_and_libraries_come_out_in_the_same_form() -> None:
    stream = io.StringIO()
    logs.configure("auto", stream=stream)
    logging.getLogger("some.library").warning("odd: %s", 1)
    assert json.loads(stream.getvalue())["message"] == "odd: 1"


def test_console_logs_are_for_a_person_and_levels_filter() -> None:
    stream = io.StringIO()
    logs.configure("console", "warning", stream)
    structlog.get_logger("signet.test").info("quiet")
    structlog.get_logger("signet.test").warning("shown", shard=7)
    assert "shard=7" in stream.getvalue()
    assert "quiet" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_exception_shows_no_local_variables(form: logs.Format) -> None:
    stream = io.StringIO()
    logs.configure(form, stream=stream)
    token = "-".join(["token", "of", "somebody"])
    try:
        raise ValueError(len(token))
    except ValueError:
        structlog.get_logger("signet.test").exception("a bug")
    assert "ValueError" in stream.getvalue()
    assert token not in stream.getvalue()


def test_a_driver_of_cassandra_says_no_address_of_a_node() -> None:
    stream = io.StringIO()
    logs.configure(level="debug", stream=stream)
    made = session.cluster(parse("cassandra://127.0.0.1:1/signet"), timeout_s=1.0)
    with pytest.raises(NoHostAvailable):
        made.connect()
    assert stream.getvalue() == ""
