"""The programs of the lane: Kubernetes and etcd as one, CoreDNS, kwok; Debian's packages."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.lanes.cache import LaneUnavailableError, Say, provide, run, tool
from tests.support.lanes.kube import archive
from tests.support.lanes.sources import go_program

VERSION = "1.36.3"
COREDNS_VERSION = "1.15.0"
KWOK_VERSION = "0.8.0"
FILES = Path(__file__).parent / "files"
CALLED = (
    "etcd",
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
# What a node needs of this machine: a program that shows it is there, and its package.
PACKAGES = {
    "/usr/bin/containerd": "containerd",
    "/usr/sbin/runc": "runc",
    "/usr/sbin/iptables": "iptables",
    "/usr/sbin/ip": "iproute2",
    "/usr/sbin/conntrack": "conntrack",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}


@dataclass(frozen=True, slots=True)
class Programs:
    """What was built; `kube` is a folder."""

    kube: Path
    coredns: Path | None = None

    def path(self, name: str) -> str:
        return str(self.kube / name)


def render(name: str, target: Path, **values: object) -> Path:
    """Write a file of `files/` with its @NAMES@ replaced."""
    text = (FILES / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    target.write_text(text)
    return target


def control(say: Say) -> Programs:
    """What a control plane needs."""
    return Programs(_kubernetes(say))


def fake(say: Say) -> tuple[Path, Path]:
    """kwok, and the file of its stages; a control plane, too."""
    _kubernetes(say)
    return go_program("sigs.k8s.io/kwok/cmd/kwok", KWOK_VERSION, say), _stages(say)


def nodes(say: Say) -> Programs:
    """What nodes need besides; Debian's packages are installed where they are missing.

    Raises:
        LaneUnavailableError: not Linux's root, or they cannot be installed.
    """
    if os.geteuid() != 0:
        raise LaneUnavailableError("nodes need root (network namespaces, containerd)")
    packages(PACKAGES, say)
    coredns = go_program("github.com/coredns/coredns", COREDNS_VERSION, say)
    return Programs(_kubernetes(say), coredns=coredns)


def packages(wanted: Mapping[str, str], say: Say) -> None:
    """Install the Debian packages whose program (the key) is not there.

    Raises:
        LaneUnavailableError: not as root, or not on Debian, or they cannot be had.
    """
    missing = sorted({name for path, name in wanted.items() if not Path(path).exists()})
    if not missing:
        return
    hint = f"apt-get install {' '.join(missing)}"
    if os.geteuid() != 0:
        raise LaneUnavailableError(f"needs root, or: {hint}")
    apt = tool("apt-get", hint)
    say(f"installing {', '.join(missing)} (Debian) …")
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    install = [apt, "install", "-y", "-qq", "--no-install-recommends", *missing]
    try:
        run(install, **quiet)
    except LaneUnavailableError:  # lists of packages that are too old, or none yet
        run([apt, "update", "-qq"], **quiet)
        run(install, **quiet)


def pause(say: Say) -> Path:
    """The image of every pod's first process, as an archive."""

    def build(folder: Path) -> None:
        go, binary = tool("go", "the Go toolchain"), folder / "pause"
        flags = ["-trimpath", "-ldflags", "-s -w", "-o", str(binary)]
        run([go, "build", *flags, str(FILES / "pause.go")], CGO_ENABLED="0")
        files = {"pause": binary.read_bytes()}
        archive.write(folder / "pause.tar", "localhost/pause:1", files, ["/pause"])

    return provide("kube-pause-1", build, say, "the pause image …") / "pause.tar"


def _kubernetes(say: Say) -> Path:
    """One program that is all of it, by the name it is called."""

    def build(folder: Path) -> None:
        go = tool("go", "the Go toolchain")
        for name in ("go.mod", "go.sum", "main.go"):
            shutil.copy(FILES / name, folder)
        minor = VERSION.split(".")[1]
        said = {"Version": f"v{VERSION}", "Major": "1", "Minor": minor, "TreeState": "clean"}
        about = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        marks = " ".join(f"-X {package}.git{k}={v}" for package in about for k, v in said.items())
        command = [go, "build", "-C", str(folder), "-trimpath", "-ldflags", f"-s -w {marks}"]
        run([*command, "-o", "kube", "."], CGO_ENABLED="0")
        for name in CALLED:
            (folder / name).symlink_to("kube")

    what = f"building Kubernetes {VERSION} with Go (seven minutes on two cores, once) …"
    return provide(f"kube-{VERSION}", build, say, what)


def _stages(say: Say) -> Path:
    """How fake nodes and pods live, from kwok's own module: at once, with heartbeats."""

    def build(folder: Path) -> None:
        go = tool("go", "the Go toolchain")
        command = [go, "mod", "download", "-json", f"sigs.k8s.io/kwok@v{KWOK_VERSION}"]
        told = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
        if told.returncode != 0:
            raise LaneUnavailableError(f"kwok's stages: {told.stdout.strip()}")
        stages = Path(json.loads(told.stdout)["Dir"]) / "kustomize/stage"
        kinds = ("node/fast", "node/heartbeat", "pod/fast")
        files = [path for kind in kinds for path in sorted((stages / kind).glob("*.yaml"))]
        texts = [path.read_text() for path in files if path.name != "kustomization.yaml"]
        (folder / "stages.yaml").write_text("\n---\n".join(texts))

    return provide(f"kwok-stages-{KWOK_VERSION}", build, say, "kwok's stages …") / "stages.yaml"
