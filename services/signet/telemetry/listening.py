"""Sockets that listen, of either family of addresses."""

import socket

ANY = "0.0.0.0"  # noqa: S104 - inside a pod


def all_of(host: str, ip: str) -> str:
    """`host`; where it is all addresses of IPv4, and the pod's own is one of IPv6, all of these."""
    return "::" if host == ANY and ":" in ip else host


def listen(host: str, port: int, backlog: int = 64) -> socket.socket:
    """At an address of IPv4 or IPv6; `0.0.0.0` and `::` are all addresses of their family.

    Raises:
        OSError: the port is taken, or no such address is here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=backlog)
