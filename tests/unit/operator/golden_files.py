"""What the builders make, as files that a person reads: one a kind, for two clusters.

`python -m tests.unit.operator.golden_files` writes them anew; look at the difference before it is
committed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from signet_operator.desired import bundle, job, objects, secret
from signet_operator.names import Tier
from signet_operator.observed import Observed
from signet_operator.spec import ClusterSpec
from tests.unit.operator.clusters import full, plain

FOLDER = Path(__file__).parent / "golden"
CLUSTERS = {"plain": plain, "full": full}


def everything(spec: ClusterSpec) -> tuple[Mapping[str, Any], ...]:
    """Also what is not made from the resource alone, with values that are no secrets."""
    return (
        *objects(spec, Observed(schema="0.1")),
        secret.shared(spec, b"r" * 32, b"p" * 32),
        *(secret.leaf(spec, tier, b"certificates", b"a key") for tier in Tier),
        bundle.bundle(spec, "certificates", "{}"),
        job.job(spec, "0.1"),
    )


def rendered() -> dict[Path, str]:
    """The text of each file."""
    files: dict[Path, list[Mapping[str, Any]]] = {}
    for name, make in CLUSTERS.items():
        for one in everything(make()):
            files.setdefault(FOLDER / name / f"{one['kind']}.json", []).append(one)
    return {
        path: json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        for path, found in files.items()
    }


def write() -> None:
    """Replace all files."""
    for old in FOLDER.rglob("*.json"):
        old.unlink()
    for path, text in rendered().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    write()
