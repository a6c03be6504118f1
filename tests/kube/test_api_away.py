"""The API server is away: the messenger does not notice."""

import asyncio
import http.client
import time
from pathlib import Path

import pytest

from tests.support.kube_messenger import Messenger, until
from tests.support.kube_people import people
from tests.support.kube_processes import process
from tests.support.kube_sight import PROBES

pytestmark = [pytest.mark.lane("kube"), pytest.mark.timeout(900)]
AWAY_S = 30.0


async def test_people_talk_on_and_a_killed_gateway_comes_back(
    chat: Messenger, tmp_path: Path
) -> None:
    victim = chat.pods("gateway")[0]
    name, address = victim["metadata"]["name"], victim["status"]["podIP"]
    async with people(chat, tmp_path) as some:
        await some.talk_on()
        with chat.kube.without_api():
            began = time.monotonic()
            await some.talk_on()
            dead = process("SIGNET_NAME", name, str(chat.kube.folder))
            dead.kill()
            dead.wait()
            await some.meanwhile(lambda: until(f"{name} anew", lambda: ready(address)))
            await some.talk_on()
            await asyncio.sleep(max(0.0, began + AWAY_S - time.monotonic()))  # how long it lasts
            await some.talk_on()
        await some.meanwhile(chat.await_ready)
    after = next(p for p in chat.pods("gateway") if p["metadata"]["name"] == name)
    assert after["metadata"]["uid"] == victim["metadata"]["uid"]
    assert restarts(after) == restarts(victim) + 1


def ready(address: str) -> bool:
    """By a pod's own word."""
    connection = http.client.HTTPConnection(address, PROBES, timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def restarts(pod: dict[str, object]) -> int:
    status = pod["status"]
    assert isinstance(status, dict)
    return int(status["containerStatuses"][0]["restartCount"])
