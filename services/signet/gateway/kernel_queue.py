"""What Linux says of a listening socket: how many wait in its queue, what it dropped for it."""

import socket
import struct

_SO_MEMINFO = 55  # <asm-generic/socket.h>; the socket module has no name for it
_MEMINFO = struct.Struct("=9I")  # <linux/sock_diag.h>: SK_MEMINFO_DROPS is the last
_TCP_INFO = struct.Struct("=8B5I")  # the beginning of <linux/tcp.h>: tcpi_unacked is the last
_DROPS, _UNACCEPTED = 8, 12
_WRAP = 2**32


class KernelQueue:
    """Elsewhere than on Linux both are 0."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        self._before = self._dropped = 0

    def look(self) -> tuple[int, int]:
        """Connections that wait to be accepted, and packets dropped in all.

        A client sends a dropped packet again after a second, and then more and more rarely.
        """
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
            memory = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            waiting = _TCP_INFO.unpack(info)[_UNACCEPTED]
            drops = _MEMINFO.unpack(memory)[_DROPS]
        except (OSError, AttributeError, struct.error):
            return 0, self._dropped
        self._dropped += (drops - self._before) % _WRAP
        self._before = drops
        return waiting, self._dropped
