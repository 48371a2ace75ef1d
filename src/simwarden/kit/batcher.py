"""Gathering what concurrent callers want written, or read, into batches, each caller with a result of its own.

While one batch is written the next gathers, so a lone item is written at once and a storm in large batches. An item
that cannot be written spoils nothing for the others.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from simwarden.domain.errors import StoreUnavailable, TryAgain

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")

TRIES = 3
"""Times that a batch is written when other transactions go first."""
OUTAGES = 2
"""When so many batches in a row met an outage, those who still wait are answered with it too."""


class Batcher(Generic[Item, Result]):
    """Writes one batch at a time, in the order in which the items came.

    A subclass says how a batch is written, and may say what goes into one. Nothing is written twice after it succeeded;
    a batch that failed is written again when another transaction went first (`TryAgain`), and in halves, until the
    items at fault are alone, when `can_halve` says of the error that this helps.
    """

    batcher_name = "batcher"
    """Of the task."""
    gather = 0.0
    """Seconds that a batch waits for more before it is written, where nobody waits for it."""
    rest = 0.0
    """After a batch of which an item failed nothing is done for so many times as long as the batch took."""

    def __init__(self, *, most: int) -> None:
        """`most`: the size of a batch; an item that is larger goes alone."""
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._task: asyncio.Task[None] | None = None
        self._outages = 0
        """In a row."""

    async def write(self, items: Sequence[Item]) -> Sequence[Result | BaseException]:
        """Write all of a batch or nothing; returns each item's result, or the error that its caller is to get.

        Raises TryAgain and StoreUnavailable, and whatever else; then nothing was written, or nobody knows.
        """
        raise NotImplementedError

    def size(self, item: Item) -> int:
        """How much of a batch an item takes up."""
        return 1

    def key(self, item: Item) -> Hashable | None:
        """Of items with one key a batch holds only the first: the next may need its result. None: no key."""
        return None

    def group(self, item: Item) -> Hashable:
        """A batch holds the items of one group, that of who waits longest."""
        return None

    def can_halve(self, error: Exception) -> bool:
        """Whether an error lies in some of the items, so that the others can be written without them."""
        return False

    def failed(self, items: Sequence[Item], error: Exception) -> Exception:
        """Called when items were not written because of an error that is no outage; returns what their callers get."""
        return error

    @property
    def waiting(self) -> int:
        """Items that wait for the next batch."""
        return len(self._waiting)

    async def submit(self, item: Item) -> Result:
        """Returns an item's result when its batch is written; it is written also when the caller goes away meanwhile.

        Raises what `write` says of the item; StoreUnavailable (perhaps nothing was done, perhaps all); what `failed`
        makes of other errors.
        """
        return await self.enqueue(item)

    def enqueue(self, item: Item) -> asyncio.Future[Result]:
        """As `submit`, for whom a coroutine more would cost too much."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self.batcher_name)
        return future

    async def drain(self) -> None:
        """Wait until whatever was submitted is written or refused."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        try:
            while self._waiting:
                if self.gather and len(self._waiting) < self._most:
                    await asyncio.sleep(self.gather)
                batch = self._take()
                began = time.monotonic()
                if not await self._flush(batch) and self.rest:
                    await asyncio.sleep(self.rest * (time.monotonic() - began))
        except BaseException as error:  # the program ends: nobody may wait for ever
            _fail([*batch, *self._waiting], error)
            self._waiting = []
            raise
        finally:
            self._task = None

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        left: list[tuple[Item, asyncio.Future[Result]]] = []
        keys: set[Hashable] = set()
        group = self.group(self._waiting[0][0])
        size = 0
        for index, entry in enumerate(self._waiting):
            item = entry[0]
            key = self.key(item)
            if (key is not None and key in keys) or self.group(item) != group:
                left.append(entry)
                continue
            size += self.size(item)
            if batch and size > self._most:
                left += self._waiting[index:]
                break
            batch.append(entry)
            keys.add(key)
        self._waiting = left
        return batch

    async def _flush(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> bool:
        """Write a batch and answer everybody; returns whether `failed` was not called."""
        items = [item for item, _ in batch]
        try:
            results = await self._try(items)
        except StoreUnavailable as error:
            self._unavailable(batch, error)
            return True
        except Exception as error:
            if len(batch) > 1 and self.can_halve(error):
                half = len(batch) // 2
                return all([await self._flush(batch[:half]), await self._flush(batch[half:])])
            _fail(batch, self.failed(items, error))
            return False
        self._outages = 0
        for entry, result in zip(batch, results, strict=True):
            if isinstance(result, BaseException):
                _fail([entry], result)
            elif not entry[1].done():
                entry[1].set_result(result)
        return True

    async def _try(self, items: Sequence[Item]) -> Sequence[Result | BaseException]:
        for _ in range(TRIES - 1):
            try:
                return await self.write(items)
            except TryAgain:
                pass
        return await self.write(items)

    def _unavailable(self, batch: list[tuple[Item, asyncio.Future[Result]]], error: StoreUnavailable) -> None:
        """Each try may take as long as a connection may take: who waits is not made to wait for many of them."""
        _fail(batch, error)
        if isinstance(error, TryAgain):
            return
        self._outages += 1
        if self._outages >= OUTAGES:
            waiting, self._waiting = self._waiting, []
            _fail(waiting, error)


def _fail(batch: Sequence[tuple[object, asyncio.Future[Result]]], error: BaseException) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            future.exception()  # heard, also when the caller has gone
