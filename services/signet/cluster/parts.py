"""What a local cluster consists of: kinds and names, and what each process is told. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from signet.ports.members import Kind
from signet.settings_files import PREFIX

# Which module is a pod of that kind. Tests put in ones that break something on purpose.
MODULES: Mapping[Kind, str] = MappingProxyType({kind: f"signet.{kind}" for kind in Kind})
COUNTS: Mapping[Kind, int] = MappingProxyType(
    {Kind.GATEWAY: 2, Kind.ROUTER: 2, Kind.KEYS: 1, Kind.PUSH: 1}
)
PORTS = ("websocket", "grpc", "rest", "admin", "link")


class Phase(StrEnum):
    """What the cluster knows of a process from outside."""

    STARTING = "starting"  # it runs, and has not said yet where it listens
    RUNNING = "running"
    PAUSED = "paused"  # by SIGSTOP
    WAITING = "waiting"  # it has ended, and is started again after a back-off
    ENDED = "ended"  # and is not started again until it is asked for


@dataclass(frozen=True, slots=True)
class Entries:
    """Where clients enter: any gateway will do, and any keys."""

    websocket: tuple[str, ...]  # ws://host:port/v1/connect
    grpc: tuple[str, ...]  # host:port, of gateways: Messaging
    keys_grpc: tuple[str, ...]  # host:port, of keys: Keys
    rest: tuple[str, ...]  # http://host:port


def name_of(kind: Kind, taken: Iterable[str]) -> str:
    """The lowest free name, as a StatefulSet would call it: `router-0`, `router-1`, …"""
    names = set(taken)
    return next(name for i in range(len(names) + 1) if (name := f"{kind}-{i}") not in names)


def environment(
    name: str,
    data: Path,
    stores: Mapping[str, str],
    inherited: Mapping[str, str],
    last: Mapping[str, Any],
    free: Callable[[], int],
) -> dict[str, str]:
    """What a process is told. `inherited` settings hold where the cluster has no own word.

    `last` is what an earlier life of this pod said: it comes back at the same addresses. Where it
    said nothing, `free` gives a port.
    """
    told = {"NAME": name, "DATA": str(data), "PROBE_PORT": "0"}
    told |= {store.upper(): url for store, url in stores.items()}
    told |= {
        f"{port.upper()}_PORT": str(port_of(str(last.get(port, ""))) or free()) for port in PORTS
    }
    files = {f"{PREFIX}{store.upper()}_FILE" for store in stores}  # would be a second word on it
    kept = {name: value for name, value in inherited.items() if name not in files}
    return {**kept, **{f"{PREFIX}{setting}": value for setting, value in told.items()}}


def port_of(address: str) -> int:
    """The port of `host:port`, with a scheme and a path or without; 0 for none."""
    _, _, port = address.partition("://")[2].partition("/")[0].rpartition(":")
    if "://" not in address:
        port = address.rpartition(":")[2]
    return int(port) if port.isdecimal() else 0
