"""The API server is away: the messenger does not notice."""

import asyncio
import http.client
import time
from pathlib import Path

import pytest

from signet_operator.names import STATEFUL
from tests.support.kube_messenger import Messenger, until
from tests.support.kube_people import FEW, people
from tests.support.kube_processes import process
from tests.support.kube_sight import PROBES

pytestmark = [pytest.mark.lane("kube"), pytest.mark.timeout(900)]
AWAY_S = 60.0


async def test_people_talk_on_and_a_killed_gateway_comes_back(
    chat: Messenger, tmp_path: Path
) -> None:
    victim = chat.pods("gateway")[0]
    name, address = victim["metadata"]["name"], victim["status"]["podIP"]
    there, before = uids(chat), restarts(chat, name)
    async with people(chat, tmp_path, FEW) as some:
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
        await some.meanwhile(
            lambda: chat.until("it is known", lambda: restarts(chat, name) == before + 1)
        )
        await some.meanwhile(chat.await_ready)
    assert uids(chat) == there  # nodes of which nobody heard for a minute keep their pods


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


def restarts(chat: Messenger, pod: str) -> int:
    found = chat.get("pod", pod)["status"]["containerStatuses"]
    return int(found[0]["restartCount"])


def uids(chat: Messenger) -> dict[str, str]:
    """Of all pods that keep their names."""
    pods = [pod for tier in STATEFUL for pod in chat.pods(tier)]
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}
