"""Why a SIM is as it is: the causal chain, from the report that started it to the command the gateway confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.domain.admission import keeping_out
from simwarden.domain.identifiers import full_imei
from simwarden.domain.sim import AreaLimit, Function
from simwarden.engine import mentions
from simwarden.engine.function_status import ApnView, FunctionView, apn_views, function_views
from simwarden.store import attachments, sessions
from simwarden.store.listed_devices import ListedDevices
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from simwarden.domain.attachment import Attachment
    from simwarden.domain.events import Event
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.gateways import Gateways


_CAMEL = {"commanded_at": "commandedAt"}


class ChainStep(msgspec.Struct, frozen=True):
    """One committed fact of the chain."""

    n: int
    at: datetime
    type: str
    caused_by: int | None
    cause: dict[str, Any]
    data: dict[str, Any]


class PlaceView(msgspec.Struct, frozen=True):
    """A target at which Simwarden acts for the SIM."""

    gateway: str
    port: int | None
    slot: int | None
    """Where it is a slot of a SIM gateway."""
    target: str | None
    """Its name at its network element, where it is something else."""
    current: bool
    wanted: str
    seen: str
    status: str
    attempts: int
    last_error: str | None
    note: str | None
    separates: list[str]
    """The sets of functions that can be switched there, each only as a whole: `VOICE, SMS`."""
    switched_off: list[str]
    """Functions seen to be switched off there."""
    goes_on: list[str]
    """Of these: what goes on until the device registers again."""
    device: str | None
    """The device that the element shows the SIM in; None where it shows none, or is a SIM gateway."""


class Explanation(msgspec.Struct, frozen=True):
    """Everything that tells why a SIM is as it is."""

    imsi: str
    iccid: str | None
    msisdn: str | None
    reported_iccid: str | None
    """What a gateway reports as its ICCID, where that is another one than the registered."""
    state: str
    lifecycle: str
    lifecycle_since: datetime | None
    bound_to: list[str]
    policy: dict[str, Any] | None
    device: str | None
    device_unknown: bool
    device_kept_out_by: list[str]
    """Lists of devices for which it is refused in this device, where that is asked."""
    seen_at: datetime | None
    functions: list[FunctionView]
    closed_apns: list[ApnView]
    places: list[PlaceView]
    chain: list[ChainStep]
    """Newest chain: from what started it to its last effect."""
    history: list[ChainStep]
    life: list[ChainStep]
    """The states it has gone through."""
    area: AreaLimit | None
    """Where it may be, and where it is."""
    gateways: Mapping[int, str]
    """Their names by id."""


async def explain(db: Database, gateways: Gateways, sim: Sim, *, history: int = 50) -> Explanation:
    """Explain one SIM. `history` is how many of its newest events are read."""
    sims = Sims(db)
    events = await sims.events(sim, limit=max(history, 1))
    async with db.connection() as connection:
        items = (await attachments.of_sims(connection, [sim.imsi]))[sim.imsi]
    live = reversed(await sessions.live_of_sim(db, sim))
    devices = {session.target: session.imei for session in live if session.imei}
    devices |= {item.target: item.device for item in items if item.device}
    binding, imei = sim.binding, sim.seen.imei if sim.seen else None
    on = await ListedDevices(db).lists_of(imei) if imei else None
    life = await sims.life(sim)
    acting = (item.target.element_id for item in items)
    told = mentions.in_data(event.data for event in (*events, *life))
    names = await gateways.names((*acting, *told, *mentions.in_sims([sim])))
    return Explanation(
        imsi=sim.imsi,
        iccid=sim.iccid,
        msisdn=sim.msisdn,
        reported_iccid=sim.reported_iccid,
        state=sim.state,
        lifecycle=sim.lifecycle,
        lifecycle_since=sim.lifecycle_since,
        bound_to=[]
        if binding is None
        else [value if len(value) == 8 else full_imei(value) for value in binding.values],
        policy=None if binding is None else msgspec.to_builtins(binding.policy),
        device=full_imei(imei) if imei else None,
        device_unknown=bool(sim.seen and sim.seen.unknown),
        device_kept_out_by=[str(each) for each in keeping_out(on or ())],
        seen_at=sim.seen.at if sim.seen else None,
        functions=function_views(sim, items, await sims.turned_on(sim)),
        closed_apns=apn_views(sim, items),
        places=[_place(item, names, devices.get(item.target)) for item in items],
        chain=chain_of(events, names),
        history=[_step(event, names) for event in events],
        life=[_step(event, names) for event in life],
        area=sim.area,
        gateways=names,
    )


def chain_of(events: list[Event], names: Mapping[int, str]) -> list[ChainStep]:
    """The newest event and everything that it came from or that shares its origin, oldest first. `names`: gateways'."""
    if not events:
        return []
    by_number = {event.n: event for event in events}
    origin: dict[int, int] = {}
    for event in events:
        known = event.parent is not None and event.parent in by_number
        origin[event.n] = origin[event.parent] if known and event.parent is not None else event.n
    newest = origin[events[-1].n]
    return [_step(event, names) for event in events if origin[event.n] == newest]


def _step(event: Event, names: Mapping[int, str]) -> ChainStep:
    cause = msgspec.to_builtins(event.cause)
    return ChainStep(event.n, event.at, event.type, event.parent, cause, readable(event.data, names))


def readable(data: dict[str, Any], names: Mapping[int, str]) -> dict[str, Any]:
    """What an event says, in words: gateways and functions by name, IMEIs with check digit, names in camelCase.

    A gateway that is deleted has the name that the event holds, if it holds one.
    """
    told = {_CAMEL.get(name, name): value for name, value in data.items()}
    named = told.pop("gateway_name", None)
    if isinstance(told.get("gateway"), int):
        told["gateway"] = names.get(told["gateway"]) or named or f"number {told['gateway']} (deleted)"
    if told.get("source") == "SITE" and str(told.get("ref", "")).isdecimal():
        told["ref"] = names.get(int(told["ref"]), f"number {told['ref']} (deleted)")
    if isinstance(told.get("functions"), int):
        told["functions"] = _names(told["functions"])
    if isinstance(told.get("values"), list):
        told["values"] = [value if len(value) == 8 else full_imei(value) for value in told["values"]]
    return told


def _place(item: Attachment, names: dict[int, str], device: str | None) -> PlaceView:
    locked = bool(item.applied)
    slot = item.target.slot
    note = None
    if locked and not item.wanted and not item.is_open and slot is not None:
        note = "locked at the gateway, but not by Simwarden: left as it is"
    elif item.desired & item.switchable & ~item.wanted:
        whole = item.held is None
        note = (
            "this gateway can only lock the whole SIM; single functions cannot be switched off here"
            if whole
            else "voice and short messages can only be switched off together here"
        )
    elif item.lingering:
        note = "who registers now is refused; what the device has goes on until it registers again or is cancelled"
    elif item.held is not None and (item.applied or 0) & ~item.held & ~int(item.wanted):
        note = "switched off at the element, but not by Simwarden: left as it is"
    elif not item.current:
        note = "the SIM has left; the lock it left behind is lifted"
    return PlaceView(
        gateway=names.get(item.target.element_id, f"number {item.target.element_id} (deleted)"),
        port=None if slot is None else slot[0],
        slot=None if slot is None else slot[1],
        target=item.target.key if slot is None else None,
        current=item.current,
        wanted="locked" if item.wanted else "open",
        seen="unknown" if item.applied is None else ("locked" if locked else "open"),
        status=item.status,
        attempts=item.attempts,
        last_error=item.last_error,
        note=note,
        separates=[", ".join(_names(int(group))) for group in item.groups if group],
        switched_off=_names(item.applied or 0),
        goes_on=_names(item.lingering),
        device=None if device is None else full_imei(device),
    )


def _names(functions: int) -> list[str]:
    return [str(function.name) for function in Function if function & functions]
