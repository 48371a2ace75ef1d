"""The customer APIs over the real parts: PostgreSQL, tokens, SIMs, bindings, subscriptions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.integration.northbound.house import House
from tests.unit.northbound.test_subscriptions import body as subscription
from tests.unit.northbound.world import FULL_IMEI

from simwarden.domain.events import CauseKind, EventType
from simwarden.domain.sim import BindingState, OnUnknown, Policy
from simwarden.store.accounts import AccountSettings

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

BIND = "/iot-sim-fraud-prevention/v0.1/bind"
UNBIND = "/iot-sim-fraud-prevention/v0.1/unbind"
QUERY = "/iot-sim-fraud-prevention/v0.1/query"
SUBSCRIPTIONS = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
PHONE = {"phoneNumber": "+8613800000001"}
UNSEEN = {"phoneNumber": "+8613800000002"}
FOREIGN = {"phoneNumber": "+8613800000009"}


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    house = House(database, vault)
    await house.furnish()
    return house


async def test_bind_query_unbind(house: House) -> None:
    assert await house.ask(QUERY, PHONE) == (200, {"imeiBind": {"bindStatus": "UNBOUND"}})
    assert await house.ask(BIND, PHONE, correlator="bind-1") == (200, {"bound": True})
    assert await house.ask(QUERY, PHONE) == (200, {"imeiBind": {"bindStatus": "BOUND", "bindImei": FULL_IMEI}})
    assert await house.ask(UNBIND, PHONE) == (200, {"unbound": True})
    status, error = await house.ask(UNBIND, PHONE)
    assert (status, error["code"]) == (422, "UNNECESSARY_UNBIND_IMEI")
    found = await house.sims.find_any(PHONE["phoneNumber"])
    assert found is not None
    events = await house.sims.events(found)
    added, *events = events
    assert added.type is EventType.SIM_ADDED
    assert [event.type for event in events] == [EventType.BINDING_CREATED, EventType.BINDING_REMOVED]
    cause = events[0].cause
    assert (cause.kind, cause.source) == (CauseKind.CALL, house.issued.application.app_key)
    assert (cause.message, cause.reference) == ("bind", "bind-1")
    assert [(call.operation, call.status) for call in house.metered] == [
        ("query", 200),
        ("bindDeviceImei", 200),
        ("query", 200),
        ("unBindDeviceImei", 200),
        ("unBindDeviceImei", 422),
    ]


@pytest.mark.parametrize("device", [PHONE, UNSEEN])
async def test_binding_without_a_device_keeps_one_that_was_named(house: House, device: dict[str, str]) -> None:
    named = {"device": device, "bindType": "IMEIBIND", "bindInfo": {"imei": "861122030000012"}}
    card = "/device-card-binding-mgmt/v1/bind"
    assert (await house.client("POST", card, named, token=house.token)).status == 200
    found = await house.sims.find_any(device["phoneNumber"])
    assert await house.ask(BIND, device) == (200, {"bound": True})
    again = await house.client("POST", card, {"device": device, "bindType": "IMEIBIND"}, token=house.token)
    assert (again.status, again.json["code"]) == (200, "NO_CHANGE")
    assert await house.sims.find_any(device["phoneNumber"]) == found
    counted = await house.db.fetch("select operation, count from usage_count")
    assert [(row["operation"], row["count"]) for row in counted] == [("bindDeviceCard", 1)], "what changed nothing"
    assert (await house.ask(UNBIND, device))[0] == 200
    assert await house.ask(BIND, device) == (200, {"bound": True})
    after = await house.sims.find_any(device["phoneNumber"])
    assert after is not None
    assert after.binding is not None
    assert after.binding.values == (() if device == UNSEEN else (FULL_IMEI[:14],))


async def test_the_accounts_settings_decide_how_an_unseen_sim_is_bound(house: House) -> None:
    settings = AccountSettings(policy=Policy(unknown=OnUnknown.DENY), strict=True)
    await house.accounts.change(house.account.id, house.account.name, settings)
    status, error = await house.ask(BIND, UNSEEN)
    assert (status, error["code"]) == (409, "INCOMPATIBLE_STATE")
    await house.accounts.change(house.account.id, house.account.name, msgspec.structs.replace(settings, strict=False))
    assert await house.ask(BIND, UNSEEN) == (200, {"bound": True})
    found = await house.sims.find_any(UNSEEN["phoneNumber"])
    assert found is not None
    assert found.state is BindingState.ARMED
    assert found.binding is not None
    assert found.binding.policy.unknown is OnUnknown.DENY


@pytest.mark.parametrize("path", [BIND, UNBIND, QUERY])
async def test_tenants_never_meet(house: House, path: str) -> None:
    foreign = await house.ask(path, FOREIGN)
    unknown = await house.ask(path, {"phoneNumber": "+8613899999999"})
    assert foreign == unknown
    assert foreign[0] == 404
    assert (await house.ask(path, PHONE, token=house.stranger))[0] == 404


async def test_a_revoked_application_is_out(house: House) -> None:
    assert (await house.ask(QUERY, PHONE))[0] == 200
    await house.accounts.revoke(house.issued.application.app_key)
    house.tokens.invalidate(house.issued.application.app_key)
    assert (await house.ask(QUERY, PHONE))[0] == 401


async def test_many_at_once(house: House) -> None:
    answers = await asyncio.gather(*(house.ask(path, PHONE) for path in (BIND, QUERY, UNBIND) * 15))
    assert {status for status, _ in answers} <= {200, 422}
    assert (await house.ask(BIND, PHONE))[0] == 200


async def test_a_subscription_lives_as_its_client_wants(house: House) -> None:
    asked = subscription(config__subscriptionMaxEvents=3, config__subscriptionExpireTime="2099-01-01T00:00:00Z")
    made = await house.client("POST", SUBSCRIPTIONS, asked, token=house.token)
    assert made.status == 201
    assert made.headers["x-simwarden-webhook-secret"].startswith("whsec_")
    assert made.json["config"] == {**asked["config"], "subscriptionExpireTime": "2099-01-01T00:00:00Z"}
    path = f"{SUBSCRIPTIONS}/{made.json['id']}"
    assert (await house.client("GET", path, token=house.token)).json == made.json
    assert (await house.client("GET", SUBSCRIPTIONS, token=house.token)).json == [made.json]
    for method in ("GET", "DELETE"):
        assert (await house.client(method, path, token=house.stranger)).status == 404
    assert (await house.client("GET", SUBSCRIPTIONS, token=house.stranger)).json == []
    assert (await house.client("DELETE", path, token=house.token)).status == 204
    assert (await house.client("DELETE", path, token=house.token)).status == 404
    assert (await house.client("GET", SUBSCRIPTIONS, token=house.token)).json == []


async def test_the_engine_has_the_last_word_about_a_sink(house: House) -> None:
    reply = await house.client("POST", SUBSCRIPTIONS, subscription(sink="https://10.0.0.1/x"), token=house.token)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_SINK")


async def test_what_postgresql_cannot_store_never_reaches_it(house: House) -> None:
    for id_ in ("\x00", "%00", "é", "00" * 17):
        assert (await house.client("GET", f"{SUBSCRIPTIONS}/{id_}", token=house.token)).status == 404
    asked = subscription(config__subscriptionDetail__device__remark="\u0000", config__remark="\u0000")
    assert (await house.client("POST", SUBSCRIPTIONS, asked, token=house.token)).status == 201
    limits = subscription(config__subscriptionExpireTime="9999-12-31T23:59:59Z", config__subscriptionMaxEvents=10**6)
    assert (await house.client("POST", SUBSCRIPTIONS, limits, token=house.token)).status == 201


async def test_without_the_database_everything_is_503(house: House) -> None:
    assert (await house.ask(QUERY, PHONE))[0] == 200
    await house.db.close()
    for path in (BIND, UNBIND, QUERY):
        status, error = await house.ask(path, PHONE)
        assert (status, error["code"]) == (503, "UNAVAILABLE")
    reply = await house.client("GET", SUBSCRIPTIONS, token=house.token)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
