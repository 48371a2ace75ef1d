"""SIMs with static addresses: registered by the command, found by CAMARA's identifiers, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from tests.integration.northbound.house import House
from tests.support.server import serving

from simwarden.accounts import applications
from simwarden.accounts.scopes import SETS
from simwarden.domain.addresses import parse_ipv4, parse_ipv6
from simwarden.domain.errors import InvalidIdentifier, SimExists
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine import provision
from simwarden.kit.clock import now_utc
from simwarden.store import sims
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from pathlib import Path

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

ADDRESSES = [parse_ipv4("203.0.113.7:50001"), parse_ipv4(" 203.0.113.8/10.0.0.5 "), parse_ipv6("2001:DB8:0:0::7")]
QUERY = "/iot-sim-fraud-prevention/v0.1/query"
CAUSE = Cause(CauseKind.OPERATOR, "test", now_utc())
FOUND: list[dict[str, Any]] = [
    {"ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": 50001}},
    {"ipv4Address": {"publicAddress": "203.0.113.8", "privateAddress": "10.0.0.5"}},
    {"ipv4Address": {"publicAddress": "203.0.113.8", "privateAddress": "10.0.0.5", "publicPort": 50001}},
    {"ipv6Address": "2001:db8:0000::0:7"},
]
MISSED: list[dict[str, Any]] = [
    {"ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": 50002}},
    {"ipv4Address": {"publicAddress": "203.0.113.8", "privateAddress": "10.0.0.6"}},
    {"ipv6Address": "2001:db8::8"},
]


@pytest.mark.parametrize(
    "text", ["203.0.113.7", "203.0.113.7:0", "203.0.113.7:65536", "203.0.113.7:+1", "x:1", "/", ""]
)
def test_what_is_no_ipv4_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_ipv4(text)


@pytest.mark.parametrize("text", ["fe80::1%eth0", "203.0.113.7", "::1::", ""])
def test_what_is_no_ipv6_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        parse_ipv6(text)


def test_spellings_of_one_address_are_one() -> None:
    assert parse_ipv6("2001:0db8::0007") == parse_ipv6("2001:DB8::7")
    assert parse_ipv4("203.0.113.7:050") == parse_ipv4("203.0.113.7:50")


async def test_a_sim_is_found_by_its_addresses_over_http(database: Database, database_url: str, tmp_path: Path) -> None:
    accounts = Accounts(database)
    account = await applications.open_account(accounts, "ACME")
    issued = await applications.issue(accounts, "ACME", "meters", SETS["all"])
    made = provision.new_sim(account.id, imsi="460000990123698")
    await provision.add(database, made, CAUSE, imei="352099001761481", addresses=ADDRESSES)
    form = {
        "grant_type": "client_credentials",
        "client_id": issued.application.app_key,
        "client_secret": issued.app_secret,
    }
    async with serving(tmp_path, database_url) as url, aiohttp.ClientSession() as session:
        async with session.post(f"{url}/oauth2/token", data=form) as answer:
            headers = {"authorization": f"Bearer {(await answer.json())['access_token']}"}

        async def ask(device: dict[str, Any]) -> tuple[int, Any]:
            body = {"device": device, "queryType": "IMEIBIND"}
            async with session.post(url + QUERY, json=body, headers=headers) as answer:
                return answer.status, await answer.json()

        for device in FOUND:
            assert await ask(device) == (200, {"imeiBind": {"bindStatus": "BOUND", "bindImei": "352099001761481"}})
        for device in MISSED:
            status, body = await ask(device)
            assert (status, body["code"]) == (404, "IDENTIFIER_NOT_FOUND")


async def test_an_address_belongs_to_one_sim_and_is_free_when_that_is_gone(database: Database, vault: Vault) -> None:
    house = House(database, vault)
    await house.furnish()
    first, second = (provision.new_sim(house.account.id, imsi=f"46000099012369{n}") for n in (1, 2))
    await provision.add(database, first, CAUSE, addresses=[*ADDRESSES, *ADDRESSES])
    with pytest.raises(SimExists, match=r"ipv4 203\.0\.113\.7:50001"):
        await provision.add(database, second, CAUSE, addresses=ADDRESSES[:1])
    status, _ = await house.ask(QUERY, FOUND[0])
    assert status == 200
    status, _ = await house.ask(QUERY, FOUND[0], token=house.stranger)
    assert status == 404
    async with database.transaction() as connection:
        found = await sims.lock(connection, [first.imsi])
        await sims.delete(connection, list(found.values()), now_utc())
    await provision.add(database, second, CAUSE, addresses=ADDRESSES)
    assert (await house.ask(QUERY, FOUND[0]))[0] == 200


async def test_what_no_database_can_hold_is_refused_also_beside_a_good_identifier(
    database: Database, vault: Vault
) -> None:
    house = House(database, vault)
    await house.furnish()
    devices: list[dict[str, Any]] = [{"networkAccessIdentifier": "a\x00@b.c"}, {"ipv4Address": {}}]
    for extra in devices:
        body = {
            "protocol": "HTTP",
            "sink": "https://events.example.com",
            "types": ["org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"],
            "config": {"subscriptionDetail": {"device": {"phoneNumber": "+8613800000001", **extra}}},
        }
        path = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
        reply = await house.client("POST", path, body, token=house.token)
        assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
