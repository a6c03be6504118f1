"""A blob has the length that was announced, or is none."""

from collections.abc import AsyncIterator


async def exactly(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The same chunks. Raises: ValueError where they are not `size` bytes, before the last."""
    left = size
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise ValueError(f"more than {size} bytes came")
        yield chunk
    if left:
        raise ValueError(f"{left} of {size} bytes did not come")
