"""The project's images, built from its Dockerfiles, as one archive that nodes import.

No registry: the base is Debian 12 with Python, made by mmdebstrap. The libraries are one layer for
all images and are built again when the lock changes; the program is the last layer.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from tests.support.lanes.cache import CACHE, LaneUnavailableError, Say, provide, run, tool
from tests.support.lanes.kube.programs import packages
from tools import images

TAG = "dev"
PACKAGES = {"/usr/bin/buildah": "buildah", "/usr/bin/mmdebstrap": "mmdebstrap"}
EXCLUDED = ("doc", "man", "locale", "info")
SUITE, BASE_VERSION = "bookworm", "2"
# The base holds nothing of the machine on which it was made.
CLEAN = 'rm -rf "$1"/etc/apt/sources.list* "$1"/etc/resolv.conf "$1"/etc/hostname "$1"/var/log/*'


def name(role: str, tag: str = TAG) -> str:
    """What a pod names."""
    return f"localhost/signet-{role}:{tag}"


def archive(say: Say) -> Path:
    """All images of this working tree.

    Raises:
        LaneUnavailableError: they cannot be built here.
    """
    packages(PACKAGES, say)
    place = CACHE / "kube-images"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _archive(place, say)
        except subprocess.CalledProcessError as error:
            raise LaneUnavailableError(f"{error.cmd}: {str(error.stderr)[-300:]}") from None


def _archive(place: Path, say: Say) -> Path:
    base, context = _base(say), place / "context"
    if not (context / "wheels.of").exists():
        say("fetching the wheels of images from PyPI …")
    images.fill(context)
    key = _key(base, context)
    for old in CACHE.glob("kube-archive-*"):
        if old.is_dir() and key not in old.name:
            shutil.rmtree(old)
            (CACHE / f"{old.name}.lock").unlink(missing_ok=True)

    def build(folder: Path) -> None:
        builder = images.Builder(place / "storage")
        start = _imported(builder, base)
        layout = folder / "layout"
        for role in images.ROLES:
            builder.build(role, context, start, name(role))
            builder("push", "-q", "-D", name(role), f"oci:{layout}:{name(role)}")
        _name_all(layout / "index.json")
        run(["tar", "-C", str(layout), "-cf", str(folder / "images.tar"), "."])
        shutil.rmtree(layout)

    what = "building the images (a minute; seconds where only the program changed) …"
    return provide(f"kube-archive-{key}", build, say, what) / "images.tar"


def _base(say: Say) -> Path:
    def build(folder: Path) -> None:
        make = tool("mmdebstrap", "apt-get install mmdebstrap")
        less = [f"--dpkgopt=path-exclude=/usr/share/{kind}/*" for kind in EXCLUDED]
        less.append("--dpkgopt=path-include=/usr/share/doc/*/copyright")
        what = ["--variant=essential", "--include=python3,libstdc++6,ca-certificates,tzdata"]
        run([make, *what, *less, f"--customize-hook={CLEAN}", SUITE, str(folder / "base.tar")])

    what = f"making Debian {SUITE} with Python for images (half a minute) …"
    return provide(f"kube-base-{SUITE}-{BASE_VERSION}", build, say, what) / "base.tar"


def _imported(builder: images.Builder, base: Path) -> str:
    """The base as an image of the builder's; made once."""
    reference = f"localhost/signet-base:{SUITE}-{BASE_VERSION}"
    if reference not in builder("images", "--format", "{{.Name}}:{{.Tag}}").split():
        container = builder("from", "scratch").strip()
        builder("add", "-q", container, str(base), "/")
        builder("commit", "-q", "--rm", container, reference)
    return reference


def _key(base: Path, context: Path) -> str:
    parts = [base.parent.name.encode(), (context / "wheels.of").read_bytes()]
    parts += [file.read_bytes() for file in sorted(images.DOCKER.iterdir())]
    parts += [wheel.read_bytes() for wheel in (context / "program").iterdir()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _name_all(index: Path) -> None:
    """containerd takes an image's name from an annotation of its own."""
    document = json.loads(index.read_text())
    for image in document["manifests"]:
        notes = image["annotations"]
        notes["io.containerd.image.name"] = notes["org.opencontainers.image.ref.name"]
    index.write_text(json.dumps(document))
