"""The command line: one file a command. Exit codes are those of `signet.cli.failures`."""


def main() -> None:
    """The program `signet`."""
    from signet.cli.app import app  # noqa: PLC0415 # `python -m signet.cli.bench_load` needs none of it

    app()
