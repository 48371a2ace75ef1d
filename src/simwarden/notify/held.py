"""Which claimed queues a worker holds in memory, and how many more of an account it may claim. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simwarden.store.deliveries import ClaimedQueue


class HeldQueues:
    """At most `places` queues; each account leaves as many places free as it has."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._queues: dict[str, ClaimedQueue] = {}
        self._paused: set[str] = set()
        """Held queues whose subscription was paused meanwhile."""
        self._by_account: Counter[str] = Counter()

    def __iter__(self) -> Iterator[ClaimedQueue]:
        return iter(self._queues.values())

    @property
    def ids(self) -> set[str]:
        """The subscriptions whose queues are held."""
        return set(self._queues)

    @property
    def free(self) -> int:
        """How many more queues may be held."""
        return self._places - len(self._queues)

    @property
    def accounts(self) -> set[str]:
        """Accounts of which a queue is held."""
        return set(self._by_account)

    def capacity(self, account: str) -> int:
        """How many more queues of an account may be held."""
        return max((self.free - self._by_account[account] + 1) // 2, 0)

    def full_accounts(self) -> set[str]:
        """Accounts of which queues are held, and no more may be."""
        return {account for account in self._by_account if self.capacity(account) == 0}

    def add(self, queue: ClaimedQueue) -> None:
        """Hold a queue."""
        self._queues[queue.id] = queue
        self._by_account[queue.account_id] += 1

    def remove(self, queue_id: str) -> str | None:
        """Hold a queue no longer; returns its account, None when it was not held."""
        queue = self._queues.pop(queue_id, None)
        self._paused.discard(queue_id)
        if queue is None:
            return None
        self._by_account[queue.account_id] -= 1
        if not self._by_account[queue.account_id]:
            del self._by_account[queue.account_id]
        return queue.account_id

    def pause(self, queue_id: str) -> None:
        """Nothing more is to be sent of a queue, if it is held."""
        if queue_id in self._queues:
            self._paused.add(queue_id)

    def is_paused(self, queue_id: str) -> bool:
        """Whether it was paused since it was claimed."""
        return queue_id in self._paused
