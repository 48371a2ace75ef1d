"""The slots of SIM gateways, as they were last reported, and at which of them a lock is ours."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.sim import CardSlot, NetworkTarget
from simwarden.store import attachments
from simwarden.store.columns import lines, numbers, texts
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import asyncpg

    from simwarden.domain.reports import PortObservation
    from simwarden.store.database import Database

Q = load("ports")
SLOTS_KEPT = 8192
"""Slots kept per gateway; one report may have 4,096."""


class StoredPort(msgspec.Struct, frozen=True):
    """What is stored of a slot."""

    boot: int
    sequence: int | None
    imsi: str | None
    locked_by_us: bool
    reported_at: datetime


class HeldLock(msgspec.Struct, frozen=True):
    """A target where something is switched off by us, or is about to be switched off or on."""

    imsi: str | None
    """The SIM for which that is; None when the slot is empty or shows none."""
    target: NetworkTarget


async def of_gateway(db: Database, gateway_id: int) -> list[dict[str, Any]]:
    """The state of every slot that was reported."""
    return [dict(row) for row in await db.fetch(Q["of_gateway"], gateway_id)]


async def locks_of(connection: asyncpg.Connection, gateway_id: int) -> list[HeldLock]:
    """Where at an element something is switched off by us, or is about to be switched off or on."""
    found = {
        item.target: HeldLock(imsi, item.target)
        for imsi, item in await attachments.of_element(connection, gateway_id)
        if item.wanted or item.is_open
    }
    for row in await connection.fetch(Q["locked_slots"], gateway_id):
        target = CardSlot(gateway_id, row["port"], row["slot"]).target
        found.setdefault(target, HeldLock(row["imsi"], target))
    return [found[target] for target in sorted(found, key=lambda target: (target.slot or (0, 0), target.key))]


async def changed_ports(
    connection: asyncpg.Connection, items: Sequence[tuple[CardSlot, PortObservation, int]], fresh_since: datetime
) -> dict[CardSlot, StoredPort | None]:
    """Of slots as reported (slot, observation, boot): those that differ from what is stored, with the stored state."""
    rows = await connection.fetch(
        Q["changed_ports"],
        numbers([slot.gateway_id for slot, _, _ in items]),
        numbers([slot.port for slot, _, _ in items]),
        numbers([slot.slot for slot, _, _ in items]),
        lines([seen.status for _, seen, _ in items]),
        texts([seen.imei for _, seen, _ in items]),
        texts([seen.imsi for _, seen, _ in items]),
        texts([seen.iccid for _, seen, _ in items]),
        numbers([boot for _, _, boot in items]),
        fresh_since,
        texts([seen.plmn for _, seen, _ in items]),
    )
    changed: dict[CardSlot, StoredPort | None] = {}
    for row in rows:
        slot = items[row["ord"] - 1][0]
        known = row["gateway_id"] is not None
        changed[slot] = _port_state(row) if known else None
    return changed


def _port_state(row: asyncpg.Record) -> StoredPort:
    return StoredPort(row["boot"], row["sequence"], row["imsi"], row["held"], row["reported_at"])


async def save_ports(
    connection: asyncpg.Connection, items: Sequence[tuple[CardSlot, PortObservation, int, datetime]]
) -> None:
    """Write the newest state of slots: slot, observation, boot, time."""
    ordered = sorted(items, key=lambda item: (item[0].gateway_id, item[0].port, item[0].slot))
    seen = [item[1] for item in ordered]
    await connection.execute(
        Q["save_ports"],
        [item[0].gateway_id for item in ordered],
        [item[0].port for item in ordered],
        [item[0].slot for item in ordered],
        [item[2] for item in ordered],
        [s.sequence for s in seen],
        [s.status for s in seen],
        [s.status_text for s in seen],
        [s.imei for s in seen],
        [s.imsi for s in seen],
        [s.iccid for s in seen],
        [s.msisdn for s in seen],
        [s.plmn for s in seen],
        [s.operator for s in seen],
        [s.signal for s in seen],
        [s.detail for s in seen],
        [item[3] for item in ordered],
        [item[3] for item in ordered],
    )


async def prune_ports(connection: asyncpg.Connection, gateway_ids: Sequence[int]) -> None:
    """Forget what is over SLOTS_KEPT of each of these gateways: who has a report URL may invent slots without end."""
    await connection.execute(Q["prune_ports"], gateway_ids, SLOTS_KEPT)


async def remember_locks(connection: asyncpg.Connection, targets: Iterable[NetworkTarget]) -> None:
    """Locks at these slots are ours from now on, also of a slot that its gateway has not reported yet."""
    slots = _slots(targets)
    if slots:
        await connection.execute(Q["remember_locks"], *_columns(slots))


async def forget_locks(connection: asyncpg.Connection, targets: Iterable[NetworkTarget]) -> None:
    """Locks at these slots have been seen lifted."""
    slots = _slots(targets)
    if slots:
        await connection.execute(Q["forget_locks"], *_columns(slots))


async def locked_by_us(connection: asyncpg.Connection, targets: Iterable[NetworkTarget]) -> set[NetworkTarget]:
    """Of these targets: the slots at which a lock is ours."""
    slots = _slots(targets)
    if not slots:
        return set()
    rows = await connection.fetch(Q["locked_by_us"], *_columns(slots))
    return {slots[row["ord"] - 1].target for row in rows}


async def sims_at(
    connection: asyncpg.Connection, targets: Iterable[NetworkTarget]
) -> dict[NetworkTarget, tuple[str, str | None]]:
    """Which SIM (IMSI, ICCID) was last reported in each slot among these targets."""
    slots = _slots(targets)
    rows = await connection.fetch(Q["sims_at"], *_columns(slots)) if slots else []
    return {slots[row["ord"] - 1].target: (row["imsi"], row["iccid"]) for row in rows}


def _slots(targets: Iterable[NetworkTarget]) -> list[CardSlot]:
    """The slots of SIM gateways among these targets, in the order in which everybody locks them."""
    found = [(target.element_id, *slot) for target in targets if (slot := target.slot) is not None]
    return [CardSlot(*slot) for slot in sorted(found)]


def _columns(slots: Sequence[CardSlot]) -> tuple[list[int], list[int], list[int]]:
    return [p.gateway_id for p in slots], [p.port for p in slots], [p.slot for p in slots]
