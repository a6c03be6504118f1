"""The command line: one file a command. Exit codes are those of `signet.cli.failures`."""

import sys

from signet.first_process import end_when_told


def main() -> None:
    """The program `signet`."""
    end_when_told()  # what is imported now takes seconds
    from signet.cli.app import app  # noqa: PLC0415 # the bench's load needs no commands

    app(sys.argv[1:])()
