"""Texts that customers, elements and people wrote are shown as texts, on every page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tests.integration.management.house import imsi
from tests.support.console_sample import HARM, harm

from simwarden.console.page import all_pages

if TYPE_CHECKING:
    from tests.integration.console.conftest import Site


async def test_no_text_of_others_becomes_a_part_of_a_page(site: Site) -> None:
    admin = await site.person("admin")
    number, _ = await site.house.gateways.add(
        "gw-hostile", kind="ejoin", command_url="http://127.0.0.1:9", username="u", password="p"
    )
    await harm(site.house.db, site.house.parts.vault, number)
    alarm = (await site.house.manage("GET", "/alarms?gateway=gw-hostile")).json["alarms"][0]["id"]
    names = {"sim": imsi(1), "element": "gw-hostile", "alarm": str(alarm), "action": "bind"}
    shown = 0
    for page in all_pages():
        if page.show is None or page.is_open or any(each not in names for each in _parameters(page.path)):
            continue
        for query in ("", f"?q={HARM}&state={HARM}&done={HARM}&before={HARM}".replace("#", "%23")):
            reply = await admin.get(page.path.format(**names).rstrip("/") + query)
            assert reply.status < 500, page.path
            if reply.headers.get("content-type", "").startswith("text/html"):
                assert "<img src=x" not in admin.page, page.path
                assert "<script>alert" not in admin.page
                shown += escape(HARM)[:12] in admin.page
    assert shown > 10


async def test_who_signs_in_is_a_person_who_may_take_an_alarm_on(site: Site) -> None:
    operator = await site.person("operator")
    alarm = (await site.house.manage("GET", "/alarms?state=OPEN")).json["alarms"][0]["id"]
    await operator.get(f"/alarms/{alarm}")
    done = await operator.post(f"/alarms/{alarm}")
    assert done.headers["location"] == f"/console/alarms/{alarm}?done=acknowledged"
    taken = (await site.house.manage("GET", f"/alarms/{alarm}")).json["acknowledgedBy"]
    assert operator.email in taken


def _parameters(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]
