"""What is stored of SIMs, as rules would count it: for trying a rule before it is switched on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.daily import Direction, StoredCall
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import ALL_BUCKETS, bucket_of
from simwarden.domain.risk import Signal
from simwarden.domain.risk_facts import Facts
from simwarden.domain.risk_windows import Fact
from simwarden.domain.zones import NOWHERE, Zone, zone_of
from simwarden.store.queries import load
from simwarden.store.records import opened_sms, peer_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

Q = load("risk_records")
MOST_RECORDS = 2_000
"""Messages, and calls, of one SIM that are looked at."""
_AGES = timedelta(days=36_500)
_REACHED = frozenset({Signal.RECEIVERS, Signal.COUNTRIES, Signal.NEW_COUNTRIES})
_MESSAGES = frozenset({Signal.SMS_SENT, Signal.SMS_RECEIVED}) | _REACHED
_CALLS = frozenset({Signal.CALLS_MADE, Signal.CALLS_RECEIVED, Signal.CALL_MINUTES}) | _REACHED
EVENTS = {EventType.DEVICE_CHANGED: Signal.DEVICE_CHANGES, EventType.AREA_CHANGED: Signal.AREA_CHANGES}
"""What of a SIM's history is counted."""


class ListedSim(msgspec.Struct, frozen=True):
    """A SIM of an account."""

    imsi: str
    seen_at: datetime | None
    lifecycle: str
    functions_off: int


async def sims(db: Database, account_id: str, after: str, limit: int) -> list[ListedSim]:
    """SIMs of an account in the order of their IMSI, from behind `after`."""
    rows = await db.fetch(Q["sims"], ALL_BUCKETS, account_id, after, limit)
    return [msgspec.convert(dict(row), ListedSim) for row in rows]


async def facts(
    db: Database,
    vault: Vault,
    account_id: str,
    imsis: Sequence[str],
    since: datetime,
    signals: Collection[Signal],
) -> tuple[dict[str, list[Fact]], set[str]]:
    """What is stored of SIMs since then that these signals count, by IMSI; and of which of them there is more.

    Of data the days are known, and no more: what was used on one counts at its last reading. Raises WrongKey.
    """
    wanted = set(signals)
    found, more = Facts(_AGES), set()
    keys = [bucket_of(imsi) for imsi in imsis], list(imsis), since
    if wanted & _MESSAGES:
        rows = await db.fetch(Q["messages"], *keys, MOST_RECORDS + 1, bool(wanted & _REACHED))
        for row in rows:
            zone = None
            if row["direction"] == Direction.OUTBOUND and wanted & _REACHED:
                receiver = opened_sms(vault, row)["receiver"]
                peer = row["peer"] or peer_of(vault, row["imsi"], receiver)
                zone = Zone(zone_of(receiver, row["imsi"]).country, number="" if peer is None else peer.hex())
            found.add_message(0, row["imsi"], row["direction"], row["at"], row["received_at"], zone)
        more |= _beyond([row["imsi"] for row in rows])
    if wanted & _CALLS:
        rows = await db.fetch(Q["calls"], *keys, MOST_RECORDS + 1)
        for row in rows:
            call = StoredCall(**{name: row[name] for name in StoredCall.__struct_fields__})
            peer = row["peer"]
            zone = Zone(call.zone or NOWHERE, number="" if peer is None else peer.hex())
            found.replace_call(0, None, call, zone)
        more |= _beyond([row["imsi"] for row in rows])
    if kinds := [str(kind) for kind, signal in EVENTS.items() if signal in wanted]:
        for row in await db.fetch(Q["events"], *keys, kinds):
            found.add(row["imsi"], Fact(EVENTS[EventType(row["type"])], int(row["at"].timestamp())))
    if Signal.MEGABYTES in wanted:
        for row in await db.fetch(Q["megabytes"], *keys, account_id):
            found.add_megabytes(0, row["imsi"], row["at"], row["megabytes"])
    return found.by_sim, more


def _beyond(imsis: Sequence[str]) -> set[str]:
    counts: dict[str, int] = {}
    for imsi in imsis:
        counts[imsi] = counts.get(imsi, 0) + 1
    return {imsi for imsi, count in counts.items() if count > MOST_RECORDS}
