"""The management API: its document, its authorization, its lists, its errors."""

from __future__ import annotations

import asyncio
import csv
import random
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance import contract
from tests.integration.management.house import CAUSE, MANAGE, House, imsi, phone
from tests.support.documents import read_yaml, write_yaml

from simwarden.accounts import applications
from simwarden.accounts.scopes import KNOWN, OPERATOR, UnknownScope
from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import EventType
from simwarden.domain.rules.device import Bind
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine import imports, provision
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.commands.command import SimCommand
from simwarden.engine.unit_of_work import UnitOfWork
from simwarden.kit.clock import now_utc
from simwarden.management import routes
from simwarden.management import sims as management_sims
from simwarden.management.bulk import named
from simwarden.management.query import Query
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.store import listing
from simwarden.store.listing import SimFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = {"get", "post", "patch", "delete"}


def documented() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in MANAGE._document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method.upper(), path, operation


ROUTES = [pytest.param(method, path, each, id=each["operationId"]) for method, path, each in documented()]


def test_code_and_document_have_the_same_operations_and_scopes(house: House) -> None:
    api = house.app.apis["manage"]
    served = {
        (path, method, endpoint.name)
        for path, methods in api._endpoints.items()
        for method, endpoint in methods.items()
    }
    written = {
        ("/v1" + re.sub(r"{[^}]+}", "{}", path), method, each["operationId"]) for method, path, each in documented()
    }
    assert served == written
    assert {each["security"][0]["openId"][0] for _, _, each in documented()} == set(OPERATOR)
    for _, _, each in documented():
        opened = {permit.split("@")[0].partition(":")[2] for permit in api._scopes[each["operationId"]]}
        assert opened == ({each["security"][0]["openId"][0]} if each["x-role"] else {""}), each["operationId"]


@pytest.mark.parametrize(("method", "path", "operation"), ROUTES)
def test_examples_keep_their_own_schemas(method: str, path: str, operation: dict[str, Any]) -> None:
    bodies = map(MANAGE.inlined, (operation.get("requestBody", {}), *operation["responses"].values()))
    for body in bodies:
        for media in body.get("content", {}).values():
            for example in media.get("examples", {}).values():
                errors = list(contract.validator(MANAGE.inlined(media["schema"])).iter_errors(example["value"]))
                assert not errors, errors[0].message


OPEN = {"logIn", "setUp", "setUpFirst", "getLogInWays", "beginOpenIdLogin", "finishOpenIdLogin"}
"""Operations for who has no credentials yet."""


@pytest.mark.parametrize(("method", "path", "operation"), ROUTES)
async def test_every_route_is_the_operators_alone(
    still: House, method: str, path: str, operation: dict[str, Any]
) -> None:
    """Generated from the document: nobody, a customer, a reader where writing is needed."""
    if not operation["x-role"]:
        for token in ("wrong", still.customer, still.reader) if operation["operationId"] not in OPEN else ():
            reply = await still.manage(method, re.sub(r"{[^}]+}", "x", path), {}, token=token)
            assert reply.status in (400, 401), "a person's own matters: for sessions, whoever it is"
        return
    concrete = re.sub(r"{[^}]+}", imsi(0), path)
    nobody = await still.manage(method, concrete, {}, token="wrong")
    assert (nobody.status, nobody.json["code"]) == (401, "UNAUTHENTICATED")
    for token in (still.customer, still.foreign):
        refused = await still.manage(method, concrete, {}, token=token)
        assert (refused.status, refused.json["code"]) == (403, "PERMISSION_DENIED")
    [scope] = operation["security"][0]["openId"]
    read_only = await still.manage(method, concrete, {}, token=still.reader)
    assert (read_only.status == 403) is (scope == "manage:write")


async def test_no_application_of_a_customer_can_have_the_operators_scopes(house: House) -> None:
    for scope in OPERATOR:
        with pytest.raises(UnknownScope):
            await applications.issue(house.accounts, "meters", scope.replace(":", " "), [scope])
    with pytest.raises(UnknownScope):
        await applications.issue_operator(house.accounts, "x", [next(iter(KNOWN))])
    refused = await house.life("POST", "/suspend", {"devices": [{"phoneNumber": phone(0)}]}, token=house.token)
    assert refused.status == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "/sims?colour=red", None, 400, "There is no parameter 'colour'"),
        ("GET", "/sims?limit=0", None, 400, "limit must be 1 to 1000"),
        ("GET", "/sims?limit=x", None, 400, "limit must be 1 to 1000"),
        ("GET", "/sims?cursor=x", None, 400, "cursor is none"),
        ("GET", "/sims?cursor=e30", None, 400, "cursor is none"),
        ("GET", "/sims?state=WILD", None, 400, "NEUTRAL,ARMED"),
        ("GET", "/sims?seenAfter=yesterday", None, 400, "seenAfter must be a time"),
        ("GET", "/sims?seenAfter=2026-11-21T00:00:00", None, 400, "seenAfter must be a time"),
        ("GET", "/sims?imei=12", None, 400, "IMEI"),
        ("GET", "/sims?imei=353689530707903&tac=35368953", None, 400, "not both"),
        ("GET", "/sims?account=nobody", None, 404, "No account"),
        ("GET", "/sims?gateway=gw9", None, 404, "No gateway"),
        ("GET", "/sims?text=%00", None, 400, "text"),
        ("GET", "/sims?state=LOCKED&state=ARMED", None, 400, "once"),
        ("GET", "/sims/460001111111111", None, 404, "No SIM has"),
        ("GET", "/sims/460001111111111/explain", None, 404, "No SIM has"),
        ("POST", "/sims", {"account": "nobody", "imsi": "460001"}, 404, "No account"),
        ("POST", "/sims", {"account": "meters", "imsi": "1"}, 400, "IMSI"),
        ("POST", "/sims", {"account": "meters", "imsi": imsi(0)}, 409, "exists already"),
        ("POST", "/sims", {"account": "meters", "imsi": imsi(900), "tags": ["A B"]}, 400, "regex"),
        ("PATCH", f"/sims/{imsi(0)}", {"phoneNumber": phone(1)}, 409, "Another SIM"),
        ("PATCH", f"/sims/{imsi(0)}", {"policy": {"unknown": "DENY"}}, 409, "not bound"),
        ("PATCH", f"/sims/{imsi(0)}", {"imsi": "1"}, 400, "unknown field"),
        ("POST", f"/sims/{imsi(0)}/actions", {"action": "close"}, 400, "functions must be specified"),
        ("POST", f"/sims/{imsi(0)}/actions", {"action": "suspend", "tac": "1"}, 400, "tac does not go with suspend"),
        ("POST", f"/sims/{imsi(0)}/actions", {"action": "bind", "imei": "12"}, 400, "IMEI"),
        ("POST", f"/sims/{imsi(0)}/actions", {"action": "restore"}, 409, "is ACTIVE"),
        ("GET", "/gateways/gw9", None, 404, "No gateway"),
        ("DELETE", "/gateways/gw9", None, 404, "No gateway"),
        ("POST", "/gateways/gw9/token", None, 404, "No gateway"),
        ("POST", "/gateways", {"name": "gw 1"}, 400, "regex"),
        ("GET", "/subscriptions/x", None, 404, ""),
        ("GET", "/deliveries/x", None, 404, ""),
        ("POST", "/deliveries/x/replay", None, 404, ""),
        ("POST", "/bulk", {"action": "suspend"}, 400, "one of filter and csv"),
        ("POST", "/bulk", {"action": "suspend", "filter": {}, "csv": "imsi\n1"}, 400, "one of filter and csv"),
        ("POST", "/bulk", {"action": "suspend", "csv": "colour\nred\n"}, 400, "must name one column"),
        ("POST", "/bulk", {"action": "suspend", "csv": "imsi,imei\n1,2\n"}, 400, "must name one column"),
        ("POST", "/bulk", {"action": "suspend", "csv": "imsi\n\n"}, 400, "names no SIM"),
        ("POST", "/bulk", {"action": "suspend", "csv": 'imsi\n"1'}, 400, "cannot be read"),
        ("GET", "/operations/x", None, 404, "No operation"),
        ("GET", "/operations/x/result", None, 404, "No operation"),
        ("POST", "/operations/x/confirm", {"confirmToken": "x"}, 404, "No operation"),
        ("POST", "/operations/x/cancel", None, 404, "No operation"),
        ("GET", "/sims?limit=0000000010000", None, 400, "limit must be 1 to 1000"),
        ("GET", "/sims?tag=%00", None, 400, "tag"),
        ("POST", "/sims", {"account": "\0", "imsi": imsi(0)}, 400, "U+0000"),
        ("POST", "/gateways", {"name": "gw", "commandUrl": "http://a\0b"}, 400, "U+0000"),
        ("POST", "/gateways", {"name": "gw", "commandUrl": "http://[::1"}, 400, "commandUrl"),
        ("POST", "/gateways", {"name": "gw", "commandUrl": "http://:80"}, 400, "commandUrl"),
        ("POST", "/gateways", {"name": "gw", "commandUrl": "ftp://192.0.2.7"}, 400, "commandUrl"),
        ("POST", "/gateways", {"name": "gw", "kind": "fax"}, 400, "kind: this server knows chf, eir, ejoin"),
        ("POST", "/gateways", {"name": "gw", "commandUrl": "http://a:99999"}, 400, "commandUrl"),
        ("POST", "/gateways", {"name": "gw", "username": "\0", "password": "x"}, 400, "U+0000"),
        ("POST", "/bulk", {"action": "bind", "imei": "12", "filter": {}}, 400, "IMEI"),
        ("POST", "/bulk", {"action": "bind", "tac": "12", "filter": {}}, 400, "TAC"),
        ("POST", "/bulk", {"action": "suspend", "csv": "imsi\n4600\0001"}, 400, "U+0000"),
        ("POST", "/bulk", {"action": "suspend", "filter": {"account": "\0"}}, 400, "U+0000"),
        ("POST", "/deliveries/replay", {"since": "2026-11-01T00:00:00Z", "subscriptionId": "\0"}, 400, "U+0000"),
        ("GET", "/operations/\0", None, 404, "No operation"),
        ("PUT", "/sims", {}, 405, ""),
        ("GET", "/nothing", None, 404, ""),
    ],
)
async def test_what_is_wrong_is_said(still: House, method: str, path: str, body: Any, status: int, says: str) -> None:
    reply = await still.manage(method, path, body)
    assert reply.status == status, reply.body
    assert says in reply.json["message"]


async def test_a_sim_is_made_changed_acted_upon_and_explained(house: House) -> None:
    made = await house.manage("POST", "/sims", {"account": "meters", "imsi": imsi(900), "tags": ["b", "a", "a"]})
    assert (made.status, made.headers["location"]) == (201, f"/manage/v1/sims/{imsi(900)}")
    assert made.json["tags"] == ["a", "b"]
    changed = await house.manage(
        "PATCH", f"/sims/{imsi(900)}", {"phoneNumber": "+8613811112222", "networkAccessIdentifier": "M1@iot.example"}
    )
    assert changed.json["networkAccessIdentifier"] == "m1@iot.example"
    for name in ("+8613811112222", "8613811112222", "m1@iot.example"):
        assert (await house.manage("GET", f"/sims/{name}")).json["imsi"] == imsi(900)
    again = await house.manage("PATCH", f"/sims/{imsi(900)}", {"phoneNumber": None, "tags": []})
    assert "phoneNumber" not in again.json
    assert (await house.manage("GET", "/sims/8613811112222")).status == 404
    bound = await house.manage("POST", f"/sims/{imsi(900)}/actions", {"action": "bind", "imei": "353689530707903"})
    assert bound.json["sim"]["boundTo"] == ["353689530707903"]
    policy = await house.manage("PATCH", f"/sims/{imsi(900)}", {"policy": {"onMismatch": "ALERT"}})
    assert policy.json["policy"] == {"onMismatch": "ALERT", "unknown": "ALLOW", "resume": "AUTO"}
    assert policy.json["boundTo"] == ["353689530707903"]
    for verb in ("suspend", "restore", "deactivate"):
        assert (await house.manage("POST", f"/sims/{imsi(900)}/actions", {"action": verb})).json["changed"] is True
    life = await house.manage("GET", f"/sims/{imsi(900)}/lifecycle")
    assert [each["state"] for each in life.json["history"]] == ["DEACTIVATED", "ACTIVE", "SUSPENDED", "ACTIVE"]
    assert life.json["history"][0]["cause"]["kind"] == "OPERATOR"
    explained = await house.manage("GET", f"/sims/{imsi(900)}/explain")
    assert explained.json["functions"][0]["effective"] is False
    assert {"bindingState", "closedApns", "history"} < explained.json.keys()
    assert not [name for name in (*explained.json, *explained.json["functions"][0]) if "_" in name], "lowerCamelCase"
    events, cursor = [], ""
    while True:
        page = (await house.manage("GET", f"/sims/{imsi(900)}/events?limit=3{cursor}")).json
        events += [event["type"] for event in page["events"]]
        if "nextCursor" not in page:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert events == [
        *("LIFECYCLE_CHANGED", "LIFECYCLE_CHANGED", "LIFECYCLE_CHANGED", "BINDING_REPLACED", "BINDING_CREATED"),
        *("SIM_CHANGED", "SIM_CHANGED", "SIM_ADDED"),
    ]
    bound = (await house.manage("GET", f"/sims/{imsi(900)}/events?limit=5")).json["events"][-1]
    assert bound["data"]["values"] == ["353689530707903"], "as explain says it"
    gone = await house.manage("POST", f"/sims/{imsi(900)}/actions", {"action": "delete"})
    assert gone.json == {"changed": True}


async def test_events_say_what_explain_says(house: House) -> None:
    """Both are of one history: gateways and functions by name, IMEIs with their check digit."""
    await house.manage("POST", "/gateways", {"name": "north"})
    number = await house.gateways.id_of("north")
    data = {"gateway": number, "port": 1, "locked": True, "functions": 7, "commanded_at": "2026-03-01T12:00:00Z"}
    async with house.db.transaction() as connection:
        changes = UnitOfWork(connection, now_utc())
        await changes.lock([imsi(1)])
        changes.record(imsi(1), EventType.ENFORCEMENT_APPLIED, CAUSE, None, data)
        await changes.write()
    told = (await house.manage("GET", f"/sims/{imsi(1)}/events")).json["events"][0]
    assert told["data"] == {
        "gateway": "north",
        "port": 1,
        "locked": True,
        "functions": ["VOICE", "SMS", "DATA"],
        "commandedAt": "2026-03-01T12:00:00Z",
    }
    assert told == (await house.manage("GET", f"/sims/{imsi(1)}/explain")).json["history"][-1]


async def test_a_sim_is_made_with_its_tags_or_not_at_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*_: object) -> None:
        raise StoreUnavailable("The database cannot be reached at the moment")

    monkeypatch.setattr(listing, "tag", lost)
    body = {"account": "meters", "imsi": imsi(900), "tags": ["a"]}
    assert (await house.manage("POST", "/sims", body)).status == 503
    assert (await house.manage("GET", f"/sims/{imsi(900)}")).status == 404


async def test_filters_find_what_they_say(house: House) -> None:
    async def found(query: str) -> list[str]:
        reply = await house.manage("GET", f"/sims?{query}")
        assert reply.status == 200, reply.body
        return sorted(sim["imsi"] for sim in reply.json["sims"])

    await house.manage("PATCH", f"/sims/{imsi(1)}", {"tags": ["north", "meter"]})
    await house.manage("PATCH", f"/sims/{imsi(2)}", {"tags": ["north"]})
    await house.manage("POST", f"/sims/{imsi(3)}/actions", {"action": "suspend"})
    await house.manage("POST", f"/sims/{imsi(4)}/actions", {"action": "close", "functions": ["SMS"]})
    await house.manage("POST", f"/sims/{imsi(5)}/actions", {"action": "bind", "tac": "35368953"})
    await house.db.execute(
        "update sim set seen_at = '2026-11-01T00:00:00Z', seen_imei = '35368953070790' where imsi = $1", imsi(5)
    )
    assert await found("tag=north") == [imsi(1), imsi(2)]
    assert await found("tag=north&tag=meter") == [imsi(1)]
    assert await found("lifecycle=SUSPENDED") == [imsi(3)]
    assert await found("bar=SUSPENDED") == [imsi(3)]
    assert await found("bar=CLOSED_BY_CUSTOMER") == [imsi(4)]
    assert await found("state=LOCKED") == [imsi(5)]
    assert await found("imei=353689530707903") == [imsi(5)]
    assert await found("tac=35368953") == [imsi(5)]
    assert await found("tac=35368954") == []
    assert await found("seenBefore=2026-11-02T00:00:00Z") == [imsi(5)]
    assert await found("seenAfter=2026-11-02T00:00:00Z") == []
    assert await found("account=stranger") == [imsi(1_000_000), imsi(1_000_001)]
    assert await found(f"text={imsi(7)[3:]}") == [imsi(7)]
    assert len(await found("")) == 22


@pytest.mark.parametrize("seconds", [None, 0.0, 60.0])
async def test_a_walk_finds_every_sim_once_however_long_a_page_may_take(house: House, seconds: float | None) -> None:
    """With no time at all each page looks through one bucket; the filters by index and without one agree."""
    await house.db.execute("update sim set state = 'DIFFERED' where imsi < $1", imsi(8))
    await house.db.execute("update sim set lifecycle = 'SUSPENDED' where imsi < $1 and imsi > $2", imsi(6), imsi(2))
    bars = [{"cause": "RISK", "functions": 1, "since": "2026-11-21T00:00:00Z", "event": 1}]
    await house.db.execute("update sim set bars = $2 where imsi < $1", imsi(4), bars)
    for wanted, expected in (
        (SimFilter(), 22),
        (SimFilter(state="NEUTRAL"), 14),
        (SimFilter(state="DIFFERED"), 8),
        (SimFilter(state="ARMED"), 0),
        (SimFilter(lifecycle="SUSPENDED"), 3),
        (SimFilter(lifecycle="ACTIVE"), 19),
        (SimFilter(bar="RISK"), 4),
        (SimFilter(bar="QUOTA"), 0),
        (SimFilter(barred=True), 4),
        (SimFilter(barred=False), 18),
        (SimFilter(state="DIFFERED", lifecycle="SUSPENDED", bar="RISK"), 1),
        (SimFilter(text=imsi(7)[3:]), 1),
    ):
        met: list[tuple[int, str]] = []
        after: tuple[int, str] | None = (0, "")
        while after is not None:
            found, reached = await listing.page(house.db, wanted, after=after, limit=5, seconds=seconds)
            met += [(each.sim.bucket, each.sim.imsi) for each in found]
            after = met[-1] if len(found) == 5 else reached
        assert len(met) == expected, wanted
        assert met == sorted(set(met)), wanted


async def test_a_quick_search_says_how_far_it_came_and_goes_on_from_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management_sims, "QUICK", 0.0)
    query, told, met = "/sims?quick=true&text=nothing-like-it", [], 0
    page = (await house.manage("GET", query)).json
    while "nextCursor" in page:
        told.append(page["searchedPercent"])
        met += len(page["sims"])
        page = (await house.manage("GET", f"{query}&cursor={page['nextCursor']}")).json
    assert page == {"sims": []}
    assert met == 0
    assert told == [bucket * 100 // 256 for bucket in range(1, 256)]
    assert "searchedPercent" not in (await house.manage("GET", "/sims?text=nothing-like-it")).json


async def test_an_ordinary_change_of_a_sim_touches_no_index(house: House) -> None:
    """PostgreSQL then writes the row within its page (HOT): what binds write, and customers' closed functions."""
    columns = await house.db.fetch(
        "select distinct a.attname from pg_depend d join pg_index i on i.indexrelid = d.objid "
        "join pg_attribute a on a.attrelid = i.indrelid and a.attnum = d.refobjsubid "
        "where d.classid = 'pg_class'::regclass and d.refobjid = 'sim'::regclass and i.indrelid = 'sim'::regclass"
    )
    indexed = {row["attname"] for row in columns}
    assert "marks" in indexed
    assert not indexed & {"state", "binding", "bars", "functions_off", "event_count", "seen_at", "lifecycle"}
    await house.manage("POST", f"/sims/{imsi(4)}/actions", {"action": "close", "functions": ["SMS"]})
    await house.manage("POST", f"/sims/{imsi(5)}/actions", {"action": "bind", "tac": "35368953"})
    assert await house.db.fetchval("select count(*) from sim where marks is not null") == 0


async def test_a_cursor_belongs_to_its_list(house: House) -> None:
    cursor = (await house.manage("GET", "/sims?limit=5&account=meters")).json["nextCursor"]
    assert len((await house.manage("GET", f"/sims?limit=7&account=meters&cursor={cursor}")).json["sims"]) == 7
    other = await house.manage("GET", f"/sims?limit=5&account=stranger&cursor={cursor}")
    assert (other.status, other.json["message"]) == (
        400,
        "cursor belongs to another list or other filters: begin again without it",
    )
    for path in ("/operations", "/gateways", "/deliveries", f"/sims/{imsi(0)}/events"):
        assert "another list" in (await house.manage("GET", f"{path}?cursor={cursor}")).json["message"]


@pytest.mark.parametrize(
    ("path", "of", "place"),
    [
        ("/sims", "sims", [256, "1"]),
        ("/sims", "sims", [-1, "1"]),
        ("/sims", "sims", [2**70, "1"]),
        ("/sims", "sims", [1, "\0"]),
        ("/gateways", "gateways", "\0"),
        ("/operations", "operations", "\0"),
        ("/deliveries", "deliveries", ["2026-11-01T00:00:00Z", "\0"]),
        ("/subscriptions", "subscriptions", ["2026-11-01T00:00:00", "1"]),
        (f"/sims/{imsi(0)}/events", f"events of {imsi(0)}", 2**40),
    ],
)
async def test_a_forged_cursor_is_none(still: House, path: str, of: str, place: Any) -> None:
    cursor = Query("", (), of).next(place)
    reply = await still.manage("GET", f"{path}?cursor={cursor}")
    assert (reply.status, reply.json["message"]) == (400, "cursor is none that this server made")


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(limit=st.integers(1, 9), seed=st.integers(0, 10_000))
async def test_a_walk_meets_each_sim_once_whatever_happens_meanwhile(house: House, limit: int, seed: int) -> None:
    rng = random.Random(seed)
    lasting = {imsi(number) for number in range(20)}
    met: list[str] = []
    cursor = ""
    while True:
        page = (await house.manage("GET", f"/sims?account=meters&limit={limit}{cursor}")).json
        met += [sim["imsi"] for sim in page["sims"]]
        if "nextCursor" not in page:
            break
        cursor = f"&cursor={page['nextCursor']}"
        number = rng.randrange(2_000, 900_000)
        sim = provision.new_sim(house.account.id, imsi=imsi(number))
        await imports.import_rows(house.db, [provision.NewSim(0, sim)], house.account.id, imports.Way(CAUSE))
        action = rng.choice([{"action": "close", "functions": ["DATA"]}, {"action": "open", "functions": ["DATA"]}])
        await house.manage("POST", f"/sims/{imsi(rng.randrange(20))}/actions", action)
    assert len(met) == len(set(met))
    assert lasting <= set(met)


async def test_gateways(house: House) -> None:
    body = {"name": "gw1", "commandUrl": "http://192.0.2.7", "username": "root", "password": "kept-secret"}
    made = await house.manage("POST", "/gateways", body)
    assert made.status == 201
    token = made.json["reportUrl"].rpartition("/")[2]
    assert (await house.manage("POST", "/gateways", body)).status == 409
    shown = await house.manage("GET", "/gateways/gw1")
    listed = await house.manage("GET", "/gateways")
    assert shown.json["state"] == "NEVER_REPORTED"
    for text in (shown.body.decode(), listed.body.decode()):
        assert "kept-secret" not in text
        assert token not in text
        assert "hash" not in text
    renewed = await house.manage("POST", "/gateways/gw1/token")
    assert renewed.json["reportUrl"] != made.json["reportUrl"]
    assert renewed.headers["cache-control"] == "no-store"
    assert await house.gateways.by_token(token) is None
    gateway = await house.gateways.id_of("gw1")
    await house.gateways.add("gw2", kind="ejoin", command_url=None, username=None, password=None)
    first = (await house.manage("GET", "/gateways?limit=1")).json
    second = (await house.manage("GET", f"/gateways?limit=1&cursor={first['nextCursor']}")).json
    assert [first["gateways"][0]["name"], second["gateways"][0]["name"]] == ["gw1", "gw2"]
    assert "nextCursor" not in second
    await house.db.execute(
        "insert into attachment (bucket, imsi, element_id, target, current, desired, applied, status, since) "
        "values (1, '1', $1, '1.01', true, 7, 7, 'APPLIED', now())",
        gateway,
    )
    locked = await house.manage("DELETE", "/gateways/gw1")
    assert (locked.status, locked.json["code"]) == (409, "INCOMPATIBLE_STATE")
    assert (
        "1 slot of this gateway is locked by Simwarden, or about to be locked or opened (1)" in locked.json["message"]
    )
    await house.db.execute("update attachment set desired = 0, applied = 0")
    assert (await house.manage("DELETE", "/gateways/gw1")).status == 204
    assert (await house.manage("GET", "/gateways/gw1")).status == 404


async def test_a_gateway_is_changed(house: House) -> None:
    body = {"name": "gw1", "commandUrl": "http://192.0.2.7", "username": "root", "password": "wrong"}
    await house.manage("POST", "/gateways", body)
    id_ = await house.gateways.id_of("gw1")
    await house.gateways.remember_generation(id_, "v2")
    await house.db.execute("update gateway set unreachable_since = now()")
    changed = await house.manage("PATCH", "/gateways/gw1", {"password": "right", "reportInterval": 30})
    assert changed.status == 200
    assert (changed.json["reportInterval"], changed.json["commandUrl"]) == (30, "http://192.0.2.7")
    assert "unreachableSince" not in changed.json
    assert "right" not in changed.body.decode()
    access = await house.gateways.access(id_)
    assert (access.username, access.password, access.generation) == ("root", "right", "v2")
    moved = await house.manage("PATCH", "/gateways/gw1", {"name": "north", "commandUrl": "http://192.0.2.8"})
    assert (moved.json["name"], moved.json["commandUrl"]) == ("north", "http://192.0.2.8")
    access = await house.gateways.access(id_)
    assert (access.password, access.generation) == ("right", None), "another device may speak another generation"
    cleared = await house.manage("PATCH", "/gateways/north", dict.fromkeys(("commandUrl", "username", "password")))
    assert "commandUrl" not in cleared.json
    assert (await house.gateways.access(id_)).password is None
    await house.manage("POST", "/gateways", {"name": "gw2"})
    for path, wanted, status in (
        ("gw1", {"reportInterval": 9}, 404),
        ("north", {"name": "gw2"}, 409),
        ("north", {"commandUrl": "gw.example"}, 400),
        ("north", {"commandUrl": "http://"}, 400),
        ("north", {"name": None}, 400),
        ("north", {"reportInterval": 0}, 400),
        ("north", {"kind": "x"}, 400),
    ):
        assert (await house.manage("PATCH", f"/gateways/{path}", wanted)).status == status, wanted
    assert (await house.manage("PATCH", "/gateways/north", {}, token=house.reader)).status == 403


async def test_bulk_by_filter_from_preview_to_result(house: House) -> None:
    await house.manage("POST", f"/sims/{imsi(0)}/actions", {"action": "close", "functions": ["DATA"]})
    body = {"action": "close", "functions": ["DATA"], "filter": {"account": "meters"}}
    begun = await house.manage("POST", "/bulk", body)
    assert (begun.status, begun.json["state"]) == (202, "PREVIEWING")
    path = f"/operations/{begun.json['id']}"
    assert begun.headers["location"] == f"/manage/v1{path}"
    early = await house.manage("POST", f"{path}/confirm", {"confirmToken": "x"})
    assert (early.status, early.json["code"]) == (409, "INCOMPATIBLE_STATE")
    await house.work()
    ready = (await house.manage("GET", path)).json
    assert ready["state"] == "READY"
    assert ready["counts"] == {"total": 20, "requested": 19, "done": 0, "unchanged": 1, "refused": 0}
    assert [(reason["status"], reason["count"]) for reason in ready["reasons"]] == [("REQUESTED", 19), ("UNCHANGED", 1)]
    wrong = await house.manage("POST", f"{path}/confirm", {"confirmToken": "x"})
    assert (wrong.status, wrong.json["code"]) == (409, "ABORTED")
    running = await house.manage("POST", f"{path}/confirm", {"confirmToken": ready["confirmToken"]})
    assert (running.status, running.json["state"]) == (202, "RUNNING")
    await house.work()
    done = (await house.manage("GET", path)).json
    assert (done["state"], done["counts"]["done"], "confirmToken" in done) == ("COMPLETED", 19, False)
    file = await house.manage("GET", f"{path}/result", headers=[("accept", "text/csv")])
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(file.body.decode().splitlines()))
    assert {row["imsi"]: row["status"] for row in rows} == {imsi(n): "DONE" if n else "UNCHANGED" for n in range(20)}
    assert (await house.manage("GET", f"{path}/result", headers=[("accept", "image/png")])).status == 406
    [row] = (await house.manage("GET", "/operations?state=COMPLETED")).json["operations"]
    assert row["description"] == "close DATA"
    history = (await house.manage("GET", f"/sims/{imsi(3)}/events")).json["events"]
    assert history[0]["cause"]["message"] == "close DATA"


async def test_bulk_bind_by_list_and_cancel(house: House) -> None:
    text = f"msisdn,imei\n{phone(0)},353689530707903\n{phone(1)},12\n{phone(999)},353689530707903\n"
    begun = (await house.manage("POST", "/bulk", {"action": "bind", "csv": text})).json
    await house.work()
    ready = (await house.manage("GET", f"/operations/{begun['id']}")).json
    assert ready["counts"] == {"total": 3, "requested": 1, "done": 0, "unchanged": 0, "refused": 2}
    codes = {reason.get("code") for reason in ready["reasons"]}
    assert codes == {None, "INVALID_ARGUMENT", "IDENTIFIER_NOT_FOUND"}
    cancelled = await house.manage("POST", f"/operations/{begun['id']}/cancel")
    assert cancelled.json["state"] == "CANCELLED"
    assert (await house.manage("POST", f"/operations/{begun['id']}/cancel")).status == 409
    rows = list(
        csv.DictReader((await house.manage("GET", f"/operations/{begun['id']}/result")).body.decode().splitlines())
    )
    assert sorted(row["status"] for row in rows) == ["CANCELLED", "REFUSED", "REFUSED"]
    assert (await house.manage("GET", f"/sims/{imsi(0)}")).json["bindingState"] == "NEUTRAL"


async def test_what_looks_wrong_is_told_with_the_answer(house: House) -> None:
    body = {"account": "meters", "imsi": imsi(1_000_900), "phoneNumber": "13811000002", "imei": "123456789012345"}
    made = await house.manage("POST", "/sims", body)
    assert made.status == 201
    assert [each["code"] for each in made.json["warnings"]] == [
        *("IMEI_CHECK_DIGIT", "NUMBER_WITHOUT_PLUS", "RANGE_OF_ANOTHER_ACCOUNT", "OUTSIDE_RANGES"),
    ]
    assert "warnings" not in (await house.manage("GET", f"/sims/{imsi(1_000_900)}")).json
    bound = await house.manage("POST", f"/sims/{imsi(0)}/actions", {"action": "bind", "imei": "353689530707904"})
    assert [each["code"] for each in bound.json["sim"]["warnings"]] == ["IMEI_CHECK_DIGIT"]
    renamed = await house.manage("PATCH", f"/sims/{imsi(0)}", {"phoneNumber": "8690000000999"})
    assert [each["code"] for each in renamed.json["warnings"]] == ["NUMBER_WITHOUT_PLUS"]
    ready = await preview(house, action="bind", csv=f"imsi,imei\n{imsi(2)},353689530707904\n")
    assert ready["reasons"][0]["reason"] == "The IMEI has a wrong check digit"


async def preview(house: House, **body: Any) -> dict[str, Any]:
    begun = (await house.manage("POST", "/bulk", body)).json
    await house.work()
    ready: dict[str, Any] = (await house.manage("GET", f"/operations/{begun['id']}")).json
    return ready


async def run(house: House, ready: dict[str, Any]) -> None:
    path = f"/operations/{ready['id']}"
    await house.manage("POST", f"{path}/confirm", {"confirmToken": ready["confirmToken"]})
    await house.work()


async def test_bulk_bind_keeps_devices_that_were_named_and_tells_what_it_replaces(house: House) -> None:
    """Over SIMs of which none has been seen: what somebody named must not become a binding to whatever comes first."""
    device = {"action": "bind", "imei": "353689530707903"}
    for number in (0, 1):
        await house.manage("POST", f"/sims/{imsi(number)}/actions", device)
    await house.manage("POST", f"/sims/{imsi(2)}/actions", {"action": "bind"})
    ready = await preview(house, action="bind", filter={"account": "meters"})
    assert ready["counts"] == {"total": 20, "requested": 17, "done": 0, "unchanged": 3, "refused": 0}
    kept = "The SIM keeps the device that it was bound to by name; name another to replace it"
    assert {reason.get("reason"): reason["count"] for reason in ready["reasons"]} == {
        None: 17,
        kept: 2,
        "The SIM has this binding already": 1,
    }
    await run(house, ready)
    shown = (await house.manage("GET", f"/sims/{imsi(0)}")).json
    assert (shown["bindingState"], shown["boundTo"]) == ("LOCKED", ["353689530707903"])
    assert (await house.manage("GET", f"/sims/{imsi(2)}")).json["bindingState"] == "ARMED"
    ready = await preview(house, action="bind", imei="861122030000012", filter={"account": "meters"})
    assert {reason.get("reason"): reason["count"] for reason in ready["reasons"]} == {
        "Replaces a binding to a device that was named": 2,
        "Replaces a binding to the first device seen": 18,
    }
    assert ready["counts"]["requested"] == 20
    await run(house, ready)
    rows = await result(house, ready["id"])
    assert {(row["status"], row["reason"]) for row in rows} == {("DONE", "")}
    assert (await house.manage("GET", f"/sims/{imsi(0)}")).json["boundTo"] == ["861122030000012"]


async def test_a_sim_that_is_listed_twice_counts_once(house: House) -> None:
    numbers = (3, 4, 3, 3)
    ready = await preview(house, action="suspend", csv="imsi\n" + "".join(f"{imsi(n)}\n" for n in numbers))
    assert ready["counts"] == {"total": 4, "requested": 2, "done": 0, "unchanged": 2, "refused": 0}
    await run(house, ready)
    rows = await result(house, ready["id"])
    assert [row["status"] for row in rows] == ["DONE", "DONE", "UNCHANGED", "UNCHANGED"]
    text = f"msisdn,imei\n{phone(5)},353689530707903\n{phone(5)},861122030000012\n"
    ready = await preview(house, action="bind", csv=text)
    assert ready["counts"] == {"total": 2, "requested": 1, "done": 0, "unchanged": 0, "refused": 1}
    said = [reason["reason"] for reason in ready["reasons"] if reason["status"] == "REFUSED"]
    assert said == ["The list names this SIM before, with another device"]


async def test_a_result_comes_in_the_order_of_its_list(house: House) -> None:
    numbers = [*range(19, -1, -1), 3, *range(5_000_000, 5_001_200)]
    text = "\ufeffIMSI\r\n" + "".join(f"{imsi(number)}\r\n" for number in numbers)
    begun = (await house.manage("POST", "/bulk", {"action": "suspend", "csv": text})).json
    await house.work()
    rows = await result(house, begun["id"])
    assert [row["given"] for row in rows] == [imsi(number) for number in numbers]
    assert [int(row["line"]) for row in rows] == list(range(2, len(numbers) + 2))
    by_filter = (await house.manage("POST", "/bulk", {"action": "suspend", "filter": {"account": "meters"}})).json
    await house.work()
    rows = await result(house, by_filter["id"])
    assert sorted(row["imsi"] for row in rows) == [imsi(number) for number in range(20)]
    assert {row["line"] for row in rows} == {""}


async def result(house: House, id_: str) -> list[dict[str, str]]:
    return list(csv.DictReader((await house.manage("GET", f"/operations/{id_}/result")).body.decode().splitlines()))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_part_columns_as_they_like(delimiter: str) -> None:
    lines = [["imsi", "imei"], [imsi(0), "353689530707903"], [imsi(1), ""], ['"a"', "b"]]
    text = "\ufeff" + "\r\n".join(delimiter.join(line) for line in lines)
    first, second, third = named(text, devices=True)
    assert (first.ref, first.data) == (SimRef(IdentifierKind.IMSI, imsi(0)), {"imei": "353689530707903"})
    assert (second.ref, second.data) == (SimRef(IdentifierKind.IMSI, imsi(1)), None)
    assert third.wrong is not None


async def test_a_large_list_does_not_hold_up_others(house: House) -> None:
    text = "imsi\n" + "\n".join(imsi(number) for number in range(20_000)) + "\n"
    longest = 0.0

    async def watch() -> None:
        """The longest piece of work in one go, in seconds of processor time: other programs do not add to it."""
        nonlocal longest
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    watcher = asyncio.create_task(watch())
    begun = time.thread_time()
    reply = await house._call("POST", "/manage/v1/bulk", {"action": "suspend", "csv": text}, house.token, ())
    whole = time.thread_time() - begun
    watcher.cancel()
    assert reply.json["counts"]["total"] == 20_000
    assert reply.json["counts"]["refused"] == 20_000 - 20
    assert longest < whole / 4, f"others waited for {longest:.3f} of {whole:.3f} s"


@given(st.text(max_size=200))
def test_any_text_is_a_list_or_said_not_to_be(text: str) -> None:
    try:
        items = list(named(text, devices=True))
    except InvalidArgument:
        return
    assert items
    for item in items:
        assert (item.ref is None) == (item.wrong is not None)


async def test_subscriptions_and_deliveries_are_seen_and_sent_again(house: House) -> None:
    assert (await house.manage("GET", "/subscriptions")).json == {"subscriptions": []}
    assert (await house.manage("GET", f"/deliveries?sim={imsi(0)}&status=DEAD")).json == {"deliveries": []}
    assert (await house.manage("POST", "/deliveries/replay", {"since": "2026-11-01T00:00:00Z"})).json == {"replayed": 0}
    naive = await house.manage("POST", "/deliveries/replay", {"since": "2026-11-01T00:00:00"})
    assert naive.status == 400


def test_the_document_names_the_server_like_the_others() -> None:
    assert MANAGE._document["servers"][0]["url"] == "{apiRoot}/manage/v1"
    assert read_yaml(write_yaml(MANAGE._document)) == MANAGE._document
    assert routes.NAME == "manage"


async def test_binding_shows_with_its_place(house: House) -> None:
    ref = SimRef(IdentifierKind.IMSI, imsi(0))
    await CommandBatcher(house.db).submit(SimCommand(ref, Bind(first_seen=True), CAUSE, house.account.id))
    shown = (await house.manage("GET", f"/sims/{imsi(0)}")).json
    assert (shown["bindingState"], shown["boundTo"]) == ("ARMED", [])


async def test_a_customers_token_opens_nothing_whatever_is_signed_into_it(house: House) -> None:
    """Whoever could sign a tenant's token with the operator's scopes would still not be an operator."""
    caller = await house.tokens.check(house.customer)
    assert caller is not None
    application = await house.accounts.application(caller.app_key)
    forged = await house.tokens.issue(application, ["manage:read", "manage:write"])
    for method, path in (("GET", "/sims"), ("POST", "/gateways")):
        reply = await house.manage(method, path, {} if method == "POST" else None, token=forged)
        assert (reply.status, reply.json["code"]) == (403, "PERMISSION_DENIED")


async def test_sims_are_found_as_one_types(still: House) -> None:
    async def found(text: str, query: str = "") -> list[str]:
        reply = await still.manage("GET", f"/sim-search?text={text.replace('+', '%2B')}{query}")
        assert reply.status == 200
        return [each["imsi"] for each in reply.json["sims"]]

    sim = (await still.manage("GET", f"/sims/{imsi(11)}")).json
    for name in (sim["imsi"], sim["iccid"], sim["phoneNumber"], sim["phoneNumber"][1:]):
        assert await found(name) == [imsi(11)]
        assert imsi(11) in await found(name[:-1])
        assert imsi(11) in await found(name[:4])
    assert await found(imsi(1)[:-1]) == [imsi(n) for n in range(10)]
    assert len(await found(imsi(0)[:6], "&limit=3")) == 3
    assert (await still.manage("GET", f"/sim-search?text={imsi(0)[:6]}&limit=3")).json["more"] is True
    assert await found("nobody@") == []
    assert await found("%25") == await found("_") == []
    assert (await still.manage("GET", "/sim-search")).status == 400
    assert (await still.manage("GET", "/sim-search?text=1", token=still.customer)).status == 403
