"""kubectl as a person uses it: text in, text out; a refusal is an exception with its words."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = Mapping[str, Any]
TIMEOUT_S = 120.0


class KubectlFailed(Exception):
    """What it has said on its way out."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """`program` may be more than one word, such as what enters a network namespace first."""

    program: Sequence[str]
    kubeconfig: Path

    def __call__(self, *arguments: str, given: str = "", timeout_s: float = TIMEOUT_S) -> str:
        """What it printed. Raises KubectlFailed, subprocess.TimeoutExpired."""
        command = [*self.program, "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=timeout_s
        )
        if done.returncode != 0:
            raise KubectlFailed(done.stderr.strip() or f"exit status {done.returncode}")
        return done.stdout

    def apply(self, objects: Iterable[Object], *arguments: str) -> str:
        """Server-side, so that nothing is written twice. Raises KubectlFailed."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        return self("apply", "--server-side", *arguments, "-f", "-", given=json.dumps(items))

    def get(self, *arguments: str) -> Any:
        """As JSON. Raises KubectlFailed."""
        return json.loads(self("get", *arguments, "-o", "json"))
