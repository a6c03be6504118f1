"""The lanes' servers as fixtures: one of each for the whole run, each in its own folder.

A test that kills, stops or flushes a server leaves it serving again, with whatever data. Tests
take names of their own (a prefix, a bucket's folder, a topic), never an empty server for granted.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lanes import LANES, LaneUnavailableError, Server
from tests.support.lanes.cassandra import Nodes, make_nodes


@contextlib.contextmanager
def _running(name: str, folders: pytest.TempPathFactory) -> Iterator[Server]:
    try:
        server = LANES[name].make(Path(folders.mktemp(f"lane-{name}")), print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    try:
        yield server.start()
    finally:
        server.kill()  # its data are thrown away: nothing to end in order for


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _running("redis", tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _running("postgres", tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _running("kafka", tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def zookeeper_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _running("zookeeper", tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _running("s3", tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def cassandra_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _running("cassandra", tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="module")
def cassandra_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three that are one cluster. They take a gigabyte: for the tests of one file."""
    try:
        nodes = make_nodes(Path(tmp_path_factory.mktemp("lane-cassandra-nodes")), 3, print)
    except LaneUnavailableError as reason:
        pytest.skip(str(reason))
    try:
        yield nodes.start()
    finally:
        nodes.kill()
