"""SIMs and their events."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from simwarden.domain.errors import SimExists
from simwarden.domain.events import Event, EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.numbers import of_registration
from simwarden.domain.sim import (
    AreaLimit,
    Bar,
    Binding,
    BindingState,
    CardSlot,
    ClosedApn,
    IdentifierKind,
    Lifecycle,
    Seen,
    Sim,
    SimRef,
)
from simwarden.domain.standing import Standing
from simwarden.domain.traffic import TrafficLimits
from simwarden.store import (
    charging,
    counters,
    daily,
    hotspots,
    hotzone_alerts,
    hotzones,
    live_calls,
    places,
    risk,
    sim_addresses,
    sim_names,
    standing,
    volumes,
)
from simwarden.store import numbers as assignments
from simwarden.store.coalesce import Coalescer
from simwarden.store.columns import lines, numbers, texts
from simwarden.store.database import to_json
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date, timedelta

    from simwarden.domain.events import Cause
    from simwarden.domain.hotzone import HotZones, Question, SimTraffic
    from simwarden.domain.live_call import SeenCall
    from simwarden.domain.numbers import Assignment
    from simwarden.domain.sim import Sighting
    from simwarden.store.database import Database

Q = load("sims")
NO_LIMITS = TrafficLimits()
_ADDRESSES = frozenset({IdentifierKind.IPV4, IdentifierKind.IPV6})
_STATES = {None: BindingState.NEUTRAL} | {str(state): state for state in BindingState}
_LIFECYCLES = {None: Lifecycle.ACTIVE} | {str(lifecycle): lifecycle for lifecycle in Lifecycle}
Connection = asyncpg.Connection


def from_row(row: asyncpg.Record) -> Sim:
    """A row of `sim` as the domain sees it."""
    gateway, at = row["seen_gateway"], row["seen_at"]
    slot = None if gateway is None else CardSlot(gateway, row["seen_port"], row["seen_slot"])
    seen = None if at is None else Seen(at, row["seen_imei"], row["seen_unknown"], slot, row["seen_device_at"])
    return Sim(
        bucket=row["bucket"],
        imsi=row["imsi"],
        account_id=row["account_id"],
        iccid=row["iccid"],
        msisdn=row["msisdn"],
        nai=row["nai"],
        binding=None if row["binding"] is None else msgspec.convert(row["binding"], Binding),
        state=_STATES[row["state"]],
        seen=seen,
        lifecycle=_LIFECYCLES[row["lifecycle"]],
        number_since=row["created_at"] if row["number_new"] else None,
        lifecycle_since=row["lifecycle_since"] or row["created_at"],
        bars=msgspec.convert(row["bars"], tuple[Bar, ...]) if row["bars"] else (),
        closed_apns=msgspec.convert(row["closed_apns"], tuple[ClosedApn, ...]) if row["closed_apns"] else (),
        first_event=row["first_event"],
        reported_iccid=row["reported_iccid"],
        event_count=row["event_count"],
        upheld_at=row["upheld_at"],
        limits=NO_LIMITS if row["limits"] is None else msgspec.convert(row["limits"], TrafficLimits),
        area=None if row["area"] is None else msgspec.convert(row["area"], AreaLimit),
    )


class DeviceDates(msgspec.Struct, frozen=True):
    """When a SIM came into devices, by its events; None: there is no such event."""

    first_seen: datetime | None = None
    """In its first device."""
    changed: datetime | None = None
    """Last, from a known device into another."""
    numbered: datetime | None = None
    """When it was last given another phone number."""

    @property
    def latest(self) -> tuple[datetime | None, bool]:
        """When number and device last came together, and whether another device or another SIM had the one or the
        other.

        The first device of a number that its SIM has had from the start is no swap. A number that was given to a SIM
        later may have been in another SIM's device before: where it is first in this one's is a swap.
        """
        known = [at for at in (self.first_seen, self.changed, self.numbered) if at is not None]
        return max(known, default=None), self.changed is not None or self.numbered is not None


class Sims:
    """Reading SIMs, one request at a time but gathered into few statements."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lookups: Coalescer[tuple[str, SimRef], Sim] = Coalescer(partial(find_all, db))
        self._device_dates: Coalescer[tuple[int, str, int], DeviceDates] = Coalescer(self._all_device_dates)
        self._numbers = assignments.Numbers(db)
        self._days = daily.Days(db)
        self._calls = live_calls.LiveCalls(db)
        self._shown: Coalescer[standing.Whose, Standing] = Coalescer(partial(standing.shown, db))

    async def find(self, account_id: str, ref: SimRef) -> Sim | None:
        """The account's SIM of this name. A foreign SIM and an unknown one both give None, after the same work: whose
        it is is asked where its name is looked up, so that no row of a foreign one is read (`benchmarks.tenants`).
        """
        sim = await self._lookups.get((account_id, ref))
        return sim if sim is not None and sim.account_id == account_id else None

    async def find_any(self, text: str, number: str | None = None) -> Sim | None:
        """For the operator: the SIM that has `text` as IMSI, ICCID, phone number or NAI, whosever it is.

        `number`: what `text` is as a phone number, where that is not its digits behind a plus sign.
        """
        plus = number or (text if text.startswith("+") else f"+{text}")
        names = [("imsi", text), ("iccid", text), ("msisdn", plus), ("nai", text)]
        row = await self._db.fetchrow(Q["any_account"], *sim_names.columns_of(names))
        return None if row is None else from_row(row)

    async def page(
        self, *, account_id: str | None = None, state: str | None = None, after: str = "", limit: int = 100
    ) -> list[Sim]:
        """SIMs in the order of their IMSI, from behind `after`."""
        rows = await self._db.fetch(Q["page"], account_id, state, after, limit)
        return [from_row(row) for row in rows]

    async def events(self, sim: Sim, *, limit: int = 200) -> list[Event]:
        """The newest events of a SIM, oldest first."""
        rows = await self._db.fetch(Q["latest_events"], sim.bucket, sim.imsi, sim.first_event, limit)
        return [msgspec.convert(dict(row), Event) for row in reversed(rows)]

    async def life(self, sim: Sim, *, limit: int = 200) -> list[Event]:
        """The states a SIM has gone through: its newest SIM_ADDED and LIFECYCLE_CHANGED events, oldest first."""
        rows = await self._db.fetch(Q["lifecycle_events"], sim.bucket, sim.imsi, sim.first_event, limit)
        return [msgspec.convert(dict(row), Event) for row in reversed(rows)]

    async def turned_on(self, sim: Sim) -> dict[str | None, datetime]:
        """When something last came on again: by name of a function that was opened, under None for the whole SIM."""
        rows = await self._db.fetch(Q["turned_on"], sim.bucket, sim.imsi, sim.first_event)
        return {row["function"]: row["at"] for row in rows}

    async def device_dates(self, sim: Sim) -> DeviceDates:
        """When a SIM came into devices."""
        found = await self._device_dates.get((sim.bucket, sim.imsi, sim.first_event))
        assert found is not None
        return found

    async def assignment(self, sim: Sim) -> Assignment | None:
        """Since when a SIM has had its phone number; None: it has none, or that is not recorded."""
        return of_registration(sim) or await self._numbers.of_sim(sim)

    async def traffic(self, sim: Sim, zones: HotZones, first: date, last: date) -> SimTraffic:
        """What is counted of its calls and messages from the first to the last day, in UTC."""
        return await self._days.of_sim(sim, zones, first, last)

    async def traffic_of_its_like(self, sim: Sim, zones: HotZones, asked: Question) -> list[int]:
        """Counts of the days before those asked for, of SIMs of its account in devices of its model."""
        return await self._days.of_its_like(sim, zones, asked)

    async def hotzones(self, account_id: str, names: Collection[str]) -> Mapping[str, Sequence[str]]:
        """What is in an account's lists of hotzones; those that it has not are missing."""
        return await hotzones.named(self._db, account_id, names)

    async def calls(self, sim: Sim) -> Sequence[SeenCall]:
        """Its newest calls."""
        return await self._calls.of_sim(sim)

    async def shown(self, sim: Sim) -> Standing:
        """What network elements show of a SIM now."""
        return await self._shown.get(standing.whose(sim)) or Standing()

    async def _all_device_dates(
        self, wanted: Sequence[tuple[int, str, int]]
    ) -> Mapping[tuple[int, str, int], DeviceDates]:
        # A statement for each SIM, as it probes an index where one for many would read all that ever changed.
        rows = await self._db.fetchmany(Q["device_dates"], wanted)
        dates = [DeviceDates(row["first_seen"], row["changed"], row["numbered"]) for row in rows]
        return dict(zip(wanted, dates, strict=True))


async def find_all(db: Database, wanted: Sequence[tuple[str, SimRef]]) -> Mapping[tuple[str, SimRef], Sim]:
    """The SIMs of these names (account, name). Names of other accounts' SIMs are missing, as unknown ones are."""
    wanted = [each for each in wanted if "\n" not in each[1].value]  # a line break is in no name
    kinds, values, buckets = sim_names.columns_of([(ref.kind, ref.value) for _, ref in wanted])
    accounts = [account_id for account_id, _ in wanted]
    rows = await db.fetch(Q["find"], lines(kinds), lines(values), lines(accounts), lines(buckets))
    found = {wanted[row["ord"] - 1]: from_row(row) for row in rows}
    addresses = [each for each in wanted if each[1].kind in _ADDRESSES and each not in found]
    return found | await sim_addresses.find(db, addresses, find_all) if addresses else found


async def lock(connection: asyncpg.Connection, imsis: Iterable[str]) -> dict[str, Sim]:
    """Lock SIMs against change, in one order for everybody, and read them. Unknown ones are missing in the answer."""
    wanted = list(imsis)
    rows = await connection.fetch(Q["lock"], [bucket_of(imsi) for imsi in wanted], wanted)
    return {row["imsi"]: from_row(row) for row in rows}


async def interesting(
    connection: asyncpg.Connection, sightings: Sequence[Sighting], refresh: timedelta
) -> tuple[set[str], int]:
    """The IMSIs among `sightings` for which something may change, and how many sightings are of unknown SIMs.

    A SIM seen again where it was costs one probe of the primary key here, and nothing else.
    """
    slots = [sighting.slot for sighting in sightings]
    buckets = [bucket_of(sighting.imsi) for sighting in sightings]
    times = {at: str(at) for at in {sighting.at for sighting in sightings}}  # a report has one for all its slots
    rows = await connection.fetch(
        Q["interesting"],
        sorted(set(buckets)),
        numbers(buckets),
        texts([sighting.imsi for sighting in sightings]),
        texts([sighting.imei for sighting in sightings]),
        lines([times[sighting.at] for sighting in sightings]),
        lines([slot and slot.gateway_id for slot in slots]),
        lines([slot and slot.port for slot in slots]),
        lines([slot and slot.slot for slot in slots]),
        texts([sighting.iccid for sighting in sightings]),
        refresh,
    )
    known = {sightings[row["ord"] - 1].imsi for row in rows if not row["unknown"]}
    return known, sum(row["unknown"] for row in rows)


class Shown(msgspec.Struct, frozen=True):
    """A gateway shows a SIM at its known slot."""

    gateway_id: int
    status_at: datetime | None
    """When its last whole status came, as stored."""
    report_interval: int


async def confirmed(connection: asyncpg.Connection, imsis: Sequence[str]) -> dict[str, Shown]:
    """Which gateway's state, as stored, shows each SIM at its known slot. SIMs that none shows there are missing."""
    rows = await connection.fetch(Q["confirmed"], [bucket_of(imsi) for imsi in imsis], imsis)
    return {row["imsi"]: Shown(row["gateway_id"], row["status_at"], row["report_interval"]) for row in rows}


async def awaiting_proof(connection: asyncpg.Connection, imsis: Sequence[str]) -> set[str]:
    """Of these SIMs: those for which a report that would lift a bar waits for its proof."""
    rows = await connection.fetch(Q["awaiting_proof"], [bucket_of(imsi) for imsi in imsis], imsis)
    return {row["imsi"] for row in rows}


async def accounts_of(connection: asyncpg.Connection, imsis: Sequence[str]) -> dict[str, str]:
    """Which account each registered SIM belongs to."""
    rows = await connection.fetch(Q["accounts_of"], [bucket_of(imsi) for imsi in imsis], imsis)
    return {row["imsi"]: row["account_id"] for row in rows}


async def save(connection: asyncpg.Connection, sims: Sequence[Sim]) -> None:
    """Write what was decided about SIMs that this transaction has locked."""
    ordered = sorted(sims, key=lambda sim: (sim.bucket, sim.imsi))
    seen = [sim.seen for sim in ordered]
    slots = [s.slot if s else None for s in seen]
    await connection.execute(
        Q["save"],
        [sim.bucket for sim in ordered],
        lines(sim.imsi for sim in ordered),
        lines(sim.binding and to_json(sim.binding) for sim in ordered),
        lines(sim.state for sim in ordered),
        lines(s and s.at for s in seen),
        lines(s and s.imei for s in seen),
        lines(bool(s and s.unknown) for s in seen),
        lines(slot and slot.gateway_id for slot in slots),
        lines(slot and slot.port for slot in slots),
        lines(slot and slot.slot for slot in slots),
        lines(to_json(sim.bars) if sim.bars else None for sim in ordered),
        lines(int(sim.functions_off) for sim in ordered),
        lines(sim.event_count for sim in ordered),
        lines(sim.lifecycle for sim in ordered),
        lines(sim.lifecycle_since for sim in ordered),
        lines(to_json(sim.closed_apns) if sim.closed_apns else None for sim in ordered),
        lines(sim.reported_iccid for sim in ordered),
        lines(sim.upheld_at for sim in ordered),
        lines(None if sim.limits == NO_LIMITS else to_json(sim.limits) for sim in ordered),
        lines(sim.due_at for sim in ordered),
        lines(sim.area and to_json(sim.area) for sim in ordered),
        lines(s and s.device_at for s in seen),
    )


async def delete(connection: asyncpg.Connection, sims: Sequence[Sim], now: datetime) -> None:
    """Forget SIMs that this transaction has locked: their names are free again, their events stay under a stone."""
    ordered = sorted(sims, key=lambda sim: (sim.bucket, sim.imsi))
    keys = [sim.bucket for sim in ordered], [sim.imsi for sim in ordered]
    await connection.execute(Q["bury"], *keys, [sim.event_count for sim in ordered], now)
    await assignments.release(connection, ordered, now)
    await connection.execute(Q["delete"], *keys)
    await places.forget(connection, keys[1])
    await daily.forget(connection, keys[1])
    await counters.forget(connection, keys[1])
    await volumes.forget(connection, keys[1])
    await charging.forget(connection, keys[1])
    await risk.forget(connection, keys[1])
    await hotzone_alerts.forget(connection, keys[1])
    await hotspots.forget(connection, keys[1])
    await sim_names.delete(connection, ordered)


async def add_events(connection: asyncpg.Connection, events: Sequence[tuple[Sim, Event]]) -> None:
    """Write events of SIMs that this transaction has locked."""
    await connection.execute(
        Q["add_events"],
        lines(sim.bucket for sim, _ in events),
        lines(sim.imsi for sim, _ in events),
        lines(event.n for _, event in events),
        lines(event.type for _, event in events),
        lines(event.at for _, event in events),
        lines(event.parent for _, event in events),
        lines(to_json(event.cause) for _, event in events),
        lines(to_json(event.data) for _, event in events),
    )


async def event_counts_of_deleted(connection: asyncpg.Connection, sims: Sequence[Sim]) -> dict[str, int]:
    """The number of the last event under each IMSI that was another SIM's before: numbers are never given twice."""
    rows = await connection.fetch(
        Q["event_counts_of_deleted"], [sim.bucket for sim in sims], [sim.imsi for sim in sims]
    )
    return {row["imsi"]: row["n"] for row in rows}


async def insert(
    connection: asyncpg.Connection,
    account_id: str,
    sims: Sequence[Sim],
    cause: Cause,
    now: datetime,
    activated: Mapping[str, datetime] | None = None,
) -> list[Assignment]:
    """Insert new SIMs with their names and their first events (`first_event`, SIM_ADDED).

    `activated`: by IMSI, since when a SIM has had its phone number already. Returns the numbers that came from other
    SIMs. Raises SimExists when a name is not free: nothing of this transaction may stay then.
    """
    buckets, imsis = lines(sim.bucket for sim in sims), lines(sim.imsi for sim in sims)
    iccids, msisdns, nais = (lines(map(attrgetter(name), sims)) for name in ("iccid", "msisdn", "nai"))
    lifecycles, firsts = lines(sim.lifecycle for sim in sims), lines(sim.first_event for sim in sims)
    begun = activated or {}
    try:
        await connection.execute(
            Q["insert"],
            *(buckets, imsis, account_id, iccids, msisdns, nais, lifecycles),
            lines(int(sim.functions_off) for sim in sims),
            lines(to_json(sim.binding) if sim.binding else None for sim in sims),
            lines(sim.state for sim in sims),
            lines(to_json(sim.bars) if sim.bars else None for sim in sims),
            firsts,
            lines(sim.event_count for sim in sims),
            *(now, lines(True if sim.msisdn and sim.imsi not in begun else None for sim in sims)),
        )
        await sim_names.insert(connection, buckets, imsis, account_id, iccids, msisdns, nais)
        await connection.execute(
            Q["insert_first_events"],
            *(buckets, imsis, EventType.SIM_ADDED, now, _plain(cause), firsts, lifecycles),
        )
    except (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError) as error:
        raise SimExists("A SIM with one of these names exists already, or is added at the same time") from error
    return await assignments.register(connection, account_id, sims, now, begun)


def _plain(value: Any) -> Any:
    """Structs as plain JSON values; the connection's codec writes the text."""
    return None if value is None else msgspec.to_builtins(value)
