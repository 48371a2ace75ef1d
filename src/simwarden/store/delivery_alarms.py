"""Alarms about events that were given up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.alarm import AlarmKind, Trouble
from simwarden.store import alarms
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from simwarden.store.deliveries import AttemptResult, QueueResult

Q = load("deliveries")


MOST_OF_ACCOUNT = 20
"""Alarms about events that were given up that may be open for one account."""


async def settle(
    connection: asyncpg.Connection,
    queues: Mapping[str, asyncpg.Record],
    tried: Sequence[tuple[QueueResult, AttemptResult]],
    now: datetime,
) -> None:
    """What was given up is an alarm: of the host if it did not answer, else of the subscription. Success ends both."""
    troubles, over = [], []
    for result, one in tried:
        queue = queues.get(result.id)
        if queue is None:
            continue
        if one.status == "DEAD":
            reason = one.error or f"HTTP {one.answer_status}"
            troubles.append(given_up(queue, reason, answered=one.answer_status is not None))
        elif one.status == "DELIVERED":
            over += [(AlarmKind.DELIVERIES_DEAD, result.id), (AlarmKind.DELIVERIES_DEAD, queue["origin"])]
    await alarms.clear_all(connection, over, now, "The sink takes events again")
    await raise_given_up(connection, troubles, now)


async def raise_given_up(connection: asyncpg.Connection, troubles: Sequence[Trouble], now: datetime) -> None:
    """Raise the alarms, beyond MOST_OF_ACCOUNT one for the account: a customer may have a million subscriptions."""
    accounts = sorted({trouble.account_id for trouble in troubles if trouble.account_id})
    open_now = await alarms.open_subjects(connection, AlarmKind.DELIVERIES_DEAD, accounts) if accounts else {}
    raised = []
    for trouble in troubles:
        account = trouble.account_id or ""
        known = open_now.setdefault(account, set())
        if trouble.subject not in known and len(known) >= MOST_OF_ACCOUNT:
            facts = {**trouble.facts, "others": MOST_OF_ACCOUNT}
            raised.append(msgspec.structs.replace(trouble, subject=f"account {account}", facts=facts))
        else:
            known.add(trouble.subject)
            raised.append(trouble)
    await alarms.raise_all(connection, raised, now)


def given_up(queue: asyncpg.Record, reason: str, *, answered: bool, times: int = 1) -> Trouble:
    return Trouble(
        kind=AlarmKind.DELIVERIES_DEAD,
        subject=queue["id"] if answered else queue["origin"],
        account_id=queue["account_id"],
        facts={
            "bucket": queue["bucket"],
            "subscription": queue["id"],
            "host": queue["origin"].partition(" ")[2] or queue["origin"],
            "answered": answered,
            "reason": reason,
        },
        times=times,
    )
