"""Putting SIMs into the register (`engine.imports` for files of them)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import identifiers
from simwarden.domain.errors import SimExists
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.intake import Caution
from simwarden.domain.locating import Site
from simwarden.domain.rules.device import Bind, bind
from simwarden.domain.service_days import changes as service_changes
from simwarden.domain.sim import Lifecycle, Sim, SimRef
from simwarden.engine import following
from simwarden.kit.clock import now_utc
from simwarden.store import ledger, places, sim_names, sims

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.countries import Country
    from simwarden.domain.events import Cause, Event
    from simwarden.store.database import Database


class BadRow(msgspec.Struct, frozen=True):
    """A row that was not taken, and why."""

    line: int
    reason: str


class NewSim(msgspec.Struct, frozen=True):
    """A SIM to be registered, and the device it is to be bound to."""

    line: int
    sim: Sim
    imei: str | None = None
    addresses: tuple[SimRef, ...] = ()
    """Static addresses by which it can be named too."""
    cautions: tuple[Caution, ...] = ()
    """What looks wrong about it."""
    activated: datetime | None = None
    """Since when it has had its phone number; None: that is not known."""
    address: Site | None = None
    """Where it is installed."""

    @property
    def names(self) -> list[tuple[str, str]]:
        """Kind and value of all names by which it can be found."""
        refs = [(ref.kind, ref.value) for ref in self.addresses]
        return [(str(kind), value) for kind, value in (*sim_names.names_of(self.sim), *refs)]


def new_sim(
    account_id: str,
    *,
    imsi: str,
    iccid: str | None = None,
    msisdn: str | None = None,
    nai: str | None = None,
    lifecycle: Lifecycle = Lifecycle.ACTIVE,
    home: Country | None = None,
) -> Sim:
    """A SIM as it is to be registered, ACTIVE or PRE_ACTIVE. `home`: as in `parse_msisdn`. Raises InvalidIdentifier."""
    number = identifiers.parse_imsi(imsi)
    return Sim(
        bucket=bucket_of(number),
        imsi=number,
        account_id=account_id,
        iccid=identifiers.parse_iccid(iccid) if iccid else None,
        msisdn=identifiers.parse_msisdn(msisdn, home) if msisdn else None,
        nai=identifiers.parse_nai(nai) if nai else None,
        lifecycle=lifecycle,
        event_count=1,  # SIM_ADDED
    )


async def add(
    db: Database, sim: Sim, cause: Cause, *, imei: str | None = None, addresses: Sequence[SimRef] = ()
) -> Sim:
    """Register one SIM, bound to `imei` when given, found by its static `addresses` (`domain.addresses`) too.

    Raises SimExists, InvalidIdentifier.
    """
    row = NewSim(0, sim, imei, tuple(dict.fromkeys(addresses)))
    async with db.transaction() as connection:
        bad = await insert(connection, sim.account_id, [row], cause)
    if bad:
        raise SimExists(bad[0].reason)
    return sim


async def insert(connection: sims.Connection, account_id: str, rows: Sequence[NewSim], cause: Cause) -> list[BadRow]:
    """Insert what is free, in the caller's transaction; returns what was not.

    Raises SimExists when somebody else takes a name meanwhile: nothing of this transaction may stay then.
    """
    bad, free = await refused(connection, rows)
    if free:
        await insert_free(connection, account_id, free, cause)
    return bad


async def refused(connection: sims.Connection, rows: Sequence[NewSim]) -> tuple[list[BadRow], list[NewSim]]:
    """Rows of which a name is another SIM's, or that of a row before; and the others, which are free."""
    bad: list[BadRow] = []
    free: list[NewSim] = []
    used: set[tuple[str, str]] = set()
    names = [name for row in rows for name in row.names]
    taken = await sim_names.taken(connection, names) if names else set()
    for row in rows:
        mine = row.names
        clash = next((name for name in mine if name in taken or name in used), None)
        if clash:
            # Whose it is is not said: tenants never meet.
            bad.append(BadRow(row.line, f"a SIM with the {clash[0]} {clash[1]} exists already"))
        else:
            used.update(mine)
            free.append(row)
    return bad, free


async def insert_free(connection: sims.Connection, account_id: str, rows: Sequence[NewSim], cause: Cause) -> None:
    """Insert rows whose names are free, or are thought to be, with their events. Raises SimExists when one is not."""
    now = now_utc()
    # Whoever inserts does so in one order: those that run together wait for each other and never in a circle.
    ordered = sorted(rows, key=lambda row: row.sim.imsi)
    before = await sims.event_counts_of_deleted(connection, [row.sim for row in ordered])
    made: list[Sim] = []
    events: list[tuple[Sim, Event]] = []
    for row in ordered:
        sim = row.sim
        first = before.get(sim.imsi, 0) + 1
        if first > 1:
            sim = msgspec.structs.replace(sim, first_event=first, event_count=first)
        if row.imei:
            decision = bind(sim, Bind(imei=row.imei), now, cause)
            events += [(decision.sim, event) for event in decision.events]
            sim = decision.sim
        made.append(sim)
    activated = {row.sim.imsi: row.activated for row in ordered if row.activated is not None}
    moved = await sims.insert(connection, account_id, made, cause, now, activated)
    await following.publish(connection, moved, cause)
    if events:
        await sims.add_events(connection, events)
    addresses = [(row.sim, ref) for row in ordered for ref in row.addresses]
    if addresses:
        await sim_names.add_addresses(connection, account_id, addresses)
    installed = [(row.sim, row.address) for row in ordered if row.address is not None]
    if installed:
        await places.add_addresses(connection, installed)
    begun = [change for sim in made for change in service_changes(None, sim)]
    if begun:
        await ledger.count_services(connection, begun, now.astimezone(UTC).date())
