"""`Range` of HTTP (RFC 9110, section 14) for one range of bytes. Pure."""

import re

_ONE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


class Unsatisfiable(Exception):
    """None of the bytes that are asked for are there (416)."""


def part(header: str, size: int) -> tuple[int, int] | None:
    """Start and end (which is not in it) of what is to be sent; None: everything.

    A header that is malformed, in another unit or of several ranges is passed over, as a server
    may.

    Raises:
        Unsatisfiable.
    """
    said = _ONE.fullmatch(header)
    if said is None or said[1] + said[2] == "":
        return None
    if not said[1]:
        start, end = max(0, size - int(said[2])), size
    else:
        start, end = int(said[1]), int(said[2] or size) + bool(said[2])
        if said[2] and end <= start:
            return None
    if start >= size:
        raise Unsatisfiable
    return start, min(end, size)
