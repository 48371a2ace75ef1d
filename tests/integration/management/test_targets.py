"""Data sessions of a SIM, and SIMs at a network element."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.integration.management.house import House, imsi

from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote
from simwarden.engine.ingest import Ingest
from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from datetime import datetime

IMEI = "35209900176148"


async def accounted(house: House, id_: int, at: datetime, *notes: SessionNote) -> None:
    ingest = Ingest(house.db, house.parts.vault, clock=lambda: at)
    report = Report(
        gateway_id=id_, gateway_name="nas", received_at=at, message="accounting", sessions=notes, authentic=True
    )
    await ingest.submit(report)


async def test_sessions_of_a_sim_and_of_an_element(house: House) -> None:
    id_, _ = await house.gateways.add("nas", kind="radius", command_url=None, username=None, password=None)
    at = now_utc() - timedelta(hours=1)
    for number in range(3):
        begun = SessionNote(
            key=f"S{number}",
            phase=Phase.BEGAN,
            at=at,
            began_at=at,
            imsi=imsi(number),
            imei=IMEI,
            apn="meters.iot",
            rat="EUTRA",
            plmn="46000",
            ipv4="10.0.0.1",
        )
        await accounted(house, id_, at, begun)
    over = SessionNote(key="S2", phase=Phase.ENDED, at=at, began_at=at, imsi=imsi(2))
    await accounted(house, id_, at + timedelta(minutes=1), over)
    [live] = (await house.manage("GET", f"/sims/{imsi(0)}/sessions")).json["sessions"]
    assert {name: live[name] for name in ("gateway", "apn", "rat", "plmn", "ipv4")} == {
        "gateway": "nas",
        "apn": "meters.iot",
        "rat": "EUTRA",
        "plmn": "46000",
        "ipv4": "10.0.0.1",
    }
    assert live["imei"].startswith(IMEI)
    assert "endedAt" not in live
    [ended] = (await house.manage("GET", f"/sims/{imsi(2)}/sessions")).json["sessions"]
    assert "endedAt" in ended
    assert (await house.manage("GET", f"/sims/{imsi(5)}/sessions")).json["sessions"] == []
    found, cursor = [], ""
    while True:
        page = (await house.manage("GET", f"/gateways/nas/targets?limit=2{cursor}")).json
        found += [(row["imsi"], len(row["sessions"])) for row in page["targets"]]
        if "nextCursor" not in page:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found[:2] == [(imsi(0), 1), (imsi(1), 1)]
    assert [count for name, count in found if name == imsi(2)] in ([], [0])
    await house.db.execute(
        "insert into session_restart (gateway_id, restarted_at) values ($1, $2)", id_, at + timedelta(minutes=2)
    )
    [lost] = (await house.manage("GET", f"/sims/{imsi(0)}/sessions")).json["sessions"]
    assert "endedAt" in lost, "the element said that all its sessions are over"
    assert (await house.manage("GET", "/gateways/none/targets")).status == 404
    assert (await house.manage("GET", "/sims/nobody/sessions")).status == 404
