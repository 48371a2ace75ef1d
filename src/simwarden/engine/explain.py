"""Why a SIM is as it is: the causal chain, from the report that started it to the command the gateway confirmed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.identifiers import full_imei
from simwarden.domain.sim import ALL_FUNCTIONS
from simwarden.engine.functions import ApnView, FunctionView, apn_views, function_views
from simwarden.store import attachments
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from simwarden.domain.attachment import Attachment
    from simwarden.domain.events import Event
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.gateways import Gateways


class Step(msgspec.Struct, frozen=True):
    """One committed fact of the chain."""

    n: int
    at: datetime
    type: str
    caused_by: int | None
    cause: dict[str, Any]
    data: dict[str, Any]


class PlaceView(msgspec.Struct, frozen=True):
    """A slot at which Simwarden acts for the SIM."""

    gateway: str
    port: int
    slot: int
    current: bool
    wanted: str
    seen: str
    status: str
    attempts: int
    last_error: str | None
    note: str | None


class Explanation(msgspec.Struct, frozen=True):
    """Everything that tells why a SIM is as it is."""

    imsi: str
    iccid: str | None
    msisdn: str | None
    state: str
    lifecycle: str
    lifecycle_since: datetime | None
    bound_to: list[str]
    policy: dict[str, Any] | None
    device: str | None
    device_unknown: bool
    seen_at: datetime | None
    functions: list[FunctionView]
    closed_apns: list[ApnView]
    places: list[PlaceView]
    chain: list[Step]
    """Newest chain: from what started it to its last effect."""
    history: list[Step]
    life: list[Step]
    """The states it has gone through."""


async def explain(db: Database, gateways: Gateways, sim: Sim, *, history: int = 50) -> Explanation:
    """Explain one SIM. `history` is how many of its newest events are read."""
    sims = Sims(db)
    events = await sims.events(sim, limit=max(history, 1))
    async with db.connection() as connection:
        items = (await attachments.of_sims(connection, [sim.imsi]))[sim.imsi]
    names = await gateways.names()
    binding = sim.binding
    return Explanation(
        imsi=sim.imsi,
        iccid=sim.iccid,
        msisdn=sim.msisdn,
        state=sim.state,
        lifecycle=sim.lifecycle,
        lifecycle_since=sim.lifecycle_since,
        bound_to=[]
        if binding is None
        else [value if len(value) == 8 else full_imei(value) for value in binding.values],
        policy=None if binding is None else msgspec.to_builtins(binding.policy),
        device=full_imei(sim.seen.imei) if sim.seen and sim.seen.imei else None,
        device_unknown=bool(sim.seen and sim.seen.unknown),
        seen_at=sim.seen.at if sim.seen else None,
        functions=function_views(sim, items, await sims.turned_on(sim)),
        closed_apns=apn_views(sim),
        places=[_place(item, names) for item in items],
        chain=chain_of(events),
        history=[_step(event) for event in events],
        life=[_step(event) for event in await sims.life(sim)],
    )


def chain_of(events: list[Event]) -> list[Step]:
    """The newest event and everything that it came from or that shares its origin, oldest first."""
    if not events:
        return []
    by_number = {event.n: event for event in events}
    origin: dict[int, int] = {}
    for event in events:
        known = event.parent is not None and event.parent in by_number
        origin[event.n] = origin[event.parent] if known and event.parent is not None else event.n
    newest = origin[events[-1].n]
    return [_step(event) for event in events if origin[event.n] == newest]


def _step(event: Event) -> Step:
    cause = msgspec.to_builtins(event.cause)
    return Step(event.n, event.at, event.type, event.parent, cause, event.data)


def _place(item: Attachment, names: dict[int, str]) -> PlaceView:
    whole = int(ALL_FUNCTIONS)
    locked = item.applied == whole
    note = None
    if locked and not item.wants_lock and not item.is_open:
        note = "locked at the gateway, but not by Simwarden: left as it is"
    elif item.desired not in (0, whole):
        note = "this gateway can only lock the whole SIM; single functions cannot be switched off here"
    elif not item.current:
        note = "the SIM has left; the lock it left behind is lifted"
    return PlaceView(
        gateway=names.get(item.place.gateway_id, str(item.place.gateway_id)),
        port=item.place.port,
        slot=item.place.slot,
        current=item.current,
        wanted="locked" if item.wants_lock else "open",
        seen="unknown" if item.applied is None else ("locked" if locked else "open"),
        status=item.status,
        attempts=item.attempts,
        last_error=item.last_error,
        note=note,
    )
