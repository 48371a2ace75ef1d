"""Working on one claimed queue: its deliveries one after the other, until one must wait."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import SimwardenError
from simwarden.domain.sink import InvalidSink
from simwarden.kit.clock import now_utc
from simwarden.notify.request import OpenedQueue, open_queue
from simwarden.notify.retry import RetryDecision, SendOutcome, decide
from simwarden.notify.sender import ACCOUNT
from simwarden.store.deliveries import AttemptResult, ClaimedQueue, Head, QueueResult
from simwarden.store.vault import WrongKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.notify.metrics import NotifyMetrics
    from simwarden.notify.sender import Sender
    from simwarden.notify.settings import NotifySettings
    from simwarden.store.outbox import EndReason
    from simwarden.store.vault import Vault

FENCE = 1.0
"""Nothing is under way any more so many seconds before a lease runs out."""
LEAST_TIME = 1.0
"""A send that could not have at least so many seconds is not begun."""
_NOW = timedelta(0)


class QueueSender:
    """One queue at work. `result` says how far it came, at any time: also when the run was cut off."""

    def __init__(
        self,
        queue: ClaimedQueue,
        *,
        vault: Vault,
        sender: Sender,
        settings: NotifySettings,
        metrics: NotifyMetrics,
        allow_private: bool,
        deadline: Callable[[], float],
        heard: Callable[[SendOutcome], None],
    ) -> None:
        self._queue = queue
        self._vault = vault
        self._sender = sender
        self._settings = settings
        self._metrics = metrics
        self._allow_private = allow_private
        self._deadline = deadline
        self._heard = heard
        self._tried: list[AttemptResult] = []
        self._next = queue.lane_next
        self._delay = _NOW
        self._end: EndReason | None = None

    def result(self) -> QueueResult:
        """How far it came."""
        queue = self._queue
        return QueueResult(
            bucket=queue.bucket,
            id=queue.id,
            claimed=queue.lane_next,
            next=self._next,
            delay=self._delay,
            tried=tuple(self._tried),
            end=self._end,
        )

    def deferred(self, delay: timedelta) -> QueueResult:
        """How far it came; what is left waits for so long."""
        return msgspec.structs.replace(self.result(), delay=delay)

    async def run(self, stopping: Callable[[], bool]) -> None:
        """Send until a delivery must wait, the burst is over, the lease draws to its end, or it is time to stop."""
        begun = time.monotonic()
        ACCOUNT.set(self._queue.account_id)
        if not self._queue.heads:
            # Everything from `lane_next` on is finished already (replayed and sent again, or given up for its age).
            self._next = self._queue.delivery_count + 1
            return
        try:
            opened = open_queue(
                self._queue, self._vault, source=self._settings.source, allow_private=self._allow_private
            )
        except (WrongKey, InvalidSink) as error:
            self._cannot(self._queue.heads[0], error)
            return
        for head in self._queue.heads:
            remaining = self._deadline() - FENCE - time.monotonic()
            if remaining < LEAST_TIME or stopping():
                return
            decision = await self._attempt(opened, head, remaining)
            if decision.when is not None or decision.end_subscription is not None:
                return
            if time.monotonic() - begun > self._settings.burst_time:
                return

    async def _attempt(self, opened: OpenedQueue, head: Head, remaining: float) -> RetryDecision:
        outcome = await self._sender.send(opened.request(head, now_utc()), remaining)
        self._heard(outcome)
        decision = self._settle(head, outcome, has_token=opened.token is not None)
        if outcome.delivered and head.queued_at == head.created_at:  # later when it was replayed
            late = outcome.at + outcome.duration - head.created_at
            self._metrics.delay.observe(max(late.total_seconds(), 0.0))
        return decision

    def _cannot(self, head: Head, error: SimwardenError) -> None:
        """What must be opened to send cannot be: an attempt that failed without leaving the house."""
        self._settle(head, SendOutcome(at=now_utc(), duration=_NOW, error=error.message), has_token=False)

    def _settle(self, head: Head, outcome: SendOutcome, *, has_token: bool) -> RetryDecision:
        attempts = head.attempts + 1
        decision = decide(
            outcome,
            attempt=attempts,
            age=outcome.at - head.queued_at,
            has_token=has_token,
            schedule=self._settings.schedule,
            chance=random.random(),  # noqa: S311 - jitter
        )
        self._tried.append(
            AttemptResult(
                n=head.n,
                status=decision.status,
                attempts=attempts,
                at=outcome.at,
                duration=outcome.duration,
                answer_status=outcome.status,
                error=outcome.error,
                answer=outcome.answer,
            )
        )
        if decision.when is not None:
            self._next, self._delay = head.n, decision.when
        else:
            self._next, self._delay = head.n + 1, _NOW
        self._end = decision.end_subscription
        self._metrics.attempts.labels(_result(decision)).inc()
        return decision


def _result(decision: RetryDecision) -> str:
    if decision.end_subscription is not None:
        return "ended"
    return {"PENDING": "retried", "DEAD": "dead", "DELIVERED": "delivered"}[decision.status]
