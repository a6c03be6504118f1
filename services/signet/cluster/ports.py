"""Ports for processes of this machine that keep them over kills and restarts."""

import random
import socket

HOST = "127.0.0.1"
# Below the range of outgoing connections: nobody gets the port of a pod while it is down, and a
# client that tries again and again cannot be connected to itself.
RANGE = range(20_000, 32_000)


class Ports:
    """Gives out ports that nobody listens on, each once."""

    def __init__(self, chance: random.Random) -> None:
        self._left = chance.sample(RANGE, len(RANGE))

    def take(self) -> int:
        """The next free one; 0, which is any free one, when there are no more."""
        while self._left:
            port = self._left.pop()
            if _is_free(port):
                return port
        return 0


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
