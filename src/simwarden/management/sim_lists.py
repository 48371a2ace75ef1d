"""SIMs as CSV: those that match, written; those of a list, registered."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

from msgspec.json import Decoder

from simwarden.domain.identifiers import full_imei
from simwarden.engine import imports, mentions
from simwarden.management import schemas, views
from simwarden.management.csv_list import MAX_ROWS, csv_rows, lines_in
from simwarden.management.house import House, read
from simwarden.management.query import Query
from simwarden.management.sim_filters import FILTERS, as_filter, filter_body
from simwarden.northbound.kernel.api import Answer, Request
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from simwarden.store.listing import SimFilter, Tagged

COLUMNS = (
    *("imsi", "iccid", "msisdn", "nai", "account", "lifecycle", "binding", "off", "bars"),
    *("imei", "seenAt", "gateway", "port", "slot", "tags"),
)
PAGE = 250
"""SIMs of a statement, and of a piece of the file."""
SOON = 0.1
"""Seconds after which a statement ends that finds few, about."""
AT_ONCE = 2
"""Files for which a worker reads at the same time; the others wait for their next page."""
IMPORTS = 1
"""Lists that a worker takes in at the same time."""


class SimListRoutes:
    """The operations `/sim-export` and `/sim-lists`."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._import = Decoder(schemas.ImportSims)
        self._reading = asyncio.Semaphore(AT_ONCE)
        self._importing = asyncio.Semaphore(IMPORTS)

    async def export(self, request: Request) -> Answer:
        """exportSims: page by page as it is fetched; nothing is held in the database between two pages."""
        query = Query(request.query, (*FILTERS, "column"), "sim-export")
        columns = query.texts("column") or COLUMNS
        for name in columns:
            if name not in COLUMNS:
                raise InvalidArgument(f"The value of column can only be {','.join(COLUMNS)}")
        wanted = await as_filter(self._house, filter_body(query))
        headers = [
            (b"content-type", b"text/csv; charset=utf-8"),
            (b"content-disposition", b'attachment; filename="sims.csv"'),
            (b"cache-control", b"no-store"),
        ]
        return Answer(200, None, headers, self._file(wanted, tuple(dict.fromkeys(columns))))

    async def _file(self, wanted: SimFilter, columns: tuple[str, ...]) -> AsyncIterator[bytes]:
        yield csv_rows([columns])
        after: tuple[int, str] | None = (0, "")
        while after is not None:
            async with self._reading:
                found, reached = await listing.page(self._house.db, wanted, after=after, limit=PAGE, seconds=SOON)
                names = await self._house.gateways.names(mentions.in_sims(each.sim for each in found))
            if found:
                rows = [_row(each, names) for each in found]
                yield csv_rows([[row[name] for name in columns] for row in rows])
            last = found[-1].sim if len(found) == PAGE else None
            after = reached if last is None else (last.bucket, last.imsi)

    async def bring(self, request: Request) -> Answer:
        """importSims: rows that can be taken are, some thousands in a transaction; the others are answered."""
        wanted: schemas.ImportSims = read(self._import, request)
        account = await self._house.account(wanted.account)
        if lines_in(wanted.csv) > MAX_ROWS + 1:
            raise InvalidArgument(f"csv may have at most {MAX_ROWS} lines")
        way = imports.Way(self._house.cause(request, "import"), update=wanted.update, dry_run=wanted.dry_run)
        text = io.StringIO(wanted.csv.lstrip("\ufeff"), newline="")
        async with self._importing:
            rows = imports.read_rows(text, account.id, self._house.intake)
            try:
                done = await imports.import_rows(self._house.db, rows, account.id, way)
            except imports.BadFile as error:
                raise InvalidArgument(error.message) from error
        counts = {"added": done.added, "unchanged": done.unchanged, "changed": done.changed}
        return Answer(200, {**counts, "dryRun": wanted.dry_run, "badRows": done.bad})


def _row(found: Tagged, gateways: Mapping[int, str]) -> dict[str, Any]:
    sim = found.sim
    seen = sim.seen
    slot = seen.slot if seen else None
    return {
        "imsi": sim.imsi,
        "iccid": sim.iccid,
        "msisdn": sim.msisdn,
        "nai": sim.nai,
        "account": sim.account_id,
        "lifecycle": str(sim.lifecycle),
        "binding": str(sim.state),
        "off": " ".join(views.functions(sim.functions_off)),
        "bars": " ".join(sorted({str(bar.cause) for bar in sim.bars})),
        "imei": full_imei(seen.imei) if seen and seen.imei and not seen.unknown else None,
        "seenAt": seen and seen.at.isoformat(),
        "gateway": slot and gateways.get(slot.gateway_id),
        "port": slot and slot.port,
        "slot": slot and slot.slot,
        "tags": " ".join(found.tags),
    }
