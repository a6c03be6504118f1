import socket
from pathlib import Path
from random import Random

import pytest

from signet.cluster.parts import environment, name_of, port_of
from signet.cluster.pod import AGAIN_AFTER, AGAIN_CAP, CALM, next_wait
from signet.cluster.ports import RANGE, Ports
from signet.ports.members import Kind


def any_port() -> int:
    return 0


def test_pods_are_named_like_those_of_a_stateful_set_lowest_first() -> None:
    assert name_of(Kind.ROUTER, []) == "router-0"
    assert name_of(Kind.ROUTER, ["router-0", "router-2", "gateway-1"]) == "router-1"


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("ws://127.0.0.1:7400/v1/connect", 7400),
        ("http://[::1]:7402", 7402),
        ("127.0.0.1:7401", 7401),
        ("[::1]:7401", 7401),
        ("", 0),
        ("http://host", 0),
    ],
)
def test_the_port_of_an_address(address: str, port: int) -> None:
    assert port_of(address) == port


def test_a_first_life_takes_free_ports_and_the_next_one_comes_back_to_them() -> None:
    free = iter(range(20_000, 20_100)).__next__
    first = environment("router-0", Path("/d"), {}, {}, {}, free)
    ports = {name: value for name, value in first.items() if name.endswith("_PORT")}
    assert ports.pop("SIGNET_PROBE_PORT") == "0"
    assert set(ports.values()) == {"20000", "20001", "20002", "20003", "20004"}
    said = {"admin": "http://127.0.0.1:4711", "link": "127.0.0.1:4712", "pid": 3}
    again = environment("router-0", Path("/d"), {}, {}, said, free)
    assert again["SIGNET_ADMIN_PORT"] == "4711"
    assert again["SIGNET_LINK_PORT"] == "4712"
    assert again["SIGNET_GRPC_PORT"] == "20006"  # the second of three that it did not say


def test_what_the_cluster_says_wins_over_what_a_developer_has_set() -> None:
    inherited = {"SIGNET_GRPC_PORT": "7401", "SIGNET_INBOX": "old", "SIGNET_LOG_LEVEL": "debug"}
    told = environment(
        "router-0", Path("/d"), {"inbox": "cassandra://h/k"}, inherited, {}, any_port
    )
    assert told["SIGNET_GRPC_PORT"] == "0"
    assert told["SIGNET_INBOX"] == "cassandra://h/k"
    assert told["SIGNET_LOG_LEVEL"] == "debug"
    assert told["SIGNET_NAME"] == "router-0"


def test_a_store_that_the_cluster_names_is_not_read_from_a_file_too() -> None:
    inherited = {"SIGNET_INBOX_FILE": "/secret", "SIGNET_EVENTS_FILE": "/other"}
    told = environment("router-0", Path("/d"), {"inbox": ""}, inherited, {}, any_port)
    assert "SIGNET_INBOX_FILE" not in told
    assert told["SIGNET_EVENTS_FILE"] == "/other"


def test_the_back_off_doubles_to_a_bound_and_is_forgotten_after_calm() -> None:
    waits = [wait := next_wait(0, 0)]
    waits += [wait := next_wait(wait, 0) for _ in range(9)]
    assert waits[:3] == [AGAIN_AFTER, 2 * AGAIN_AFTER, 4 * AGAIN_AFTER]
    assert waits[-1] == AGAIN_CAP
    assert next_wait(waits[-1], CALM) == AGAIN_AFTER


def test_a_port_is_given_once_and_only_if_nobody_has_it() -> None:
    first, second = Ports(Random(3)), Ports(Random(3))
    port = first.take()
    assert port in RANGE
    assert first.take() != port
    with socket.create_server(("127.0.0.1", port)):
        assert second.take() != port


def test_when_all_ports_are_given_the_system_chooses() -> None:
    ports = Ports(Random(3))
    given = [ports.take() for _ in range(len(RANGE) + 1)]
    assert given[-1] == 0
