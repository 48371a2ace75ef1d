"""Removing a gateway, also a dead one at which locks of ours stand: the operator has the last word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.alarm import AlarmKind, gateway_key
from simwarden.domain.errors import GatewayNotFound, IncompatibleState, StoreUnavailable, TryAgain
from simwarden.domain.events import EventType
from simwarden.engine.unit_of_work import Outcome, UnitOfWork, enforcement_data
from simwarden.kit.clock import now_utc
from simwarden.store import alarms, call_limits, charging, ports, sessions
from simwarden.store import gateways as store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import asyncpg

    from simwarden.domain.events import Cause
    from simwarden.store.database import Database
    from simwarden.store.ports import HeldLock

_TRIES = 5
_NAMED = 5
"""SIMs that a refusal names."""


class LocksStand(IncompatibleState):
    """Slots of this gateway are locked by Simwarden, or about to be locked or opened."""


async def remove(
    db: Database, name: str, cause: Cause, *, force: bool = False, clock: Callable[[], datetime] = now_utc
) -> tuple[list[HeldLock], Outcome]:
    """Forget a gateway and its slots; returns the locks that nobody watches or lifts any more, and what to wake.

    Each SIM of such a lock gets the event ENFORCEMENT_ABANDONED in the same commit. Raises GatewayNotFound; without
    `force` LocksStand, naming the SIMs, and nothing is done; StoreUnavailable.
    """
    for _ in range(_TRIES):
        try:
            async with db.transaction() as connection:
                return await _remove(connection, name, cause, clock(), force=force)
        except TryAgain:
            continue
    raise StoreUnavailable("The database has too much to do at the moment")


async def _remove(
    connection: asyncpg.Connection, name: str, cause: Cause, now: datetime, *, force: bool
) -> tuple[list[HeldLock], Outcome]:
    gateway_id = await store.lock_named(connection, name)
    if gateway_id is None:
        raise GatewayNotFound(f"No gateway is named {name!r}")
    left = await ports.locks_of(connection, gateway_id)
    if left and not force:
        raise LocksStand(_refusal(left))
    changes = UnitOfWork(connection, now)
    await changes.lock({lock.imsi for lock in left if lock.imsi})
    for imsi in sorted(changes.sims):
        for item in changes.attachments(imsi):
            if item.target.element_id != gateway_id:
                continue
            changes.forget(imsi, item.target)
            if item.wanted or item.is_open:
                seen = None if item.applied is None else bool(item.applied)
                data = enforcement_data(item.target, name, locked=seen)
                changes.record(imsi, EventType.ENFORCEMENT_ABANDONED, cause, item.event, data)
    outcome = await changes.write()
    about_it = [gateway_key(kind, gateway_id) for kind in AlarmKind]
    await alarms.clear_all(connection, about_it, now, "The gateway was deleted")
    await sessions.forget(connection, gateway_id)
    await charging.forget_element(connection, gateway_id)
    await call_limits.forget(connection, call_limits.keys_of_element(gateway_id))
    await store.forget(connection, gateway_id)
    return left, outcome


def _refusal(left: Sequence[HeldLock]) -> str:
    sims = list(dict.fromkeys(lock.imsi for lock in left if lock.imsi))
    named = f" ({', '.join(sims[:_NAMED])}{', ...' if len(sims) > _NAMED else ''})" if sims else ""
    slots = "1 slot of this gateway is" if len(left) == 1 else f"{len(left)} slots of this gateway are"
    return (
        f"{slots} locked by Simwarden, or about to be locked or opened{named}. Deleted by force, nobody watches or "
        "lifts these locks any more"
    )
