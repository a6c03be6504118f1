"""Generate the Python code of protos/ into services/, or say how what is committed differs.

The output is committed, so that a checkout runs without a compiler. `--check` writes nothing
and exits 1 on drift.
"""

import filecmp
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"


def generate(out: Path) -> list[Path]:
    """Compile every .proto into `out`; return the files made, relative to it."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    services = [name for name in sources if "\nservice " in (PROTOS / name).read_text()]
    run("--python_out", out, "--mypy_out", f"quiet:{out}", sources=sources)
    run("--grpc_python_out", out, "--mypy_grpc_out", f"quiet:{out}", sources=services)
    return sorted(path.relative_to(out) for path in out.rglob("*_pb2*.py*"))


def run(*options: str | Path, sources: list[str]) -> None:
    flags = [f"{options[i]}={options[i + 1]}" for i in range(0, len(options), 2)]
    plugins = Path(sys.executable).parent
    command = ["protoc", f"-I{PROTOS}", *flags, *sources]
    for name in ("mypy", "mypy_grpc"):
        command.insert(1, f"--plugin=protoc-gen-{name}={plugins / f'protoc-gen-{name}'}")
    if protoc.main(command) != 0:
        raise SystemExit("protoc failed")


def main() -> None:
    services = ROOT / "services"
    if "--check" not in sys.argv:
        print(f"generated {len(generate(services))} files")
        return
    with tempfile.TemporaryDirectory() as folder:
        made = generate(Path(folder))
        drift = [
            str(name)
            for name in made
            if not (services / name).exists()
            or not filecmp.cmp(Path(folder) / name, services / name, shallow=False)
        ]
    if drift:
        raise SystemExit(
            "generated code is not what protos/ says (make protos): " + ", ".join(drift)
        )


if __name__ == "__main__":
    main()
