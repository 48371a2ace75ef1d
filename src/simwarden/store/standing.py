"""What network elements show of SIMs now, for those who ask and for those who are told when it changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from simwarden.domain.standing import ShownSession, ShownSlot, Standing
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.domain.sim import CardSlot, Sim

Q = load("standing")


class Whose(NamedTuple):
    """What of a SIM finds what is shown of it."""

    bucket: int
    imsi: str
    iccid: str | None
    slot: CardSlot | None


class Reader(Protocol):
    """A database, or one of its connections."""

    async def fetch(self, query: str, /, *args: Any) -> Sequence[asyncpg.Record]:
        """All rows of one statement."""


def whose(sim: Sim) -> Whose:
    """How `shown` finds it."""
    return Whose(sim.bucket, sim.imsi, sim.iccid, None if sim.seen is None else sim.seen.slot)


async def shown(reader: Reader, sims: Sequence[Whose]) -> dict[Whose, Standing]:
    """What is shown of each of these SIMs, where anything is."""
    slots, sessions = await _slots(reader, sims), await _sessions(reader, sims)
    return {
        sim: Standing(slots.get(sim), sessions.get(sim.imsi)) for sim in sims if sim in slots or sim.imsi in sessions
    }


async def _slots(reader: Reader, sims: Sequence[Whose]) -> dict[Whose, ShownSlot]:
    seen = [(sim, sim.slot) for sim in sims if sim.slot is not None]
    if not seen:
        return {}
    rows = await reader.fetch(
        Q["slots"],
        [slot.gateway_id for _, slot in seen],
        [slot.port for _, slot in seen],
        [slot.slot for _, slot in seen],
    )
    found = {}
    for row in rows:
        sim = seen[row["ord"] - 1][0]
        here = row["imsi"] == sim.imsi if row["imsi"] else row["iccid"] is not None and row["iccid"] == sim.iccid
        found[sim] = ShownSlot(
            status=row["status"] if here else None,
            plmn=row["plmn"] if here else None,
            imei=row["imei"] if here else None,
            at=row["at"],
            heard_at=row["heard_at"],
            period=timedelta(seconds=row["report_interval"]),
        )
    return found


async def _sessions(reader: Reader, sims: Sequence[Whose]) -> dict[str, ShownSession]:
    rows = await reader.fetch(Q["sessions"], [sim.bucket for sim in sims], [sim.imsi for sim in sims])
    return {
        row["imsi"]: ShownSession(
            live=row["live"],
            at=row["at"],
            plmn=row["plmn"],
            imei=row["imei"],
            svn=row["svn"],
            heard_at=row["heard_at"],
            period=timedelta(seconds=row["report_interval"]),
        )
        for row in rows
    }
