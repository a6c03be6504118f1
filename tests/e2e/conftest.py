"""A world for each test, and a way to open streams over either transport."""

from tests.support.opening import here, open_stream, pytest_asyncio_loop_factories, transport

__all__ = ["here", "open_stream", "pytest_asyncio_loop_factories", "transport"]
