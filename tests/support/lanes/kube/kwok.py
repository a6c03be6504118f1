"""kwok: nodes that run nothing, on which pods are Ready at once. Thousands, in 60 MB."""

from collections.abc import Iterator
from pathlib import Path

from tests.support.lanes.kube.kubectl import Object
from tests.support.lanes.kube.programs import fake
from tests.support.lanes.server import Server, accepts, free_port

HOLDS = {"cpu": "256", "memory": "1Ti", "pods": "1000"}
# kwok's heartbeat of nodes, and ours: the lane takes a node for lost sooner (api.NODE_GRACE_S), and
# then none of its pods is ready any more.
HEARTBEAT = {
    "durationMilliseconds: 20000": "durationMilliseconds: 3000",
    "jitterDurationMilliseconds: 25000": "jitterDurationMilliseconds: 4000",
}


class Kwok(Server):
    """Its nodes are named `fake-0`, `fake-1`, …"""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        program, stages = fake(print)
        folder.mkdir()
        port = free_port()
        own = folder / "stages.yaml"
        own.write_text(_often(stages.read_text()))
        command = [
            str(program),
            "--manage-all-nodes",
            f"--config={own}",
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


def _often(stages: str) -> str:
    for kwoks, ours in HEARTBEAT.items():
        assert kwoks in stages, f"kwok's stages have no {kwoks}"
        stages = stages.replace(kwoks, ours)
    return stages
