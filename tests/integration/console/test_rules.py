"""Rules in the console: built, tried before they are added, changed, switched and removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest_asyncio
from tests.integration.management.house import imsi

from simwarden.domain.reports import Report, SmsRecord
from simwarden.engine.ingest import Ingest

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site

NOW = datetime.now(UTC).replace(microsecond=0)
MASS = {"signal1": "smsSent", "least1": "5", "every": "1", "unit": "hours", "bar": "SMS", "hours": "24"}
FORM = "signal1=smsSent&least1=5&every=1&unit=hours&bar=SMS&hours=24"


@pytest_asyncio.fixture(scope="module")
async def told(site: Site) -> Site:
    """SIM 0 sent ten messages yesterday."""
    house = site.house
    id_, _ = await house.gateways.add("gw1", kind="ejoin", command_url=None, username=None, password=None)
    sms = tuple(
        SmsRecord(
            key=b"%d" % n,
            direction="outbound",
            at=NOW - timedelta(days=1, minutes=n),
            imsi=imsi(0),
            port=1,
            slot=2,
            receiver=f"+8529123456{n}",
            content="spam",
        )
        for n in range(10)
    )
    ingest = Ingest(house.db, house.parts.vault, clock=lambda: NOW)
    await ingest.submit(Report(gateway_id=id_, gateway_name="gw1", received_at=NOW, message="cdr", sms=sms))
    return site


async def test_a_rule_is_tried_then_added_then_changed_switched_and_removed(told: Site) -> None:
    operator = await told.person("operator")
    await operator.get("/rules")
    assert 'class="empty"' in operator.page
    assert (await operator.get(f"/rules/new?try=yes&name=mass&account=meters&days=7&{FORM}")).status == 200
    assert 'class="days"' in operator.page
    assert f'href="/console/sims/{imsi(0)}"' in operator.page
    assert "5 or more messages sent" in operator.page
    assert (await told.house.manage("GET", "/rules")).json == {"rules": []}, "a dry run adds nothing"
    added = await operator.post("/rules/new", name="mass", account="meters", on="yes", **MASS)
    path = added.headers["location"].partition("?")[0].removeprefix("/console")
    [rule] = (await told.house.manage("GET", "/rules")).json["rules"]
    assert (rule["name"], rule["on"], rule["rule"]["inMinutes"]) == ("mass", True, 60)
    assert (await operator.get(f"{path}?days=31")).status == 200
    assert imsi(0) in operator.page
    await operator.get(f"{path}/change")
    assert 'value="smsSent" selected' in operator.page
    assert (await operator.post(f"{path}/change", name="masses", **{**MASS, "tag": "far"})).status == 303
    await operator.get(f"{path}/act/off")
    assert (await operator.post(f"{path}/act/off")).status == 303
    await operator.get(path)
    assert operator.page.count("Version ") == 3
    assert "gives it the tag far" in operator.page
    assert f"{path}/act/on" in operator.page
    assert (await operator.post(f"{path}/act/remove")).headers["location"] == "/console/rules?done=saved"
    assert (await operator.get(path)).status == 404


async def test_what_is_wrong_is_said_at_the_form_which_keeps_what_was_entered(told: Site) -> None:
    operator = await told.person("operator")
    await operator.get("/rules/new")
    for wrong in (
        {"every": "0"},
        {"least1": "many"},
        {"name": "<script>alert(1)</script>"},
        {"account": "nobody"},
        {"bar": ""},
        {"tag": "<script>alert(1)</script>"},
    ):
        reply = await operator.post("/rules/new", **{"name": "kept", "account": "meters", **MASS, **wrong})
        assert reply.status in (400, 404), wrong
        assert 'role="alert"' in operator.page, wrong
        assert "<script>alert" not in operator.page
        assert 'value="24"' in operator.page
    reply = await operator.get("/rules/new?try=yes&account=meters&name=x&signal1=nonsense&every=1&unit=hours&alert=yes")
    assert reply.status == 400
    assert 'role="alert"' in operator.page
    assert (await operator.get("/rules/new?template=unknown")).status == 404


async def test_a_shipped_rule_fills_the_form(told: Site) -> None:
    operator = await told.person("operator")
    await operator.get("/rules/shipped")
    assert "template=mass-sms" in operator.page
    await operator.get("/rules/new?template=mass-sms")
    assert 'value="mass-sms"' in operator.page
    assert 'value="smsSent" selected' in operator.page


async def test_a_viewer_looks_and_cannot_touch(told: Site) -> None:
    made = await told.house.manage("POST", "/rules", {"account": "meters", "template": "mass-calls"})
    path = f"/rules/{made.json['id']}"
    viewer = await told.person("viewer")
    assert (await viewer.get("/rules")).status == 200
    assert "/rules/new" not in viewer.page
    assert (await viewer.get(f"{path}?days=7")).status == 200
    assert "/act/" not in viewer.page
    assert 'class="days"' not in viewer.page
    assert (await viewer.get("/rules/new")).status == 403
    assert (await viewer.get(f"{path}/act/remove")).status == 403
    for action in ("off", "remove"):
        assert (await viewer.post(f"{path}/act/{action}")).status == 403
    assert (await viewer.post(f"{path}/change", name="x", **MASS)).status == 403
    assert (await viewer.get("/rules/unknown")).status == 404
    assert (await viewer.get("/rules?account=nobody")).status == 404
    assert (await told.house.manage("GET", path)).json["on"]
