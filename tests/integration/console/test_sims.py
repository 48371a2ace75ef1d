"""The list of SIMs in the console: as a file, and lists that are brought in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.integration.management.house import imsi, phone

from simwarden.console.pages.sim_import import page
from simwarden.store import saved_views

if TYPE_CHECKING:
    import pytest
    from tests.integration.console.conftest import Site, Visitor


async def test_the_file_has_the_columns_and_the_filters_of_the_list(site: Site) -> None:
    viewer = await site.person("viewer")
    await viewer.get(f"/sims?q={imsi(3)}&inside=yes&column=imsi&column=number")
    assert f"/console/sim-list/result?text={imsi(3)}&amp;column=imsi&amp;column=number" in viewer.page
    reply = await viewer.get(f"/sim-list/result?text={imsi(3)}&column=imsi&column=number")
    assert reply.body.decode().splitlines() == ["msisdn,imsi", f"{phone(3)},{imsi(3)}"]
    assert reply.headers["content-disposition"] == 'attachment; filename="sims.csv"'


async def test_a_list_is_looked_at_first_and_brought_in_part_by_part(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PART", 2)
    operator = await site.person("operator")
    account = (await site.house.manage("GET", f"/sims/{imsi(0)}")).json["account"]
    lines = ["imsi,msisdn", *(f"{imsi(n)},{phone(n)}" for n in (700, 701)), "<b>,", f"{imsi(702)},{phone(702)}", ""]
    await operator.get("/sim-import")
    fields = {"account": account, "csv": "\r\n".join(lines)}
    shown = await through(operator, fields)
    assert shown == {"added": "3", "refused": "1"}
    assert (await site.house.manage("GET", f"/sims/{imsi(700)}")).status == 404
    assert "<b>" not in operator.page
    assert ">4</td>" in operator.page, "the line as it is in the whole list"
    assert await through(operator, {**fields, "step": "import"}) == shown
    assert (await site.house.manage("GET", f"/sims/{imsi(702)}")).status == 200


async def through(visitor: Visitor, fields: dict[str, str]) -> dict[str, str]:
    """Send the form, and those of all the parts behind it; what the last page before the end held is returned."""
    held: dict[str, str] = {}
    reply = await visitor.post("/sim-import", **fields)
    assert reply.status == 200
    while "goes-on" in visitor.page:
        names = ("at", "bad", "added", "unchanged", "changed", "refused")
        found = dict(re.findall(r'name="(\w+)" value="([^"]*)"', visitor.page))
        held = {name: found[name].replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">") for name in names}
        reply = await visitor.post("/sim-import", **fields, **held)
        assert reply.status == 200
    figures = re.findall(r'class="value"[^>]*>([^<]*)<', visitor.page)
    return {"added": figures[0], "refused": figures[-1]}


async def test_what_is_no_list_is_said_at_the_form_and_viewers_bring_nothing_in(site: Site) -> None:
    operator = await site.person("operator")
    await operator.get("/sim-import")
    for fields, status in (
        ({"account": "nobody", "csv": "imsi\n1"}, 404),
        ({"account": "", "csv": ""}, 400),
        ({"account": "Mine", "csv": "colour\nred", "at": "-1", "bad": "{", "added": "9" * 99}, 404),
    ):
        reply = await operator.post("/sim-import", **fields)
        assert reply.status == status
        assert 'role="alert"' in operator.page
    viewer = await site.person("viewer")
    await viewer.get("/sims")
    assert "/console/sim-import" not in viewer.page
    assert (await viewer.post("/sim-import", account="x", csv="imsi\n1")).status == 403


async def test_a_view_is_saved_opened_replaced_and_removed_by_its_person_alone(site: Site) -> None:
    viewer, other = await site.person("viewer"), await site.person("admin")
    await viewer.get("/sims?state=LOCKED&column=imsi")
    kept = await viewer.post("/sim-views", name="Locked <b>", view="state=LOCKED&column=imsi&done=saved&evil=1")
    assert kept.headers["location"] == "/console/sims?state=LOCKED&column=imsi&done=saved"
    await viewer.get("/sims?state=LOCKED&column=imsi")
    assert (
        '<a class="tag" href="/console/sims?state=LOCKED&amp;column=imsi" aria-current="true">Locked &lt;b&gt;'
        in viewer.page
    )
    await viewer.post("/sim-views", name="Locked <b>", view="bar=RISK")
    await viewer.get("/sims")
    assert 'href="/console/sims?bar=RISK">Locked &lt;b&gt;' in viewer.page
    [view] = re.findall(r'name="remove" value="(\w+)"', viewer.page)
    await other.get("/sims")
    assert "Locked" not in other.page
    assert (await other.post("/sim-views", remove=view)).status == 404
    await viewer.get("/sims")
    assert (await viewer.post("/sim-views", remove=view)).status == 303
    await viewer.get("/sims")
    assert "Locked &lt;b&gt;" not in viewer.page


async def test_there_is_a_limit_of_views_and_of_what_they_hold(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MOST", 2)
    viewer = await site.person("viewer")
    await viewer.get("/sims")
    csrf = viewer.csrf
    for name, view, status in (
        ("one", "state=LOCKED", 303),
        ("two", "state=LOCKED", 303),
        ("two", "state=ARMED", 303),
        ("three", "state=LOCKED", 409),
        ("n" * 61, "state=LOCKED", 400),
        ("two", "", 400),
        ("two", "q=" + "9" * 2000, 400),
    ):
        assert (await viewer.post("/sim-views", csrf=csrf, name=name, view=view)).status == status, (name, view)
    assert (await site.house.manage("GET", "/views")).status == 401, "a key has none"
