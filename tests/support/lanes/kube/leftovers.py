"""What pods leave when nobody ends them in order: processes, mounts, namespaces, cgroups.

Shims outlive containerd, so they and what they run are found by the socket that they name. A test
run that was killed could not clean up: the next one does it for all whose process is gone.
"""

import contextlib
import re
import subprocess
from pathlib import Path

import psutil

from tests.support.lanes.kube.network import FOLDER as NETWORKS
from tests.support.lanes.kube.network import Network

RUNS = Path("/run/signet-kube")  # a file a run: named by its process, in it the lane's folder
PREFIX = "sk"
END_TIMEOUT_S = 10.0
LOGS = Path("/var/log/containers")  # the kubelet links every container's log there
GROUPS = Path("/sys/fs/cgroup")
NAMESPACE = "io.containerd.runtime.v2.task/k8s.io"


def network(run: int) -> Network:
    """The control plane's, of the run with this process id; nodes add a number."""
    return Network(f"{PREFIX}-{run}")


def remember(run: int, folder: Path) -> None:
    RUNS.mkdir(exist_ok=True)
    (RUNS / str(run)).write_text(str(folder))


def forget(run: int) -> None:
    (RUNS / str(run)).unlink(missing_ok=True)


def sweep() -> None:
    """Clean up after runs that were killed."""
    for file in RUNS.glob("*") if RUNS.exists() else ():
        run = int(file.name)
        if psutil.pid_exists(run):
            continue
        for node in Path(file.read_text()).glob("node-*"):
            end_pods(node)
        names = re.compile(rf"{PREFIX}-{run}(-\d+)?")
        for name in [path.name for path in NETWORKS.glob("*")]:
            if names.fullmatch(name):
                remove_networks(Network(name))
        forget(run)


def end_pods(node: Path) -> None:
    """All of a node whose kubelet and containerd are gone."""
    _kill_shims(node / "cd.sock")
    _unmount(node)
    for link in LOGS.glob("*"):
        if link.is_symlink() and link.readlink().is_relative_to(node):
            link.unlink()
    for task in (node / "tasks" / NAMESPACE).glob("*"):
        with contextlib.suppress(OSError):
            told = (task / "address").read_text().removeprefix("unix://")
            Path(told).unlink(missing_ok=True)
        for parent in (GROUPS, *GROUPS.iterdir()):  # of cgroup v2, of v1
            for group in (parent / "k8s.io" / task.name, parent / "k8s.io"):
                with contextlib.suppress(OSError):  # not there, or another lane's are in it
                    group.rmdir()


def remove_networks(network: Network) -> None:
    """A node's own, and those of its pods."""
    if not (NETWORKS / network.name).exists():
        return
    links = network.ip("-o", "link", "show", "type", "veth")
    for name in re.findall(r"link-netns (cni-[0-9a-f-]+)", links):
        Network(name).remove()
    network.remove()


def _kill_shims(socket: Path) -> None:
    shims = [
        p for p in psutil.process_iter(["cmdline"]) if str(socket) in (p.info["cmdline"] or ())
    ]
    ended = []
    for shim in shims:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in (*shim.children(recursive=True), shim):
                process.kill()
                ended.append(process)
    psutil.wait_procs(ended, END_TIMEOUT_S)


def _unmount(folder: Path) -> None:
    """The innermost first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((m for m in mounts if Path(m).is_relative_to(folder)), reverse=True):
        subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
