"""What a session needs of a transport. The two are websocket.py and grpc_server.py."""

from typing import Protocol

from signet.core.errors import Code


class Edge(Protocol):
    """One client's stream, as the session writes to it. Nothing here waits or raises."""

    @property
    def pending(self) -> int:
        """Bytes that were written and that the network has not taken yet."""
        ...

    def write(self, frame: bytes) -> None:
        """Hand a serialised ServerFrame over; all of one turn of the loop goes out together."""
        ...

    def finish(self, frame: bytes, code: Code, retry_after_s: float) -> None:
        """Write the last frame, then end the stream with the code's own close or status."""
        ...


class Listening(Protocol):
    """A transport's server."""

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, once it was started."""
        ...

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        ...

    async def stop(self) -> None:
        """End what is left at once."""
        ...
