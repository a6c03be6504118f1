"""`signet push`: wakes devices that are away, by hints from the events."""

import time

import typer

from signet.core.drain import Order
from signet.pod.command import command_of
from signet.pod.pod import Pod, Running
from signet.ports.members import Kind
from signet.push.worker import Worker
from signet.settings import key_of


class PushPod:
    """pod/service.Service. It holds nothing: hints that wait go back when it stops."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def not_ready(self) -> str:
        return self._worker.not_ready()

    def load(self) -> int:
        return 0

    def misplaced(self) -> int:
        return 0

    def rebalance(self) -> None:
        """It holds nothing."""

    def accepts(self) -> float:
        return 0.0

    async def drain(self, order: Order) -> None:
        """Nothing is to be given away; `stop` puts back what waits."""

    async def undrain(self) -> None:
        """Nothing was given away."""

    def status(self) -> dict[str, object]:
        return self._worker.status()

    async def stop(self) -> None:
        await self._worker.stop()


async def build(pod: Pod) -> Running:
    """See pod.Build."""
    key = key_of(pod.settings.push_key) or pod.folder.key("push")
    providers = pod.stores.push()
    directory = await pod.stores.directory() if providers.by_kind else None
    worker = Worker(pod.stores.events(), providers, directory, time.time, key)
    await worker.start()
    return Running(service=PushPod(worker))


push = command_of(Kind.PUSH, build, "One push worker: it wakes devices that are away.")

if __name__ == "__main__":
    typer.run(push)
