"""Sockets that listen, of either family of addresses."""

import socket


def listen(host: str, port: int, backlog: int = 64) -> socket.socket:
    """At an address of IPv4 or IPv6; `0.0.0.0` and `::` are all addresses of their family.

    Raises:
        OSError: the port is taken, or no such address is here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=backlog)
