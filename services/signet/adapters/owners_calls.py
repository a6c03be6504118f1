"""All that waits for one router goes into one call; what gathers meanwhile is the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import grpc

from signet.core import limits
from signet.ports.inbox import StoreUnavailable

T = TypeVar("T")
A = TypeVar("A")


@dataclass(slots=True)
class _Batch(Generic[T, A]):
    """What waits for one router, and who waits for its answer."""

    items: list[T] = field(default_factory=list)
    done: list["asyncio.Future[A]"] = field(default_factory=list)
    size: int = 0

    def fail(self, error: StoreUnavailable) -> None:
        for done in self.done:
            if not done.done():
                done.set_exception(error)


class GatheredCalls(Generic[T, A]):
    """One call at a time, made by `call`; whoever brought something for it gets its answer."""

    def __init__(
        self, call: Callable[[Sequence[T]], Awaitable[A]], size: Callable[[T], int]
    ) -> None:
        self._call, self._size = call, size
        self._waiting: list[_Batch[T, A]] = [_Batch()]
        self._task: asyncio.Task[None] | None = None

    async def bring(self, items: Sequence[T]) -> A:
        """Raises StoreUnavailable: the outcome is unknown."""
        batch = self._waiting[-1]
        if batch.size > limits.LINK_BATCH_BYTES // 4:
            batch = _Batch()
            self._waiting.append(batch)
        done: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        batch.items.extend(items)
        batch.done.append(done)
        batch.size += sum(map(self._size, items))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send(), name="owners-call")
        return await done

    async def _send(self) -> None:
        while self._waiting[0].items:
            batch = self._waiting.pop(0)
            if not self._waiting:
                self._waiting.append(_Batch())
            try:
                answer = await self._call(batch.items)
            except grpc.aio.AioRpcError as error:
                batch.fail(StoreUnavailable(f"the owner: {error.code().name}"))
                continue
            except BaseException:
                batch.fail(StoreUnavailable("the owner is gone"))
                raise
            for done in batch.done:
                if not done.done():
                    done.set_result(answer)

    async def close(self) -> None:
        """Whoever waits is told StoreUnavailable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for batch in self._waiting:
            batch.fail(StoreUnavailable("the owner is gone"))
