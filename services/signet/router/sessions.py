"""The streams of this router: which inbox each one is attached to, or is being."""

from collections.abc import Iterator, ValuesView

from signet.router.people import Inbox

Stream = tuple[int, int]  # link, number of the session there


class Sessions:
    """A mapping of streams to inboxes; each inbox knows its streams (`Inbox.streams`)."""

    def __init__(self) -> None:
        self._inboxes: dict[Stream, Inbox] = {}

    def __len__(self) -> int:
        return len(self._inboxes)

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._inboxes)

    def __setitem__(self, stream: Stream, inbox: Inbox) -> None:
        self.pop(stream)
        self._inboxes[stream] = inbox
        inbox.streams.add(stream)

    def get(self, stream: Stream) -> Inbox | None:
        return self._inboxes.get(stream)

    def pop(self, stream: Stream) -> Inbox | None:
        """Where it was attached; None: nowhere."""
        inbox = self._inboxes.pop(stream, None)
        if inbox is not None:
            inbox.streams.discard(stream)
        return inbox

    def values(self) -> ValuesView[Inbox]:
        """An inbox for each stream: some come twice."""
        return self._inboxes.values()
