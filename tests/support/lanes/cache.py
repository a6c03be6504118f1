"""What lanes are made of, fetched or built once on a machine and kept outside the tree."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

Say = Callable[[str], None]

CACHE = Path(os.environ.get("SIGNET_LANE_CACHE") or Path.home() / ".cache" / "signet" / "lanes")
FETCH_TIMEOUT_S = 2_700.0  # Kubernetes is built in 7 minutes on two idle cores, not on busy ones


class LaneUnavailableError(Exception):
    """The lane cannot be had on this machine; the text says why, in a line."""


def provide(key: str, build: Callable[[Path], None], say: Say, what: str) -> Path:
    """The folder `key` of the cache, made by `build` if it is not there yet.

    A folder appears whole or not at all. Two test runs that want the same one at once build it
    once: the second waits for the first and says so. `build` may raise LaneUnavailableError.
    """
    target = CACHE / key
    if target.is_dir():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{key}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that makes {key} …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            say(what)
            _make(target, build)
    return target


def _make(target: Path, build: Callable[[Path], None]) -> None:
    making = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=CACHE))
    try:
        build(making)
        making.rename(target)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


def tool(name: str, package: str) -> str:
    """The path of a program of this machine.

    Raises:
        LaneUnavailableError: it is not there; `package` is what would bring it.
    """
    found = shutil.which(name)
    if found is None:
        raise LaneUnavailableError(f"needs {name} ({package})")
    return found


def run(command: Sequence[str], **environment: str) -> None:
    """Run a fetching command to its end.

    Raises:
        LaneUnavailableError: it failed or took too long; with the end of what it said.
    """
    try:
        subprocess.run(
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=FETCH_TIMEOUT_S,
            env={**os.environ, **environment},
        )
    except subprocess.CalledProcessError as error:
        said = error.stdout.decode(errors="replace").strip().splitlines()
        raise LaneUnavailableError(
            f"{Path(command[0]).name} failed: {said[-1] if said else error.returncode}"
        ) from None
    except subprocess.TimeoutExpired:
        raise LaneUnavailableError(
            f"{Path(command[0]).name} took over {FETCH_TIMEOUT_S:.0f} s"
        ) from None
