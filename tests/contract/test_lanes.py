"""The lanes themselves: what the contract suites rely upon when they break a server on purpose."""

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.lanes import LANES, Server

pytestmark = pytest.mark.timeout(240)


def every_lane() -> list[object]:
    return [pytest.param(name, marks=pytest.mark.lane(name)) for name in LANES]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    found = request.getfixturevalue(f"{request.param}_server")
    assert isinstance(found, Server)
    return found


def connected(server: Server) -> bool:
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex((server.host, server.port)) == 0


@pytest.mark.parametrize("server", every_lane(), indirect=True)
def test_a_killed_server_is_gone_and_comes_back_on_its_port(server: Server) -> None:
    port = server.port
    server.kill()
    assert not connected(server)
    server.restart()
    assert server.port == port
    assert connected(server)


@pytest.mark.lane("redis")
def test_a_stopped_server_takes_connections_and_answers_when_it_goes_on(
    redis_server: Server,
) -> None:
    with socket.socket() as client:
        with redis_server.paused():
            client.connect((redis_server.host, redis_server.port))
            client.sendall(b"PING\r\n")
            assert select.select([client], [], [], 0.2)[0] == []
        client.settimeout(5)
        assert client.recv(100) == b"+PONG\r\n"


ORPHAN = """
import sys
from pathlib import Path
from tests.support.lanes import LANES
server = LANES["redis"].make(Path(sys.argv[1]), print).start()
print(server.port, flush=True)
sys.stdin.read()
"""


@pytest.mark.lane("redis")
def test_a_server_does_not_outlive_a_test_run_that_is_killed(tmp_path: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdin is not None
    assert run.stdout is not None
    with run.stdin, run.stdout:
        assert int(run.stdout.readline()) > 0
        (server,) = psutil.Process(run.pid).children()
        os.kill(run.pid, signal.SIGKILL)
        run.wait(5)
        assert psutil.wait_procs([server], 5)[1] == []
