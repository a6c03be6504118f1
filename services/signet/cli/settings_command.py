"""`signet settings`."""

from typing import Annotated

import typer
from rich.table import Table

from signet import settings_table as table
from signet.cli import look


def settings(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As docs/settings.md has it.")
    ] = False,
) -> None:
    """Every setting of a server: environment, default, meaning."""
    if markdown:
        print(table.markdown())
        return
    shown = Table("setting", "environment", "default", "meaning", box=None, header_style="quiet")
    for _, name, variable, default, meaning in table.rows():
        shown.add_row(f"[copy]{name}[/]", variable, default, meaning)
    look.console().print(shown, soft_wrap=False)
