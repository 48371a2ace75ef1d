"""Inboxes: events wait here until their owner takes them, for those who have no public address.

A queue that leads to an inbox is worked on by whoever empties it, in the notifier's place and by the notifier's rules:
the head of each queue, signed at the moment it is taken, the answer judged as a sink's answer would be. Taken events
are held back for a while; what is not acknowledged by then is offered again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import IncompatibleState, ResourceNotFound
from simwarden.domain.sink import InvalidSink
from simwarden.kit.clock import now_utc
from simwarden.kit.ids import random_name, signing_secret
from simwarden.notify.request import open_queue
from simwarden.notify.retry import RetryDecision, SendOutcome, decide
from simwarden.notify.settings import NotifySettings
from simwarden.store import deliveries, delivery_history, inboxes
from simwarden.store.deliveries import AttemptResult, ClaimedQueue, QueueResult
from simwarden.store.vault import inbox_purpose

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.store.database import Database
    from simwarden.store.inboxes import Inbox
    from simwarden.store.vault import Vault

HOLD = timedelta(seconds=20)
"""So long a taken event is given to nobody else."""
LONGEST_RETRY = timedelta(seconds=10)
"""A developer who mends her program does not want to wait for minutes."""
LONGEST_POLL = 4.0
"""Seconds after which a poll is answered, however long it would wait: the server stops when all calls are answered."""
_PAUSE = 0.1
"""Seconds between two looks of one poll, however much happens meanwhile."""
_ID = re.compile(r"inb_[a-z0-9]{24}")


class InboxNotFound(ResourceNotFound):
    """The application has no such inbox."""


class NotItsTurn(IncompatibleState):
    """An earlier event of the same subscription is still to be acknowledged."""


class OpenedInbox(msgspec.Struct, frozen=True):
    """An inbox and what its owner needs."""

    id: str
    name: str
    sink: str
    secret: str
    created_at: datetime
    created: bool
    """It was made by this call."""


class Taken(msgspec.Struct, frozen=True):
    """One event, as it would have been posted."""

    event_id: str
    type: str
    subscription_id: str
    attempt: int
    """From 1."""
    headers: dict[str, str]
    body: bytes


class Inboxes:
    """The inboxes of all applications."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        *,
        base_url: str,
        settings: NotifySettings | None = None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`base_url`: how customers reach this server."""
        self._db = db
        self._vault = vault
        self._settings = settings or NotifySettings()
        longest = min(self._settings.schedule.longest, LONGEST_RETRY)
        self._schedule = msgspec.structs.replace(self._settings.schedule, longest=longest)
        self._clock = clock
        self._woken = asyncio.Event()
        self._stopped = False
        self.root = f"{base_url}/listen/v1/inboxes/"
        """What the sinks of all inboxes begin with."""

    def wake(self) -> None:
        """Something may have come in."""
        self._woken.set()
        self._woken = asyncio.Event()

    def stop(self) -> None:
        """Answer all who wait."""
        self._stopped = True
        self.wake()

    async def open(self, account_id: str, app_key: str, name: str) -> OpenedInbox:
        """The application's inbox of this name, made if need be."""
        made = f"inb_{random_name(24)}"
        secret = signing_secret()
        sealed = self._vault.seal(secret.encode(), inbox_purpose(made))
        inbox, created = await inboxes.add(self._db, made, account_id, app_key, name, sealed)
        return OpenedInbox(inbox.id, name, self.root + inbox.id, self._secret(inbox), inbox.created_at, created)

    async def of_sink(self, account_id: str, sink: str) -> tuple[str, str] | None:
        """Id and signing secret of the inbox that `sink` names; None when it names something else.

        Raises InvalidSink when the account has no such inbox, alike for one that nobody has.
        """
        if not sink.startswith(self.root):
            return None
        inbox_id = sink.removeprefix(self.root)
        inbox = await inboxes.find(self._db, inbox_id, account_id=account_id) if _ID.fullmatch(inbox_id) else None
        if inbox is None:
            raise InvalidSink("There is no such inbox; `simwarden listen` shows yours")
        return inbox.id, self._secret(inbox)

    async def take(self, app_key: str, inbox_id: str, *, wait: float, limit: int) -> list[Taken]:
        """The next events, at most one of each subscription; waits for the first, up to `wait` seconds, or less.

        Raises InboxNotFound.
        """
        inbox = await self._own(app_key, inbox_id)
        until = time.monotonic() + min(wait, LONGEST_POLL)
        while True:
            woken = self._woken
            taken = [self._ready(queue) for queue in await self._queues(inbox.id, limit)]
            left = until - time.monotonic()
            if taken or left <= 0 or self._stopped:
                return taken
            due = await inboxes.next_due(self._db, inbox.id)
            await asyncio.sleep(min(_PAUSE, left))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(min(left, 5.0 if due is None else due) - _PAUSE, 0)):
                    await woken.wait()

    async def settle(self, app_key: str, inbox_id: str, event_id: str, outcome: SendOutcome) -> RetryDecision:
        """What follows for an event that was handed on with this outcome; it is logged as an attempt.

        One that is settled already stays as it is. Raises InboxNotFound, DeliveryNotFound, NotItsTurn.
        """
        inbox = await self._own(app_key, inbox_id)
        found = await inboxes.waiting(self._db, inbox.id, event_id)
        bucket, subscription_id, n = delivery_history.parse_event_id(event_id)
        if found.status != "PENDING":
            return RetryDecision(give_up=found.status != "DELIVERED")
        if found.first != n:
            raise NotItsTurn
        decision = decide(
            outcome,
            attempt=found.attempts + 1,
            age=outcome.at - found.queued_at,
            has_token=found.has_token,
            schedule=self._schedule,
            chance=random.random(),  # noqa: S311 - jitter
        )
        tried = AttemptResult(
            n=n,
            status=decision.status,
            attempts=found.attempts + 1,
            at=outcome.at,
            duration=outcome.duration,
            answer_status=outcome.status,
            error=outcome.error,
            answer=outcome.answer,
        )
        result = QueueResult(
            bucket=bucket,
            id=subscription_id,
            claimed=found.lane_next,
            next=n if decision.when is not None else n + 1,
            delay=decision.when or timedelta(0),
            tried=(tried,),
            end=decision.end_subscription,
        )
        await deliveries.record(self._db, [result], self._clock())
        self.wake()
        return decision

    async def _own(self, app_key: str, inbox_id: str) -> Inbox:
        inbox = await inboxes.find(self._db, inbox_id, app_key=app_key) if _ID.fullmatch(inbox_id) else None
        if inbox is None:
            raise InboxNotFound
        return inbox

    async def _queues(self, inbox_id: str, limit: int) -> list[ClaimedQueue]:
        """Taken queues that have something; those whose deliveries are all finished (given up, replayed) are closed."""
        taken = await inboxes.take(self._db, inbox_id, limit, HOLD)
        empty = [
            QueueResult(
                bucket=queue.bucket,
                id=queue.id,
                claimed=queue.lane_next,
                next=queue.delivery_count + 1,
                delay=timedelta(0),
                tried=(),
            )
            for queue in taken
            if not queue.heads
        ]
        if empty:
            await deliveries.record(self._db, empty, self._clock())
        return [queue for queue in taken if queue.heads]

    def _ready(self, queue: ClaimedQueue) -> Taken:
        head = queue.heads[0]
        request = open_queue(queue, self._vault, source=self._settings.source, allow_private=True).request(
            head, self._clock()
        )
        return Taken(head.event_id, head.type, queue.id, head.attempts + 1, request.headers, request.body)

    def _secret(self, inbox: Inbox) -> str:
        return self._vault.open(inbox.secret, inbox_purpose(inbox.id)).decode()
