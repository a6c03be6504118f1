"""kwok: nodes that run nothing, on which pods are Ready at once. Thousands, in 60 MB."""

from collections.abc import Iterator
from pathlib import Path

from tests.support.lanes.kube.kubectl import Object
from tests.support.lanes.kube.programs import fake
from tests.support.lanes.server import Server, accepts, free_port

HOLDS = {"cpu": "256", "memory": "1Ti", "pods": "1000"}


class Kwok(Server):
    """Its nodes are named `fake-0`, `fake-1`, …"""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        program, stages = fake(print)
        folder.mkdir()
        port = free_port()
        command = [
            str(program),
            "--manage-all-nodes",
            f"--config={stages}",
            f"--kubeconfig={kubeconfig}",
            f"--server-address=127.0.0.1:{port}",
        ]
        super().__init__("kwok", folder, port, command, lambda it: accepts(it.host, it.port))

    def start(self) -> "Kwok":
        super().start()
        return self

    def nodes(self, count: int) -> Iterator[Object]:
        """To be applied."""
        for number in range(count):
            name = f"fake-{number}"
            yield {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
                "status": {"allocatable": HOLDS, "capacity": HOLDS},
            }
