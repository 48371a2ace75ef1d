"""Data sessions and commands in the console: on the page of a SIM, and on that of a network element."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.management.house import imsi
from tests.integration.management.test_targets import accounted

from simwarden.domain.identifiers import full_imei
from simwarden.domain.session import Phase, SessionNote
from simwarden.kit.clock import now_utc

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site

STOLEN = "35209900176148"


async def test_sessions_are_shown_on_both_pages_with_what_keeps_the_device_out(site: Site) -> None:
    viewer, house = await site.person("viewer"), site.house
    id_, _ = await house.gateways.add("nas-1", kind="radius", command_url=None, username=None, password=None)
    await viewer.get(f"/sims/{imsi(0)}")
    assert 'id="sessions"' not in viewer.page
    at = now_utc()
    begun = SessionNote(
        key="S1",
        phase=Phase.BEGAN,
        at=at,
        began_at=at,
        imsi=imsi(0),
        imei=STOLEN,
        apn="<b>meters",
        rat="EUTRA",
        ipv4="10.0.0.7",
    )
    await accounted(house, id_, at, begun)
    listed = {"list": "STOLEN", "imei": full_imei(STOLEN), "reason": "x", "since": at.isoformat(), "source": "y"}
    assert (await house.manage("POST", "/imei-lists", {"devices": [listed]})).status == 200
    await viewer.get(f"/sims/{imsi(0)}")
    assert 'id="sessions"' in viewer.page
    assert "is on a list (stolen)" in viewer.page
    for path in (f"/sims/{imsi(0)}", "/elements/nas-1"):
        assert (await viewer.get(path)).status == 200
        assert "10.0.0.7" in viewer.page
        assert "&lt;b&gt;meters" in viewer.page
        assert "<b>meters" not in viewer.page
    assert f'href="/console/sims/{imsi(0)}"' in viewer.page
    await house.db.execute("update attachment set desired = 7, status = 'FAILED', last_error = '<i>no'")
    await viewer.get("/elements/nas-1")
    assert "&lt;i&gt;no" in viewer.page
    assert 'id="commands"' in viewer.page
