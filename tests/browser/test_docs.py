"""The page `/docs`, in a browser, as an integrator uses it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from simwarden import northbound
from simwarden.accounts import applications
from simwarden.accounts.scopes import SETS
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine import provision
from simwarden.kit.clock import now_utc
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from tests.browser.chrome import Page

    from simwarden.store.database import Database

PHONE = "+8613800000001"
QUERY = "#operations-Card_Binding-query"
BIND = "#operations-Card_Binding-bindDeviceImei"
PICTURES = os.environ.get("SIMWARDEN_TEST_PICTURES")


async def picture(page: Page, name: str) -> None:
    """Keep what is seen, where somebody wants to see it."""
    if PICTURES:
        (Path(PICTURES) / f"{name}.png").write_bytes(await page.picture())


@pytest_asyncio.fixture(scope="module")
async def issued(world_database: Database) -> applications.Issued:
    """The application of a customer who owns the SIM that the documents' samples name, bound to a device."""
    accounts = Accounts(world_database)
    account = await applications.open_account(accounts, "ACME")
    sim = provision.new_sim(account.id, imsi="460000990123698", msisdn=PHONE)
    cause = Cause(CauseKind.OPERATOR, "test", now_utc())
    await provision.add(world_database, sim, cause, imei="352099001761481")
    return await applications.issue(accounts, "ACME", "meters", SETS["all"])


async def test_read_the_documents_get_a_token_and_call_query(page: Page, url: str, issued: applications.Issued) -> None:
    await page.open(f"{url}/docs?api=iot-sim-fraud-prevention")
    await page.until(f"document.querySelector('{QUERY}') !== null")
    listed = await page.evaluate("[...document.querySelector('#document').options].map(o => o.value)")
    assert sorted(listed) == sorted([*northbound.DOCUMENTS, "manage"])
    shown = await page.evaluate("[...document.querySelectorAll('.opblock-summary-path')].map(e => e.dataset.path)")
    assert shown == ["/bind", "/unbind", "/query"]
    await picture(page, "docs")

    await page.type("#app-key", issued.application.app_key)
    await page.type("#app-secret", "sws_wrong")
    await page.click("#get-token")
    await page.until("document.querySelector('#state').className === 'bad'")
    await page.evaluate("document.querySelector('#app-secret').value = ''")
    await page.type("#app-secret", issued.app_secret)
    await page.click("#get-token")
    await page.until("document.querySelector('#state').className === 'good'")

    await page.click(f"{QUERY} .opblock-summary-control")
    await page.until(f"document.querySelector('{QUERY} textarea') !== null")
    sample = json.loads(await page.evaluate(f"document.querySelector('{QUERY} textarea').value"))
    assert sample == {"device": {"phoneNumber": PHONE}, "queryType": "IMEIBIND"}
    await page.click(f"{QUERY} .execute")
    answer = f"document.querySelector('{QUERY} .live-responses-table tbody')"
    await page.until(f"{answer} !== null && {answer}.querySelector('.microlight') !== null")
    said = json.loads(await page.evaluate(f"{answer}.querySelector('.microlight').innerText"))
    status = await page.evaluate(f"{answer}.querySelector('.response-col_status').innerText")
    await picture(page, "query")
    assert status.split() == ["200"]
    assert said == {"imeiBind": {"bindImei": "352099001761481", "bindStatus": "BOUND"}}

    assert {urlsplit(each).netloc for each in page.requested if each.startswith("http")} == {urlsplit(url).netloc}
    assert [each for each in page.errors if "401" not in each] == []  # 401: the wrong secret


async def test_a_changing_call_can_be_tried_again_and_again(page: Page, url: str, issued: applications.Issued) -> None:
    """No Idempotency-Key is filled in: with one, the second call would be 422, or the first answer again."""
    await page.open(f"{url}/docs")
    await page.until(f"document.querySelector('{BIND}') !== null")
    assert await page.evaluate("document.querySelector('#document').value") == "iot-sim-fraud-prevention"
    await page.type("#app-key", issued.application.app_key)
    await page.type("#app-secret", issued.app_secret)
    await page.click("#get-token")
    await page.until("document.querySelector('#state').className === 'good'")
    for name in ("Card_Binding-bindDeviceImei", "Card_Binding-unBindDeviceImei"):
        block = f"#operations-{name}"
        await page.click(f"{block} .opblock-summary-control")
        key = f'{block} tr[data-param-name="Idempotency-Key"] input'
        await page.until(f"document.querySelector('{key}') !== null")
        assert await page.evaluate(f"document.querySelector('{key}').value") == ""
    answer = f"document.querySelector('{BIND} .live-responses-table tbody .response-col_status')"
    for _ in range(2):
        await page.click(f"{BIND} .execute")
        await page.until(f"{answer} !== null && {answer}.innerText.trim().length > 0")
        assert (await page.evaluate(f"{answer}.innerText")).split() == ["200"]
        await page.click(f"{BIND} .btn-clear")
        await page.until(f"{answer} === null")


@pytest.mark.parametrize("name", sorted(northbound.DOCUMENTS))
async def test_every_document_is_rendered_without_complaint(page: Page, url: str, name: str) -> None:
    await page.open(f"{url}/docs?api={name}")
    await page.until("document.querySelector('.opblock') !== null")
    assert await page.evaluate("document.querySelector('.swagger-ui .errors-wrapper') === null")
    assert page.errors == []
