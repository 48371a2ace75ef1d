"""The page that asks for consent, in a browser: what it shows, and that its answer reaches the application."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import web

from simwarden.accounts import applications
from simwarden.accounts.code_challenge import challenge_of
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine import provision
from simwarden.kit.clock import now_utc
from simwarden.store import sim_names
from simwarden.store.accounts import Accounts
from simwarden.store.clients import ClientProfile, Clients

if TYPE_CHECKING:
    from tests.browser.chrome import Page

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

PICTURES = os.environ.get("SIMWARDEN_TEST_PICTURES")
SCOPE = "openid dpv:FraudPreventionAndDetection iot-sim-fraud-prevention:query device-swap:check"


async def _arrived(_request: web.Request) -> web.Response:
    return web.Response(text="<title>back</title>", content_type="text/html")


async def test_the_user_allows_and_the_browser_goes_back(
    page: Page, url: str, world_database: Database, vault: Vault
) -> None:
    """The form's redirect to another origin is what a browser holds against form-action."""
    back = web.Application()
    back.router.add_get("/back", _arrived)
    runner = web.AppRunner(back)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    redirect = f"http://127.0.0.1:{runner.addresses[0][1]}/back"
    try:
        accounts = Accounts(world_database)
        account = await applications.open_account(accounts, "ACME Logistics")
        scopes = ["iot-sim-fraud-prevention:query", "device-swap:check"]
        issued = await applications.issue(accounts, "ACME Logistics", "Fleet insurance", scopes)
        agreed = ClientProfile(
            grants=("authorization_code",),
            purposes=("FraudPreventionAndDetection",),
            redirect_uris=(redirect,),
            asks_user=True,
        )
        await Clients(world_database, vault).change(issued.application.app_key, lambda _: agreed)
        sim = provision.new_sim(account.id, imsi="460000990123698", msisdn="+8613800000001")
        await provision.add(world_database, sim, Cause(CauseKind.OPERATOR, "test", now_utc()))
        async with world_database.transaction() as connection:
            own = SimRef(IdentifierKind.IPV4, "127.0.0.1/127.0.0.1")
            await sim_names.add_addresses(connection, account.id, [(sim, own)])
        wanted = {
            "response_type": "code",
            "client_id": issued.application.app_key,
            "redirect_uri": redirect,
            "scope": SCOPE,
            "state": "s-1",
            "code_challenge": challenge_of("v" * 43),
            "code_challenge_method": "S256",
        }
        await page.open(f"{url}/oauth2/authorize?{urlencode(wanted)}")
        await page.until("document.querySelector('h1') !== null")
        assert await page.evaluate("document.querySelector('button[value=allow]') !== null"), await page.evaluate(
            "document.body.innerText"
        )
        assert await page.evaluate("document.querySelectorAll('h1').length") == 1
        assert await page.evaluate("document.documentElement.lang") == "en"
        background = "getComputedStyle(document.querySelector('button[value=allow]')).backgroundColor"
        assert await page.evaluate(background) != "rgba(0, 0, 0, 0)", "the policy keeps the style out"
        if PICTURES:
            (Path(PICTURES) / "consent.png").write_bytes(await page.picture())
        await page.click("button[value=allow]")
        await page.until("document.title === 'back'")
        said = parse_qs(urlsplit(await page.evaluate("location.href")).query)
        assert said["state"] == ["s-1"]
        assert len(said["code"][0]) == 43
    finally:
        await runner.cleanup()
