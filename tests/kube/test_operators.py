"""Operators that die, or are late, in the middle of a scale-in: it ends as if nothing had been."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.kube_messenger import SYSTEM, Messenger, leader
from tests.support.kube_people import people
from tests.support.kube_processes import process, stopped
from tests.support.kube_sight import drained_at_its_pace, watched

pytestmark = [pytest.mark.lane("kube"), pytest.mark.timeout(900)]
STEP_S = 1.0
LOST = 6  # the exit status of one that is not the leader any more


def replicas(chat: Messenger) -> int:
    """Of the gateways' StatefulSet."""
    return int(chat.get("sts", "chat-gateway")["spec"]["replicas"])


def draining(chat: Messenger) -> bool:
    """A scale-in is in its middle."""
    return bool((chat.get("msgp", "chat-gateway").get("status") or {}).get("draining"))


def kill_leader(chat: Messenger) -> None:
    """At once, as a node that dies kills; another one leads when this returns."""
    dead = chat.until("a leader", lambda: leader(chat.kube))
    kill = ("delete", "pod", "-n", SYSTEM, dead, "--force", "--grace-period=0")
    chat.kube.kubectl(*kill, "--ignore-not-found")
    chat.until("another leader", lambda: another_leads(chat, dead))


def another_leads(chat: Messenger, than: str) -> bool:
    return leader(chat.kube) not in {"", than}


async def test_killed_again_and_again(chat: Messenger, tmp_path: Path) -> None:
    kills = 0

    def kill_until_it_is_done() -> None:
        nonlocal kills
        while replicas(chat) > 1:
            kill_leader(chat)
            kills += 1
            time.sleep(STEP_S * kills)  # each time the next one comes further

    try:
        async with people(chat, tmp_path) as some:
            await some.talk_on()
            with watched(chat) as sight:
                chat.patch({"gateway": {"replicas": 1}})
                await some.meanwhile(kill_until_it_is_done)
                await some.meanwhile(lambda: chat.await_ready(gateways=1))
    finally:
        chat.patch({"gateway": {"replicas": 3}})
    print(f"{kills} leaders killed until one gateway was left, in {sight.took(1):.0f} s")
    assert kills >= 2
    drained_at_its_pace(sight)


async def test_a_leader_that_was_stopped_past_its_lease_writes_nothing(
    chat: Messenger, tmp_path: Path
) -> None:
    late = chat.until("a leader", lambda: leader(chat.kube))
    try:
        async with people(chat, tmp_path) as some:
            await some.talk_on()
            with watched(chat) as sight:
                chat.patch({"gateway": {"replicas": 1}})
                await some.meanwhile(lambda: chat.until("a drain", lambda: draining(chat)))
                it = process("SIGNET_OPERATOR_NAME", late, str(chat.kube.folder))
                with stopped(it):
                    await some.meanwhile(
                        lambda: chat.until("another leader", lambda: another_leads(chat, late))
                    )
                await some.meanwhile(lambda: chat.until("its end", lambda: ended(chat, late)))
                await some.meanwhile(lambda: chat.await_ready(gateways=1))
    finally:
        chat.patch({"gateway": {"replicas": 3}})
    assert ended(chat, late)["exitCode"] == LOST
    drained_at_its_pace(sight)


def ended(chat: Messenger, pod: str) -> Any:
    """How the process before this one ended; empty while it has not."""
    found = chat.kube.kubectl.get("pod", "-n", SYSTEM, pod)
    states = found["status"].get("containerStatuses") or [{}]
    return (states[0].get("lastState") or {}).get("terminated") or {}
