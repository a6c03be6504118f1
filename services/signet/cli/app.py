"""The commands of `signet`, in the order in which a newcomer needs them."""

import typer

from signet.cli.bench import bench
from signet.cli.chat import chat
from signet.cli.demo import demo
from signet.cli.keys import keys
from signet.cli.listen import listen
from signet.cli.register import register
from signet.cli.run import run
from signet.cli.send import send
from signet.cli.settings_command import settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,  # these hold keys and texts
    help="Signet: an end-to-end encrypted messenger, its server and its tools.",
    epilog="Exit codes: 0 done, 1 a check failed, 2 usage, 3 refused, 4 unreachable or not"
    " answered yet, 5 the store is in use or missing, 130 interrupted.",
)

for command in (run, register, chat, send, listen, keys, demo, bench, settings):
    app.command()(command)
