"""An image of a few files, as containerd imports it: no registry, no build."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

EXECUTABLE = 0o755


def write(target: Path, name: str, files: Mapping[str, bytes], command: Sequence[str]) -> Path:
    """One layer; all files are executable. `name` is `localhost/NAME:TAG`."""
    layer = _tar({path: (content, EXECUTABLE) for path, content in files.items()})
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": list(command)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    parts = {
        "layer.tar": layer,
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps(manifest).encode(),
    }
    target.write_bytes(_tar({path: (content, 0o644) for path, content in parts.items()}))
    return target


def _tar(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path, (content, mode) in files.items():
            about = tarfile.TarInfo(path)
            about.size, about.mode = len(content), mode
            tar.addfile(about, io.BytesIO(content))
    return written.getvalue()
