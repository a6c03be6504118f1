"""Streams over either transport."""

from tests.support.opening import open_stream, transport

__all__ = ["open_stream", "transport"]
