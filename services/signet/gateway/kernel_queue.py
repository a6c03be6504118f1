"""What Linux says of a listening socket and of those who wait in its queue.

Elsewhere it says nothing: nobody waits, nothing was dropped, everybody is still there.
"""

import socket
import struct

_SO_MEMINFO = 55  # <asm-generic/socket.h>; the socket module has no name for it
_MEMINFO = struct.Struct("=9I")  # <linux/sock_diag.h>: SK_MEMINFO_DROPS is the last
_TCP_INFO = struct.Struct("=8B5I")  # the beginning of <linux/tcp.h>: tcpi_unacked is the last
_STATE, _UNACCEPTED = 0, 12  # of TCP_INFO
_DROPS = 8  # of MEMINFO
_ESTABLISHED = 1
_WRAP = 2**32


def has_left(accepted: socket.socket) -> bool:
    """Whether the client has ended its half, or all, while it waited to be accepted."""
    info = _tcp_info(accepted)
    return info is not None and info[_STATE] != _ESTABLISHED


def _tcp_info(of: socket.socket) -> tuple[int, ...] | None:
    try:
        return _TCP_INFO.unpack(of.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
    except (OSError, AttributeError, struct.error):
        return None


class KernelQueue:
    """Of one listening socket."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        self._before = self._dropped = 0

    def look(self) -> tuple[int, int]:
        """Connections that wait to be accepted, and packets dropped in all.

        A client sends a dropped packet again after a second, and then more and more rarely.
        """
        info = _tcp_info(self._socket)
        try:
            memory = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            drops = _MEMINFO.unpack(memory)[_DROPS]
        except (OSError, struct.error):
            drops = self._before
        waiting = info[_UNACCEPTED] if info else 0
        self._dropped += (drops - self._before) % _WRAP
        self._before = drops
        return waiting, self._dropped
