"""The console in a browser: every page as every role, the stolen SIM by mouse and by keyboard, and what axe finds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from tests.browser.console import Tab, paths
from tests.support.console_rich import enrich
from tests.support.console_sample import SAMPLES, STOLEN, furnish
from tests.support.server import serving
from tests.support.virtual_gateways import virtual_gateways
from tests.support.world import imsi

from simwarden.console.texts import catalogue
from simwarden.settings.keys import key_of
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.browser.chrome import Browser

    from simwarden.store.database import Database

AXE = os.environ.get("SIMWARDEN_NODE_AXE")
KEY = "42" * 32
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
SIM = f"/console/sims/{imsi(STOLEN)}"


@pytest_asyncio.fixture(scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory, world_database: Database) -> AsyncIterator[str]:
    """The address of a server with the sample installation."""
    key = key_of(KEY)
    assert key is not None
    await furnish(world_database, Vault(key))
    await enrich(world_database, Vault(key))
    directory = tmp_path_factory.mktemp("console")
    async with (
        serving(directory, world_database.url, secret_key=KEY) as address,
        virtual_gateways(directory / "data" / "simulator"),
    ):
        yield address


@pytest_asyncio.fixture(scope="module")
async def tab(browser: Browser, console: str) -> AsyncIterator[Tab]:
    """One tab for all."""
    async with browser.tab() as page:
        made = Tab(page, console)
        await made.look()
        yield made


async def test_every_page_opens_without_complaint(tab: Tab, console: str) -> None:
    """In both languages, and as wide as a phone; nothing is loaded from elsewhere, nothing runs that is not ours."""
    tab.page.errors.clear()
    tab.page.requested.clear()
    await tab.sign_in("admin")
    for mode, language in (("light", "en"), ("phone", "zh")):
        await tab.look(mode, language)
        for path in paths():
            await tab.go(path)
            assert await tab.page.evaluate("document.documentElement.lang") == language
            assert await tab.page.evaluate("document.querySelectorAll('h1').length") == 1
            assert not await tab.page.evaluate(TOO_WIDE), path
            assert await tab.page.evaluate("document.querySelector('#main .said a.button') === null"), (path, SAMPLES)
    await tab.look()
    hosts = {urlsplit(each).netloc for each in tab.page.requested if each.startswith("http")}
    assert hosts == {urlsplit(console).netloc}
    assert tab.page.errors == []


async def test_the_stolen_sim_by_mouse(tab: Tab) -> None:
    """What is wrong, why, and what can be done: seen from the first page, by clicks alone."""
    await tab.sign_in("operator")
    await tab.page.click('a[href="/console/sims"]')
    await tab.page.until(
        "location.pathname === '/console/sims' && document.querySelector('[data-part=results] table') !== null"
    )
    await tab.page.type("[data-search] input[type=search]", imsi(STOLEN)[:-1])
    await tab.page.until("document.querySelector('[data-part=results] tbody tr:nth-child(10)') === null")
    await tab.page.send("Input.insertText", text=imsi(STOLEN)[-1:])
    await tab.page.until("document.querySelectorAll('[data-part=results] tbody tr').length === 1")
    await tab.page.until("location.search.includes('q=')")
    await tab.page.click("[data-part=results] tbody th a")
    await tab.page.until("document.readyState === 'complete' && document.querySelector('#chain .steps') !== null")
    told = await tab.text()
    texts = catalogue("en")
    for said in (
        texts["word.DIFFERED"],
        texts["word.IMEI_MISMATCH"],
        "depot-south",
        texts["sim.event.BINDING_DIFFERED"],
    ):
        assert said in told
    await tab.page.click(f'a[href="{SIM}/act/unbind"]')
    await tab.page.until("document.querySelector('tr.changes') !== null")
    assert texts["word.NEUTRAL"] in await tab.text("tr.changes")
    await tab.page.click("form.row button.primary")
    await tab.page.until(f"location.pathname === {SIM!r} && document.querySelector('.note.ok') !== null")
    assert texts["word.NEUTRAL"] in await tab.text("h1")


EARLY = """
document.addEventListener("readystatechange", () => {
  const field = document.querySelector("[data-search] input[type=search]");
  if (document.readyState === "interactive" && field) field.value = %r;
});
"""
"""Fills the field when the page is parsed and its module scripts have not run (HTML, 13.2.7 "The end")."""


async def test_what_is_typed_before_the_script_runs_is_searched(tab: Tab) -> None:
    """On a slow line the field is there before its script: nobody types twice."""
    await tab.sign_in("operator")
    early = await tab.page.send("Page.addScriptToEvaluateOnNewDocument", source=EARLY % imsi(STOLEN))
    try:
        await tab.go("/console/sims")
        await tab.page.until("document.querySelectorAll('[data-part=results] tbody tr').length === 1")
        assert imsi(STOLEN) in await tab.text("[data-part=results]")
        await tab.page.until("location.search.includes('q=')")
    finally:
        await tab.page.send("Page.removeScriptToEvaluateOnNewDocument", identifier=early["identifier"])


async def test_the_same_by_keyboard_only(tab: Tab) -> None:
    """Binding it again to where it is, without a mouse."""
    await tab.sign_in("operator")
    await tab.press("/")
    await tab.page.until("document.activeElement.id === 'find'")
    await tab.page.send("Input.insertText", text=imsi(STOLEN))
    await tab.press("Enter")
    await tab.page.until("document.querySelectorAll('[data-part=results] tbody tr').length === 1")
    await tab.tab_to("tbody th a")
    await tab.press("Enter")
    await tab.page.until("document.querySelector('#chain') !== null")
    await tab.tab_to("a[href$='/act/bind']")
    await tab.press("Enter")
    await tab.page.until("document.querySelector('input[name=device]') !== null")
    await tab.tab_to("#main button.primary")
    await tab.press("Enter")
    await tab.page.until("document.querySelector('tr.changes') !== null")
    await tab.page.until("document.activeElement.matches('button.primary')")  # autofocus comes behind the parser
    await tab.press("Enter")
    await tab.page.until(f"location.pathname === {SIM!r} && document.querySelector('.note.ok') !== null")
    assert catalogue("en")["word.LOCKED"] in await tab.text("h1")


async def test_the_overview_stays_fresh_and_finds_the_server_again(tab: Tab) -> None:
    """Server-sent events: the page is live, and says so when it is not."""
    await tab.sign_in("viewer")
    await tab.go("/console")
    await tab.page.until("document.body.dataset.connection === 'live'")
    await tab.page.until("document.querySelector('[data-part=figures] .figure') !== null")
    await tab.page.send(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
    )
    await tab.page.evaluate("dispatchEvent(new Event('offline'))")
    await tab.page.send(
        "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    await tab.page.until("document.body.dataset.connection === 'live'")


@pytest.mark.skipif(AXE is None, reason="SIMWARDEN_NODE_AXE does not name a folder with the npm package axe-core")
async def test_axe_finds_no_serious_fault(tab: Tab) -> None:
    """WCAG 2.1 A and AA on every page, by turns as wide as a phone and in the dark; contrast in both."""
    script = (Path(str(AXE)) / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    await tab.sign_in("admin")
    found: dict[str, Any] = {}
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    for number, path in enumerate([*paths(), "/console/second-factor", "/console/sims/unknown"]):
        mode, other = (("phone", "dark"), ("dark", "phone"))[number % 2]
        await tab.look(mode)
        await tab.go(path)
        await tab.page.evaluate(script)
        found |= await _faults(tab, f"{path} {mode}", rules)
        await tab.look(other)
        found |= await _faults(tab, f"{path} {other}", {"type": "rule", "values": ["color-contrast"]}, "'#main'")
    await tab.look()
    assert found == {}


async def _faults(tab: Tab, name: str, rules: dict[str, Any], where: str = "document") -> dict[str, Any]:
    options = json.dumps({"runOnly": rules, "resultTypes": ["violations"]})
    told = await tab.page.evaluate(
        f"axe.run({where}, {options}).then(r => r.violations.map(v => [v.impact, v.id, "
        "v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? ''))]))"
    )
    return {f"{name}: {rule}": nodes for impact, rule, nodes in told if impact in ("serious", "critical")}
