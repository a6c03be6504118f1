"""A pod as a command: flags, signals, exit codes.

Exit codes: 0 ended as it was asked to · 2 settings, or a port that is taken · 4 a store cannot be
reached · 5 a store's tables are older than this program, or `signet run` has the data folder ·
6 the lease was lost.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import uvloop

from signet import settings as table
from signet.adapters.schema import COMMAND, OldSchema
from signet.core.limits import LEAVE_AGAIN, STOP_TIME
from signet.data_folder import FolderInUse
from signet.first_process import end_when_told
from signet.pod.ending import end_within
from signet.pod.listening import PortTaken
from signet.pod.pod import Build, Pod
from signet.pod.stores import StoreRefused
from signet.pod.tls import BadCertificates
from signet.ports.inbox import OtherShards, StoreUnavailable
from signet.ports.members import Kind
from signet.settings import BadSettings
from signet.telemetry import logs

Port = Annotated[int | None, typer.Option(metavar="PORT", show_default=False)]
SETTINGS, UNREACHABLE, STORE = 2, 4, 5


class Refusal(NamedTuple):
    """Why a pod does not start: a name, a sentence, what to do, the exit code."""

    name: str
    text: str
    advice: str
    status: int


def command_of(kind: Kind, build: Build, text: str) -> Callable[..., None]:
    """The command that runs one pod of a kind. `text` is its help."""

    def pod(
        name: Annotated[
            str | None, typer.Option(help="Of this pod, unique among its kind.")
        ] = None,
        data: Annotated[Path | None, typer.Option(help="Folder of the embedded stores.")] = None,
        host: Annotated[str | None, typer.Option(help="Address to listen on: 127.0.0.1.")] = None,
        websocket_port: Port = None,
        grpc_port: Port = None,
        rest_port: Port = None,
        link_port: Port = None,
        admin_port: Port = None,
        config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
        as_json: Annotated[
            bool, typer.Option("--json", help="Say where it listens as one JSON object.")
        ] = False,
    ) -> None:
        flags = {
            "name": name,
            "data": data,
            "host": host,
            "websocket_port": websocket_port,
            "grpc_port": grpc_port,
            "rest_port": rest_port,
            "link_port": link_port,
            "admin_port": admin_port,
        }
        _run(kind, build, config, flags, as_json)

    pod.__doc__ = text
    return pod


def _run(
    kind: Kind, build: Build, config: Path | None, flags: dict[str, Any], as_json: bool
) -> None:
    end_when_told()
    try:
        settings = table.load(config, **flags)
        logs.configure(settings.log_format, settings.log_level)
        uvloop.run(serve(Pod(settings, kind), build, as_json))
    except Exception as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        _say(refusal, as_json)
        raise typer.Exit(refusal.status) from None


async def serve(pod: Pod, build: Build, as_json: bool) -> None:
    """Until a signal has come and the pod has left. A second one: the same drain, more hurried."""
    signals = 0

    def signalled() -> None:
        nonlocal signals
        signals += 1
        pod.end(pod.settings.leave_s if signals == 1 else LEAVE_AGAIN)

    await pod.start(build)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    if as_json:
        print(json.dumps(pod.listens), flush=True)  # noqa: T201 - for whoever has started it
    else:
        print(_line(pod.listens), file=sys.stderr, flush=True)  # noqa: T201
    await pod.ended.wait()
    end_within(STOP_TIME)
    await pod.stop()


def _line(listens: dict[str, Any]) -> str:
    first = f"{listens['kind']} {listens['name']} runs (pid {listens['pid']}, Ctrl-C drains it)"
    rest = {k: v for k, v in listens.items() if k not in {"kind", "name", "pid"}}
    return "\n".join([first, *(f"  {name:<10} {where}" for name, where in rest.items())])


def refusal_of(error: Exception) -> Refusal | None:
    """What a person is told; None for a bug, which keeps its traceback."""
    match error:
        case BadSettings() | BadCertificates():
            return Refusal("SETTINGS", str(error), "signet settings lists them", SETTINGS)
        case OtherShards():
            advice = "they stay in that number for good: set SIGNET_SHARDS to it"
            return Refusal("SHARDS", str(error), advice, SETTINGS)
        case PortTaken():
            text = f"port {error.port} ({error.setting}) is taken by another program"
            advice = f"give another; 0 takes a free one (SIGNET_{error.setting.upper()})"
            return Refusal("PORT_TAKEN", text, advice, SETTINGS)
        case FolderInUse():
            text = f"process {error.pid} runs a whole server on {error.path}"
            return Refusal("DATA_IN_USE", text, "stop it, or give another --data", STORE)
    return _of_store(error)


def _of_store(error: Exception) -> Refusal | None:
    match error:
        case OldSchema() | StoreRefused(__cause__=OldSchema()):
            return Refusal("OLD_SCHEMA", str(error), f"{COMMAND}, with the same settings", STORE)
        case StoreRefused():
            advice = "is its URL right, and does it run?"
            return Refusal("STORE", str(error), advice, UNREACHABLE)
        case StoreUnavailable():
            text = f"a store does not answer: {error}"
            return Refusal("STORE", text, "does it run? start again when it does", UNREACHABLE)
    return None


def _say(refusal: Refusal, as_json: bool) -> None:
    told = refusal._asdict() if as_json else None
    if told is not None:
        told = {"error": told.pop("name"), "detail": told.pop("text"), **told}
        line = json.dumps(told)
    else:
        line = f"{refusal.name}: {refusal.text} → {refusal.advice}"
    print(line, file=sys.stderr)  # noqa: T201
