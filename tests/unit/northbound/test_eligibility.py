"""eligibility-info, and the header by which every API heeds its answers. Every answer is held against CAMARA's draft by
the client."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from starlette.applications import Starlette
from tests.conformance import contract
from tests.unit.northbound.test_sim_swap import in_its_sim, served
from tests.unit.northbound.world import NOW, Caller, Client, Settings, World

from simwarden import northbound
from simwarden.accounts.scopes import KNOWN
from simwarden.domain.hotzone import SimTraffic
from simwarden.domain.payments import SCOPE, PaymentRules
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.sim import ALL_FUNCTIONS, Bar, BarCause, IdentifierKind, Lifecycle, SimRef
from simwarden.domain.standing import ShownSlot, Standing
from simwarden.domain.usage import Usage
from simwarden.northbound.eligibility_info.sources import MISSING, NEEDS, SOURCES
from simwarden.northbound.kernel.devices import Devices
from simwarden.sandbox.ports import VirtualSims
from simwarden.store.sims import DeviceDates

CHECK = "/eligibility-info/v0.1/eligibility-check"
NUMBER, UNSEEN, FOREIGN, UNKNOWN = "+8613800000001", "+8613800000002", "+8613800000009", "+8613899999999"
PURPOSE = "dpv:FraudPreventionAndDetection"
QUERY, BIND = "iot-sim-fraud-prevention:query", "iot-sim-fraud-prevention:bind"
HEADER = "x-eligibility-response-id"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return served(world)


def asked(*scopes: str, number: str = NUMBER, **more: Any) -> dict[str, Any]:
    return {"phoneNumber": number, "scopes": list(scopes), "purpose": PURPOSE} | more


async def check(client: Client, *scopes: str, number: str = NUMBER, token: str = "good") -> dict[str, Any]:
    """By scope: True, or the code that says why not."""
    reply = await client("POST", CHECK, asked(*scopes, number=number), token=token)
    assert reply.status == 200, reply.body
    items = reply.json["statusInfo"]
    assert all(item["purpose"] == PURPOSE for item in items)
    return {scope: item.get("contextCode", item["eligibility"]) for item in items for scope in item["scopes"]}


async def answered(client: Client, *scopes: str, number: str = NUMBER) -> str:
    found: str = (await client("POST", CHECK, asked(*scopes, number=number))).json["eligibilityResponseId"]
    return found


async def query(client: Client, id_: str, number: str = NUMBER, token: str = "good") -> tuple[int, str]:
    body = {"device": {"phoneNumber": number}, "queryType": "IMEIBIND"}
    reply = await client("POST", "/iot-sim-fraud-prevention/v0.1/query", body, token=token, headers=[(HEADER, id_)])
    return reply.status, reply.json.get("code", "")


async def test_an_answer_says_what_is_so_of_each_scope(client: Client) -> None:
    reply = await client("POST", CHECK, asked(QUERY, "no-such:scope", QUERY, BIND, cspAuthUrlRequired=True))
    body = reply.json
    assert body.pop("eligibilityResponseId")
    assert body == {
        "expirationDate": "2026-11-21T13:00:00Z",
        "ttl": 3600,
        "statusInfo": [
            {"scopes": [QUERY], "purpose": PURPOSE, "eligibility": True},
            {
                "scopes": ["no-such:scope"],
                "purpose": PURPOSE,
                "eligibility": False,
                "contextCode": "SUBSCRIBER_NOT_SUPPORTED",
                "contextMessage": "There is no service with this scope here",
            },
            {"scopes": [BIND], "purpose": PURPOSE, "eligibility": True},
        ],
    }


async def test_the_application_must_have_the_scope_and_not_its_token(client: Client, world: World) -> None:
    narrow = frozenset({"eligibility-info:check"})
    world.callers["short"] = Caller("swk_meters", "acc_meters", narrow)
    assert await check(client, QUERY, token="short") == {QUERY: True}
    world.callers["poor"] = Caller("swk_poor", "acc_meters", narrow, granted=narrow)
    assert await check(client, QUERY, *narrow, token="poor") == {
        QUERY: "SUBSCRIBER_NOT_SUPPORTED",
        "eligibility-info:check": True,
    }


@pytest.mark.parametrize(
    ("lifecycle", "bars", "said"),
    [
        (Lifecycle.ACTIVE, (), True),
        (Lifecycle.ACTIVE, (BarCause.CLOSED_BY_CUSTOMER,), True),
        (Lifecycle.ACTIVE, (BarCause.IMEI_MISMATCH,), "BARRED"),
        (Lifecycle.ACTIVE, (BarCause.QUOTA,), "BARRED"),
        (Lifecycle.SUSPENDED, (BarCause.SUSPENDED,), "SUSPENDED"),
        (Lifecycle.PRE_ACTIVE, (), "SUBSCRIBER_NOT_SUPPORTED"),
        (Lifecycle.DEACTIVATED, (BarCause.RISK,), "SUBSCRIPTION_CANCELLED"),
    ],
)
async def test_the_sims_state_counts_for_all_scopes(
    client: Client, world: World, lifecycle: Lifecycle, bars: tuple[BarCause, ...], said: str | bool
) -> None:
    found = world.sims[SimRef(IdentifierKind.MSISDN, NUMBER)]
    standing = tuple(Bar(cause, int(ALL_FUNCTIONS), NOW, 2) for cause in bars)
    world.add(msgspec.structs.replace(found, lifecycle=lifecycle, bars=standing))
    assert await check(client, QUERY, BIND, "a:b") == {QUERY: said, BIND: said, "a:b": "SUBSCRIBER_NOT_SUPPORTED"}


async def test_a_scope_needs_what_its_api_answers_from(client: Client, world: World) -> None:
    scopes = sorted(NEEDS)
    nothing = await check(client, *scopes, number=UNSEEN)
    assert set(nothing.values()) == {"SUBSCRIBER_NOT_SUPPORTED"}
    imsi = world.sims[SimRef(IdentifierKind.MSISDN, NUMBER)].imsi

    async def eligible() -> set[str]:
        return {NEEDS[scope] for scope, said in (await check(client, *scopes)).items() if said is True}

    assert await eligible() == {"device"}
    world.places[imsi] = Place(52.5, 13.4, 500, NOW, PlaceSource.SITE, "1")
    assert await eligible() == {"device", "place"}
    slot = ShownSlot(status=3, plmn="46000", imei=None, at=NOW, heard_at=NOW, period=timedelta(minutes=1))
    world.standing[imsi] = Standing(slot)
    in_its_sim(world, NOW)
    assert await eligible() == set(SOURCES)


async def test_records_of_long_ago_are_a_source_too(client: Client, world: World) -> None:
    scope = "fraud-hotzone:check"
    assert await check(client, scope) == {scope: "SUBSCRIBER_NOT_SUPPORTED"}
    found = world.sims[SimRef(IdentifierKind.MSISDN, NUMBER)]
    world.traffic_of[found.imsi] = SimTraffic(NOW.date(), first_day=NOW.date() - timedelta(days=99))
    assert await check(client, scope) == {scope: True}


def test_whatever_a_document_says_is_needed_can_be_looked_for() -> None:
    assert set(NEEDS.values()) == SOURCES.keys() == MISSING.keys()


async def test_fifty_scopes_are_answered_and_no_more(client: Client) -> None:
    many = [f"no-such:scope-{n}" for n in range(50)]
    assert list(await check(client, *many)) == many
    reply = await client("POST", CHECK, asked(*many, QUERY))
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert reply.json["message"] == "scopes must be 1 to 50 scopes of 1 to 256 characters each"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scopes": []}, "scopes must be 1 to 50"),
        ({"scopes": [""]}, "scopes must be 1 to 50"),
        ({"scopes": ["x" * 257]}, "scopes must be 1 to 50"),
        ({"scopes": [1]}, "scopes must be 1 to 50"),
        ({"scopes": QUERY}, "scopes must be 1 to 50"),
        ({"purpose": "FraudPrevention"}, "Invalid format: purpose"),
        ({"purpose": "dpv:"}, "Invalid format: purpose"),
        ({"purpose": "dpv:A\n"}, "Invalid format: purpose"),
        ({"purpose": "dpv:" + "A" * 125}, "Invalid format: purpose"),
        ({"phoneNumber": "13800000001"}, "Invalid format: phoneNumber"),
        ({"phoneNumber": None}, "Invalid format: phoneNumber"),
        ({"cspAuthUrlRequired": "yes"}, "Invalid format: cspAuthUrlRequired"),
    ],
)
async def test_bad_requests(client: Client, change: dict[str, Any], message: str) -> None:
    reply = await client("POST", CHECK, asked(QUERY) | change)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert reply.json["message"].startswith(message)


@pytest.mark.parametrize("name", ["phoneNumber", "scopes", "purpose"])
async def test_what_is_missing_is_named(client: Client, name: str) -> None:
    body = asked(QUERY)
    del body[name]
    reply = await client("POST", CHECK, body)
    assert (reply.status, reply.json["message"]) == (400, f"{name} must be specified")


async def test_scopes_that_no_database_could_hold_are_only_repeated(client: Client) -> None:
    odd = ["a\x00b", "two words", "\u202e", "'; --"]
    assert await check(client, *odd) == dict.fromkeys(odd, "SUBSCRIBER_NOT_SUPPORTED")


@pytest.mark.parametrize(
    ("number", "token", "status", "code"),
    [
        (UNKNOWN, "good", 404, "IDENTIFIER_NOT_FOUND"),
        (FOREIGN, "good", 404, "IDENTIFIER_NOT_FOUND"),
        (NUMBER, "narrow", 403, "PERMISSION_DENIED"),
        (NUMBER, "device", 403, "PERMISSION_DENIED"),  # 3-legged
        (NUMBER, None, 401, "UNAUTHENTICATED"),
        (NUMBER, "bad", 401, "UNAUTHENTICATED"),
    ],
)
async def test_refusals(client: Client, world: World, number: str, token: str | None, status: int, code: str) -> None:
    reply = await client("POST", CHECK, asked(QUERY, number=number), token=token)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert world.responses.kept == {}


async def test_it_is_counted_as_a_read(client: Client, world: World) -> None:
    await check(client, QUERY)
    await client("POST", CHECK, asked(QUERY, number=UNKNOWN))
    assert world.read_only == [Usage("acc_meters", "swk_meters", "eligibility-info", "checkEligibility")]


async def test_a_call_names_its_answer(client: Client, world: World) -> None:
    world.add(msgspec.structs.replace(world.sims[SimRef(IdentifierKind.MSISDN, UNSEEN)]))
    id_ = await answered(client, QUERY, "no-such:scope")
    other_scope = await answered(client, BIND)
    assert (await query(client, id_))[0] == 200
    assert (await query(client, id_.upper()))[0] == 200
    for wrong in (
        await query(client, id_, UNSEEN),
        await query(client, id_, FOREIGN),
        await query(client, id_, UNKNOWN),
        await query(client, other_scope),
        await query(client, id_, token="colleague"),
        await query(client, "00000000-0000-4000-8000-000000000000"),
    ):
        assert wrong == (403, "PERMISSION_DENIED")
    for malformed in ("", "1", id_[:-1], f"{id_} ", f"{{{id_}}}", id_.replace("-", ""), "é" * 36, "x" * 5000):
        assert await query(client, malformed) == (400, "INVALID_ARGUMENT"), malformed


async def test_a_token_that_names_a_device_is_held_against_it_too(client: Client) -> None:
    id_ = await answered(client, "subscription-status:retrive-subscription-status")
    path = "/subscription-status/v0.1/retrive-subscription-status"
    for token, status in (("device", 200), ("other-device", 403)):
        reply = await client("POST", path, {}, token=token, headers=[(HEADER, id_)])
        assert reply.status == status, token


async def test_a_refused_call_does_nothing_and_costs_no_quota(client: Client, world: World) -> None:
    id_ = await answered(client, BIND)
    body = {"device": {"phoneNumber": UNSEEN}, "bindType": "IMEIBIND"}
    reply = await client("POST", "/iot-sim-fraud-prevention/v0.1/bind", body, headers=[(HEADER, id_)])
    assert reply.status == 403
    assert world.commands == []


def examples(api: str, operation: str) -> list[bytes | None]:
    """The requests to an operation that its document shows, about another phone number."""
    held = contract.ours(api)
    [found] = [each for item in held.paths.values() for each in item.values() if each["operationId"] == operation]
    content = held.inlined(found.get("requestBody", {})).get("content", {})
    shown = [each["value"] for media in content.values() for each in media["examples"].values()]
    return [re.sub(rb"\+[0-9]{5,15}", UNSEEN.encode(), msgspec.json.encode(each)) for each in shown] or [None]


async def test_every_operation_of_every_api_heeds_it(world: World) -> None:
    """With the answer about one SIM no operation can be had about another, or about none."""
    apis = northbound.apis(world.services)
    client = Client(northbound.ApisFirst(Starlette(), apis))
    id_ = await answered(client, QUERY)
    [(whose, found, _)] = world.responses.kept.values()
    world.responses.kept = {UUID(id_): (whose, found, frozenset(KNOWN))}
    operations = [
        (f"/{name}{path.replace('{}', 'x')}", method, examples(name, endpoint.name))
        for name, api in apis.items()
        for path, methods in api._endpoints.items()
        for method, endpoint in methods.items()
    ]
    for url, method, bodies in operations:
        replies = [await client(method, url, each, headers=[(HEADER, id_)], camara=False) for each in bodies]
        assert all(400 <= reply.status < 500 for reply in replies), url
        refused = [reply.json["message"] for reply in replies if reply.status == 403]
        assert refused, (url, [reply.body for reply in replies])
        assert all("eligibility response" in message for message in refused), (url, refused)
    assert len(operations) > 60
    assert (world.commands, world.created, world.operations.begun) == ([], [], {})


async def test_the_sandbox_answers_by_its_numbers(world: World) -> None:
    virtual = VirtualSims(lambda: NOW)
    client = served(world, sims=virtual, devices=Devices(virtual), places=virtual)
    where = "location-verification:verify"
    for digit, expected in (
        ("1", {QUERY: True, where: True}),
        ("2", {QUERY: "BARRED", where: "BARRED"}),
        ("5", {QUERY: True, where: "SUBSCRIBER_NOT_SUPPORTED"}),
    ):
        assert await check(client, QUERY, where, number=f"+861380000001{digit}") == expected, digit
    reply = await client("POST", CHECK, asked(QUERY, number="+8613800000014"))
    assert reply.status == 404


async def test_payments_go_by_the_rules_of_the_account(client: Client, world: World) -> None:
    assert await check(client, SCOPE) == {SCOPE: "SUBSCRIBER_NOT_SUPPORTED"}
    world.settings_of["acc_meters"] = Settings(payments=PaymentRules(tenure_days=90))
    assert await check(client, SCOPE) == {SCOPE: "TENURE_TOO_SHORT"}, "it is not recorded"
    in_its_sim(world, NOW - timedelta(days=89))
    assert await check(client, SCOPE, QUERY) == {SCOPE: "TENURE_TOO_SHORT", QUERY: True}
    in_its_sim(world, NOW - timedelta(days=90))
    assert await check(client, SCOPE) == {SCOPE: True}
    world.settings_of["acc_meters"] = Settings(payments=PaymentRules(device_swap_hours=24))
    assert await check(client, SCOPE) == {SCOPE: "DEVICE_SWAPPED"}, "it is not recorded"
    imsi = world.sims[SimRef(IdentifierKind.MSISDN, NUMBER)].imsi
    world.dates[imsi] = DeviceDates(first_seen=NOW, changed=NOW - timedelta(hours=1))
    assert await check(client, SCOPE) == {SCOPE: "DEVICE_SWAPPED"}
    world.dates[imsi] = DeviceDates(first_seen=NOW - timedelta(hours=1))
    assert await check(client, SCOPE) == {SCOPE: True}
    assert await check(client, SCOPE, number=UNSEEN) == {SCOPE: "DEVICE_SWAPPED"}, "it was never in a device"
    world.settings_of["acc_meters"] = Settings(payments=PaymentRules(iot_only=True))
    assert await check(client, SCOPE) == {SCOPE: "SUBSCRIBER_NOT_SUPPORTED"}
