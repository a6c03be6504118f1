"""`make images`: one image a role, by buildah, from the Dockerfiles in deploy/docker.

The context is made here: wheels that requirements.lock names, fetched once, and the project's own.
So a build needs no network, and all images share their layers up to the last one, the program.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import locked, sbom

DOCKER = locked.ROOT / "deploy" / "docker"
ROLES = ("gateway", "router", "keys", "push", "operator")
BASE = "python:3.11-slim-bookworm"
CACHE = Path.home() / ".cache" / "signet" / "images"
GLIBC = 36  # of the base: wheels for it and for what is older
MACHINE = platform.machine()
# Files of the same content are the same, whenever they were made: layers are found again.
SAME = {"SOURCE_DATE_EPOCH": "1735689600"}
WITHOUT_NETWORK = ("unshare", "--net")


@dataclass(frozen=True, slots=True)
class Builder:
    """buildah. `storage`: where it keeps images, if not where it always does."""

    storage: Path | None = None

    def __call__(self, *arguments: str, alone: bool = False) -> str:
        """Run it to its end; what it printed. `alone`: without network.

        Raises:
            subprocess.CalledProcessError: it failed; with what it said.
        """
        command = [*(WITHOUT_NETWORK if alone else ()), "buildah"]
        if self.storage is not None:
            places = ["--root", str(self.storage / "root"), "--runroot", str(self.storage / "run")]
            command += [*places, "--storage-driver", "overlay"]
        return _run([*command, *arguments])

    def build(self, role: str, context: Path, base: str, name: str) -> None:
        """One image, from its Dockerfile."""
        file = DOCKER / f"{role}.Dockerfile"
        options = [
            "--isolation",
            "chroot",
            "--pull=false",
            "--layers",
            "--build-arg",
            f"BASE={base}",
        ]
        self(
            "bud",
            *options,
            "-q",
            "-f",
            str(file),
            "-t",
            name,
            str(context),
            alone=os.geteuid() == 0,
        )

    def bill(self, role: str, name: str) -> str:
        """What is in an image (CycloneDX, JSON)."""
        container = self("from", "--pull=false", name).strip()
        try:
            return sbom.of(Path(self("mount", container).strip()), f"signet-{role}")
        finally:
            self("rm", container)


def fill(context: Path) -> None:
    """Bring the context up to date; what has not changed stays untouched, times and all."""
    libraries = locked.pinned(locked.needed())
    operator = locked.pinned(locked.needed("operator") - locked.needed())
    pip = (DOCKER / "pip.txt").read_text()
    wanted = hashlib.sha256(f"{libraries}\n{operator}\n{pip}".encode()).hexdigest()
    mark = context / "wheels.of"
    if not mark.exists() or mark.read_text() != wanted:
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        (context / "libraries.txt").write_text(libraries)
        (context / "operator.txt").write_text(operator)
        for source, target in (("libraries.txt", "wheels"), ("operator.txt", "wheels")):
            _download(context / source, context / target)
        _download(DOCKER / "pip.txt", context)
        mark.write_text(wanted)
    _program(context)


def _download(requirements: Path, target: Path) -> None:
    """Wheels for the image's Python, whatever this one is."""
    platforms = [f"manylinux_2_{minor}_{MACHINE}" for minor in range(GLIBC, 4, -1)]
    platforms += [f"manylinux{year}_{MACHINE}" for year in ("2014", "2010", "1")]
    options = [option for name in platforms for option in ("--platform", name)]
    options += ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
    options += ["--abi", "abi3", "--abi", "none", "--only-binary", ":all:", "--no-deps"]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    _run([*pip, *options, "--require-hashes", "-d", str(target), "-r", str(requirements)])


def _program(context: Path) -> None:
    """The project's wheel, replaced only by one that differs."""
    made = context / "made"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    _run([*pip, "--no-deps", "--no-build-isolation", "-w", str(made), str(locked.ROOT)], **SAME)
    (wheel,) = made.glob("*.whl")
    target = context / "program" / wheel.name
    if not target.exists() or target.read_bytes() != wheel.read_bytes():
        shutil.rmtree(target.parent, ignore_errors=True)
        target.parent.mkdir()
        wheel.rename(target)
    shutil.rmtree(made)


def _run(command: Sequence[str], **environment: str) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **environment}
    )
    if done.returncode != 0:
        raise subprocess.CalledProcessError(
            done.returncode, command[0], done.stdout, done.stderr.strip()
        )
    return done.stdout


def main() -> int:
    parse = argparse.ArgumentParser(prog="make images")
    parse.add_argument("--base", default=BASE, help="Python 3.11 on Debian 12 or like it")
    parse.add_argument("--tag", default="dev", help="images are called signet-ROLE:TAG")
    parse.add_argument("--bills", type=Path, help="write their bills of materials there, too")
    asked = parse.parse_args()
    builder, context = Builder(), CACHE / "context"
    try:
        print("wheels …", flush=True)
        fill(context)
        for role in ROLES:
            name = f"localhost/signet-{role}:{asked.tag}"
            print(f"{name} …", flush=True)
            builder.build(role, context, asked.base, name)
            if asked.bills:
                asked.bills.mkdir(parents=True, exist_ok=True)
                bill = asked.bills / f"signet-{role}.cdx.json"
                bill.write_text(builder.bill(role, name))
    except FileNotFoundError as error:
        print(f"{error.filename} is needed: apt-get install buildah", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd} failed: {error.stderr}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
