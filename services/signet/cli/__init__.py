"""The command line: one file a command. Exit codes are those of `signet.cli.failures`."""

import sys


def main() -> None:
    """The program `signet`."""
    from signet.cli.app import app  # noqa: PLC0415 # the bench's load needs no commands

    app(sys.argv[1:])()
