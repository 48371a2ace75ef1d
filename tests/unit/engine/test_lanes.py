"""Which batches of reports are written beside each other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simwarden.domain.reports import Report, SmsRecord
from simwarden.engine.ingest import Ingest

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Slow(Ingest):
    """Writes nothing, as slowly as it is told to."""

    def __init__(self) -> None:
        nothing: Any = None
        super().__init__(nothing, most=8)
        self.go_on = asyncio.Event()
        self.running: list[set[int]] = []
        self.written: list[Report] = []
        self.most_at_once = 0

    async def write(self, reports: Sequence[Report]) -> None:
        gateways = {report.gateway_id for report in reports}
        assert not any(gateways & others for others in self.running), "one gateway's reports stay in order"
        self.running.append(gateways)
        self.most_at_once = max(self.most_at_once, len(self.running))
        await self.go_on.wait()
        await asyncio.sleep(0)
        self.running.remove(gateways)
        self.written += reports


def report(gateway_id: int, records: int) -> Report:
    sms = tuple(SmsRecord(key=bytes((n,)), direction="inbound", at=NOW) for n in range(records))
    return Report(gateway_id=gateway_id, gateway_name=f"g{gateway_id}", received_at=NOW, message="recv-sms", sms=sms)


async def take(ingest: Slow, reports: Sequence[Report]) -> None:
    tasks = [asyncio.create_task(ingest.submit(each)) for each in reports]
    await asyncio.sleep(0)
    ingest.go_on.set()
    await asyncio.gather(*tasks)
    await ingest.drain()


async def test_records_of_two_gateways_are_written_beside_each_other_and_each_ones_in_order() -> None:
    ingest = Slow()
    reports = [report(n % 5, n % 3) for n in range(60)]
    await take(ingest, reports)
    assert ingest.most_at_once == 2
    for gateway_id in range(5):
        mine = [each for each in reports if each.gateway_id == gateway_id]
        assert [each for each in ingest.written if each.gateway_id == gateway_id] == mine
    ingest.go_on.clear()
    await take(ingest, [report(n, 1) for n in range(4)])
    assert len(ingest.written) == 64, "nothing is left behind by those before"


async def test_reports_without_records_are_one_batch_at_a_time() -> None:
    ingest = Slow()
    await take(ingest, [report(n, 0) for n in range(30)])
    assert ingest.most_at_once == 1
    assert len(ingest.written) == 30
