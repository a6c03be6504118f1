"""Servers that run on Java: their class archive makes a start two to four times faster."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.lanes.cache import Say, provide
from tests.support.lanes.server import Server
from tests.support.lanes.sources import class_path, jars

ARCHIVE = "classes.jsa"
# The archive is written at the end of a run, while END_TIMEOUT_S runs: one compiler is enough.
LEAN = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-XX:-UsePerfData"]
QUIET = ["-Xlog:cds=off", "-Xlog:cds+dynamic=off"]

Make = Callable[[Path, list[str]], Server]


def java(options: Sequence[str], jar_folder: Path, main: str, *arguments: str) -> list[str]:
    """The command. The class path is an explicit, sorted list: archives hold for no other."""
    return ["java", *LEAN, *options, "-cp", class_path(jar_folder), main, *arguments]


def archived(name: str, version: str, make: Make, say: Say) -> list[str]:
    """Java's options for the archive of a server; the first call starts it once to write it.

    `make` gives the server for a folder and such options.
    """

    def build(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix=f"{name}-training-") as data:
            server = make(Path(data), [f"-XX:ArchiveClassesAtExit={folder / ARCHIVE}", *QUIET])
            server.start().end()

    what = f"starting {name} {version} once for its class archive …"
    folder = provide(f"{name}-{version}-classes", build, say, what)
    return [f"-XX:SharedArchiveFile={folder / ARCHIVE}", *QUIET]


def fetch(name: str, version: str, make: Make, say: Say) -> list[str]:
    """Jars and archive; returns Java's options for it."""
    jars(name, version, say)
    return archived(name, version, make, say)
