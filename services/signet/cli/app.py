"""The commands of `signet`, in the order in which a newcomer needs them."""

from collections.abc import Sequence
from importlib import import_module

import typer

from signet.telemetry import logs

COMMANDS = {
    "run": "signet.cli.run",
    "register": "signet.cli.register",
    "chat": "signet.cli.chat",
    "send": "signet.cli.send",
    "listen": "signet.cli.listen",
    "group": "signet.cli.group",
    "keys": "signet.cli.keys",
    "devices": "signet.cli.devices",
    "link": "signet.cli.link",
    "profile": "signet.cli.profile",
    "notify": "signet.cli.notify",
    "recover": "signet.cli.recover",
    "block": "signet.cli.block",
    "unblock": "signet.cli.block",
    "blocked": "signet.cli.block",
    "report": "signet.cli.report",
    "account": "signet.cli.account",
    "identity": "signet.cli.identity",
    "invite": "signet.cli.invite",
    "demo": "signet.cli.demo",
    "demo-group": "signet.cli.demo_group",
    "bench": "signet.cli.bench",
    "cluster": "signet.cli.cluster",
    "settings": "signet.cli.settings_command",
    "gateway": "signet.gateway.__main__",
    "router": "signet.router.__main__",
    "keys-service": "signet.keys.__main__",
    "push": "signet.push.__main__",
    "admin": "signet.cli.admin",
}


def app(arguments: Sequence[str]) -> typer.Typer:
    """The application; only the command that is asked for is imported, where one is.

    A command's module has a function of the command's name; `-` is `_`.
    """
    made = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_show_locals=False,  # these hold keys and texts
        epilog="Exit codes: 0 done, 1 a check failed, 2 usage, 3 refused, 4 unreachable or not"
        " answered yet, 5 the store is in use or missing, 130 interrupted.",
    )
    made.callback()(signet)
    wanted = [name for name in arguments[:1] if name in COMMANDS] or list(COMMANDS)
    for name in wanted:
        found = getattr(import_module(COMMANDS[name]), name.replace("-", "_"))
        if isinstance(found, typer.Typer):  # a group of commands
            made.add_typer(found, name=name)
        else:
            made.command(name)(found)
    return made


def signet() -> None:
    """Signet: an end-to-end encrypted messenger, its server and its tools."""
    logs.configure(level="error")  # what the SDK logs is not what a program reads from us
