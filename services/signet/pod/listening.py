"""Ports and addresses, in the same words for every process."""

import errno

from signet.telemetry.listening import listen


class PortTaken(Exception):
    """Another program listens there. `setting` says which of ours wanted it."""

    def __init__(self, setting: str, port: int) -> None:
        super().__init__(f"{setting} {port} is taken")
        self.setting, self.port = setting, port


def check_free(host: str, port: int, setting: str) -> None:
    """Look before anything is started, so that all ports are refused in the same words.

    Raises:
        PortTaken: somebody listens there.
    """
    try:
        listen(host, port).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortTaken(setting, port) from None


def address(bound: tuple[str, int]) -> str:
    """`host:port`, with the brackets that IPv6 needs."""
    host, port = bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
