"""Helm: its own engine from a wheel, called as a library: it renders, checks, installs charts."""

import copy
import importlib
import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.lanes.cache import LaneUnavailableError, Say
from tests.support.lanes.sources import wheel

VERSION = "0.2.2"  # of the wheel; of Helm 4.2.3
CHARTS = Path(__file__).parents[3] / "charts"
WARNING = 2  # of lint: 1 informs, 2 warns, 3 is an error
TIMEOUT_S = 120
Object = dict[str, Any]
Values = Mapping[str, Any]


def fetch(say: Say) -> Path:
    return wheel("helm", VERSION, say)


@cache
def engine() -> Any:
    """The library, in this process. Raises LaneUnavailableError."""
    folder = str(fetch(print))
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        return importlib.import_module("helm_python")
    except (ImportError, OSError) as failed:
        raise LaneUnavailableError(f"Helm's library does not load: {failed}") from None


class HelmFailed(Exception):
    """What Helm has said."""


def chart(name: str) -> Path:
    return CHARTS / name


def lint(path: Path, values: Values) -> list[str]:
    """What `helm lint --strict` finds, one line each."""
    report = engine().lint(path, dict(values), strict=True, namespace="default")
    found = [
        f"{path.name}/{message['path']}: {message['error']}"
        for message in report["messages"] or ()
        if message["severity"] >= WARNING
    ]
    return found + list(report["errors"] or ())


def files(
    name: str, values: Values | None = None, release: str = "signet", namespace: str = "default"
) -> Mapping[str, str]:
    """What `helm template` writes, by the template's path. Raises HelmFailed."""
    return _files(name, json.dumps(values or {}), release, namespace)


@cache
def _files(name: str, values: str, release: str, namespace: str) -> Mapping[str, str]:
    try:
        with engine().Chart.load(chart(name)) as loaded:
            loaded.validate_schema(json.loads(values))
            made = loaded.render(json.loads(values), name=release, namespace=namespace)
    except engine().HelmError as refused:
        raise HelmFailed(str(refused)) from None
    return {path.partition("/templates/")[2]: text for path, text in made.items()}


def render(
    name: str, values: Values | None = None, release: str = "signet", namespace: str = "default"
) -> list[Object]:
    """The objects that it would apply, hooks too. Raises HelmFailed."""
    return copy.deepcopy(_objects(name, json.dumps(values or {}), release, namespace))


@cache
def _objects(name: str, values: str, release: str, namespace: str) -> list[Object]:
    made = _files(name, values, release, namespace)
    texts = [text for path, text in made.items() if path.endswith(".yaml")]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [found for text in texts for found in yaml.load_all(text, loader) if found]


class Releases:
    """Releases of one namespace of a real cluster. Every call raises HelmFailed."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._config = engine().Config(kubeconfig_path=kubeconfig, namespace=namespace)
        self._namespace = namespace

    def install(self, path: Path, release: str, values: Values | None = None) -> None:
        self._call("install", path, release, dict(values or {}), namespace=self._namespace)

    def upgrade(self, path: Path, release: str, values: Values | None = None) -> None:
        self._call("upgrade", path, release, dict(values or {}), namespace=self._namespace)

    def rollback(self, release: str, revision: int) -> None:
        self._call("rollback", release, version=revision)

    def uninstall(self, release: str) -> None:
        self._call("uninstall", release)

    def test(self, release: str) -> str:
        """`helm test`: what its pods have written."""
        return str(self._call("test", release, logs=True)["logs"])

    def close(self) -> None:
        self._config.close()

    def _call(self, verb: str, *what: Any, **options: Any) -> Any:
        try:
            return getattr(self._config, verb)(*what, timeout=TIMEOUT_S, **options)
        except engine().HelmError as refused:
            raise HelmFailed(str(refused)) from None
