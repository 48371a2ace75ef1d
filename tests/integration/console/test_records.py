"""Messages and calls in the console: found, masked, and harmless whatever they hold."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest_asyncio
from tests.integration.management.house import imsi

from simwarden.domain.reports import CallRecord, Report, SmsRecord
from simwarden.engine.ingest import Ingest

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site

NOW = datetime.now(UTC).replace(microsecond=0)
OTHER = "+85291234567"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest_asyncio.fixture(scope="module")
async def told(site: Site) -> Site:
    """A gateway has reported 60 messages of SIM 0, and two calls of SIM 1."""
    house = site.house
    url = "http://127.0.0.1:9"
    id_, _ = await house.gateways.add("gw1", kind="ejoin", command_url=url, username="root", password="root")
    await house.db.execute(
        "update sim set seen_at = now(), seen_imei = '35209900176148', seen_gateway = $2, seen_port = 1, seen_slot = 2 "
        "where imsi = $1",
        imsi(0),
        id_,
    )
    sms = [
        SmsRecord(
            key=b"%d" % n,
            direction=("inbound", "outbound", "report")[n % 3],
            at=NOW - timedelta(minutes=n),
            imsi=imsi(0),
            port=1,
            slot=2,
            sender=f"<b>{OTHER}" if n == 3 else OTHER,
            receiver=OTHER,
            content=f"{HOSTILE} {n}" + " long" * (50 if n == 6 else 0),
            status=70 if n == 2 else 0,
            status_text="<i>gone</i>" if n == 2 else "OK",
        )
        for n in range(60)
    ]
    calls = (
        CallRecord(
            call_id="c-1",
            imsi=imsi(1),
            direction="outbound",
            callee=OTHER,
            begin_at=NOW - timedelta(minutes=9),
            answer_at=NOW - timedelta(minutes=7),
            end_at=NOW - timedelta(minutes=5),
            reason=HOSTILE,
        ),
        CallRecord(call_id="c-2", imsi=imsi(1), direction="inbound", caller=OTHER, begin_at=NOW),
    )
    ingest = Ingest(house.db, house.parts.vault, clock=lambda: NOW)
    await ingest.submit(
        Report(gateway_id=id_, gateway_name="gw1", received_at=NOW, message="cdr", sms=tuple(sms), calls=calls)
    )
    return site


async def test_nothing_is_listed_before_somebody_says_whose(told: Site) -> None:
    visitor = await told.person("viewer")
    for path in ("/records", "/records/calls"):
        assert (await visitor.get(path)).status == 200
        assert 'class="empty"' in visitor.page
        assert "<tbody>" not in visitor.page


async def test_a_viewer_sees_no_text_and_no_number_whatever_he_asks(told: Site) -> None:
    visitor = await told.person("viewer")
    for path in (f"/records?sim={imsi(0)}&reveal=yes", "/records?account=meters", "/records?gateway=gw1&reveal=yes"):
        assert (await visitor.get(path)).status == 200
        assert "alert(1)" not in visitor.page
        assert "&lt;i&gt;gone" in visitor.page
        assert OTHER not in visitor.page
        assert "Show texts" not in visitor.page
    await visitor.get(f"/records/calls?sim={imsi(1)}")
    assert visitor.page.count('<th scope="row"') == 2
    assert "2:00" in visitor.page
    assert OTHER not in visitor.page


async def test_an_operator_sees_texts_on_demand_and_they_are_never_run(told: Site) -> None:
    operator = await told.person("operator")
    await operator.get(f"/records?sim={imsi(0)}")
    assert OTHER not in operator.page
    assert "Show texts" in operator.page
    await operator.get(f"/records?sim={imsi(0)}&reveal=yes")
    assert OTHER in operator.page
    assert "&lt;script&gt;alert(1)" in operator.page
    await operator.get(f"/records/calls?sim={imsi(1)}&reveal=yes")
    assert "&lt;script&gt;alert(1)" in operator.page
    for path in ("/records", "/records/calls"):
        await operator.get(f"{path}?sim={imsi(0)}&reveal=yes")
        assert "<script>alert" not in operator.page
        assert "<img src=x" not in operator.page
        assert f"<b>{OTHER}" not in operator.page


async def test_records_are_narrowed_and_followed_page_by_page(told: Site) -> None:
    visitor = await told.person("operator")
    await visitor.get(f"/records?sim={imsi(0)}")
    assert visitor.page.count('<th scope="row"') == 50
    address = visitor.page.partition('rel="next"')[0].rpartition('href="/console')[2].partition('"')[0]
    await visitor.get(address.replace("&amp;", "&"))
    assert visitor.page.count('<th scope="row"') == 10
    await visitor.get(f"/records?sim={imsi(0)}&direction=report")
    assert visitor.page.count('<th scope="row"') == 20
    assert "/records/calls?sim=" in visitor.page, "the other tab keeps whose they are"
    assert "direction=report" not in visitor.page.partition("/records/calls?")[2].partition('"')[0]
    tomorrow = f"{NOW + timedelta(days=1):%Y-%m-%d}"
    await visitor.get(f"/records?sim={imsi(0)}&from={tomorrow}")
    assert 'class="empty"' in visitor.page
    await visitor.get(f"/records?sim={imsi(0)}&otherParty=%2B85291234567&to={tomorrow}")
    assert visitor.page.count('<th scope="row"') > 10


async def test_wrong_filters_say_so(told: Site) -> None:
    visitor = await told.person("viewer")
    for query, status in (
        ("sim=nobody%40nowhere", 404),
        (f"sim={imsi(0)}&account=meters", 400),
        ("account=meters&otherParty=1", 400),
        (f"sim={imsi(0)}&direction=sideways", 400),
        (f"sim={imsi(0)}&cursor=forged", 400),
        ("account=<script>", 404),
    ):
        assert (await visitor.get(f"/records?{query}")).status == status, query
        assert 'role="alert"' in visitor.page
        assert "<script>" not in visitor.page


async def test_a_message_is_sent_once_after_it_was_said_what_that_does(told: Site) -> None:
    operator = await told.person("operator")
    count = "select count(*) from outgoing_message"
    await operator.get(f"/records/send?sim={imsi(0)}")
    assert f'value="{imsi(0)}"' in operator.page
    given = {"sim": imsi(0), "receiver": "+852 9123 4567", "text": HOSTILE}
    assert (await operator.post("/records/send", step="try", **given)).status == 200
    assert "1.02" in operator.page
    assert ">gw1</a>" in operator.page
    assert "<script>alert" not in operator.page
    assert await told.house.db.fetchval(count) == 0
    [once] = re.findall(r'name="once" value="([0-9a-f]{32})"', operator.page)
    for _ in range(2):
        sent = await operator.post("/records/send", step="send", once=once, **given)
        path = sent.headers["location"].removeprefix("/console")
    assert await told.house.db.fetchval(count) == 1
    await operator.get(path)
    assert "Queued" in operator.page
    assert OTHER not in operator.page
    await operator.get(path.partition("?")[0] + "?reveal=yes")
    assert OTHER in operator.page
    assert "<script>alert" not in operator.page
    await told.house.db.execute("update outgoing_message set stage = 4, reason = 'REFUSED: <b>no', due_at = null")
    for page in (path, f"/records/sent?sim={imsi(0)}"):
        await operator.get(page)
        assert "The carrier refused it (&lt;b&gt;no)" in operator.page


async def test_nothing_is_sent_by_a_form_that_nobody_saw_or_that_is_wrong(told: Site) -> None:
    operator, before = await told.person("operator"), "select count(*) from outgoing_message"
    there = await told.house.db.fetchval(before)
    given = {"sim": imsi(0), "receiver": OTHER, "text": "x"}
    assert (await operator.post("/records/send", step="send", **given)).status == 200, "it is previewed"
    assert (await operator.post("/records/send", csrf="forged", step="send", once="0" * 32, **given)).status == 403
    for changes, status in (({"receiver": "10086"}, 400), ({"sim": "nobody"}, 404), ({"sim": imsi(5)}, 422)):
        assert (await operator.post("/records/send", step="try", **given | changes)).status == status
        assert 'role="alert"' in operator.page
    assert await told.house.db.fetchval(before) == there
    viewer = await told.person("viewer")
    await viewer.get(f"/records?sim={imsi(0)}")
    assert "/records/send" not in viewer.page
    assert (await viewer.get("/records/send")).status == 403
    assert (await viewer.post("/records/send", step="send", once="0" * 32, **given)).status == 403
    assert (await viewer.get(f"/records/sent?sim={imsi(0)}&reveal=yes")).status == 200
    assert OTHER not in viewer.page


async def test_a_received_message_is_replied_to(told: Site) -> None:
    operator = await told.person("operator")
    await operator.get(f"/records?sim={imsi(0)}")
    assert 'value="write"' not in operator.page, "numbers are masked"
    await operator.get(f"/records?sim={imsi(0)}&reveal=yes&direction=inbound")
    assert 'value="write"' in operator.page
    await operator.post("/records/send", step="write", sim=imsi(0), receiver=OTHER)
    assert f'name="receiver" value="{OTHER}"' in operator.page
