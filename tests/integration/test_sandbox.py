"""The sandbox over HTTP, on a real server: every row of the table in docs/sandbox.md, and the wall around it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from standardwebhooks import Webhook
from tests.conformance import contract
from tests.integration.notify.sink import Sink
from tests.support.patience import PATIENCE
from tests.support.server import serving
from tests.unit.northbound.asgi import Reply

from simwarden.accounts import applications
from simwarden.accounts.scopes import SETS
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine import provision
from simwarden.kit.clock import now_utc
from simwarden.store.accounts import Accounts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from simwarden.store.database import Database

API = "iot-sim-fraud-prevention"
SUBSCRIPTIONS = f"{API}-subscriptions"
PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip().strip("*") for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| (\*\*)?\d", line)
]


class Trial:
    """An application in sandbox mode and a live one of the same account, at a running server."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session
        self.tokens: dict[str, str] = {}

    async def log_in(self, name: str, issued: applications.Issued) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": issued.application.app_key,
            "client_secret": issued.app_secret,
        }
        async with self._session.post(f"{self.url}/oauth2/token", data=form) as answer:
            self.tokens[name] = (await answer.json())["access_token"]

    async def call(
        self,
        api: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str = "sandbox",
        version: str = "v0.1",
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> Reply:
        headers, url = {"authorization": f"Bearer {self.tokens[who]}", **more}, f"{self.url}/{api}/{version}{path}"
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            content = await answer.read()
            reply = Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, content)
        # Plain http is allowed for the sake of the test only; all else is held against the document.
        held = Reply(reply.status, reply.headers, content.replace(b'"sink":"http:', b'"sink":"https:'))
        contract.ours(api).check(method, path, held)
        return reply

    async def ask(self, operation: str, number: str, *, who: str = "sandbox") -> Reply:
        kind = {"bind": "bindType", "unbind": "unBindType", "query": "queryType"}[operation]
        return await self.call(
            API, "POST", f"/{operation}", {"device": {"phoneNumber": number}, kind: "IMEIBIND"}, who=who
        )

    async def subscribe(self, number: str, sink: str) -> Reply:
        body = {
            "protocol": "HTTP",
            "sink": sink,
            "types": [f"org.camaraproject.{API}.v0.imei-change"],
            "config": {"subscriptionDetail": {"device": {"phoneNumber": number}}},
        }
        return await self.call(SUBSCRIPTIONS, "POST", "/subscriptions", body)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def trial(tmp_path_factory: pytest.TempPathFactory, template: str, postgres_url: str) -> AsyncIterator[Trial]:
    """One server for all rows."""
    import asyncpg
    from tests.conftest import at_database

    from simwarden.store.database import Database

    connection = await asyncpg.connect(postgres_url)
    await connection.execute(f"create database sandbox_trial template {template} strategy file_copy")
    url = at_database(postgres_url, "sandbox_trial")
    database = await Database.connect(url)
    accounts = Accounts(database)
    account = await applications.open_account(accounts, "ACME")
    for number in ("+8613800000001", "+8613800000004"):
        sim = provision.new_sim(account.id, imsi=f"4600009901{number[-5:]}", msisdn=number)
        await provision.add(database, sim, Cause(CauseKind.OPERATOR, "test", now_utc()))
    async with (
        serving(tmp_path_factory.mktemp("trial"), url, allow_private_sinks="true") as address,
        aiohttp.ClientSession() as session,
    ):
        made = Trial(address, session)
        made.database = database  # type: ignore[attr-defined]
        await made.log_in("sandbox", await applications.issue(accounts, "ACME", "trial", sandbox=True))
        await made.log_in("live", await applications.issue(accounts, "ACME", "live", SETS["all"]))
        yield made
    await database.close()
    await connection.execute("drop database sandbox_trial with (force)")
    await connection.close()


def test_the_table_has_all_last_digits() -> None:
    assert {row[0] for row in ROWS if len(row[0]) == 1} == set("0123456789")
    assert len(ROWS) == 15


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"ends in {row[0]}")
@pytest.mark.parametrize("operation", ["query", "bind", "unbind"])
async def test_the_answers_are_those_of_the_table(trial: Trial, row: list[str], operation: str) -> None:
    reply = await trial.ask(operation, "+86138000077"[: 14 - len(row[0])] + row[0])
    promised = row[{"query": 1, "bind": 2, "unbind": 3}[operation]]
    if promised == "the same":
        promised = row[1]
    error = re.match(r"(\d{3}) ([A-Z_]+)", promised)
    if error:
        assert (reply.status, reply.json["code"]) == (int(error[1]), error[2])
        return
    assert reply.status == 200
    if operation != "query":
        assert promised.startswith(f"`{operation.replace('bind', 'bound')}: true`")
        return
    found = reply.json["imeiBind"]
    assert found["bindStatus"] == promised.split(",")[0].split()[0]
    assert ("bindImei" in found) == (promised.startswith("BOUND") and "no `bindImei`" not in promised)


@pytest.mark.parametrize(
    ("digit", "imeis"),
    [
        ("1", ["860521050000177"]),
        ("2", ["352099001761481", "860521050000177"]),
        ("5", ["860521050000177"]),  # a first device is no change, as with a real SIM
        ("7", ["860521050000177"]),
        ("0", ["860521050000177", "352099001761481"] * 5),
    ],
)
async def test_subscriptions_are_told_by_the_real_delivery(trial: Trial, digit: str, imeis: list[str]) -> None:
    async with Sink() as sink:
        reply = await trial.subscribe(f"+861380000777{digit}", sink.url)
        assert reply.status == 201
        await sink.until_received(1 + len(imeis))
        assert [one.event["data"]["imei"] for one in sink.received[1:]] == imeis
        for one in sink.received:
            Webhook(reply.headers["x-simwarden-webhook-secret"]).verify(one.body, dict(one.headers))
        assert sink.received[1].event["data"]["device"] == {"phoneNumber": f"+861380000777{digit}"}
        mine = await trial.call(SUBSCRIPTIONS, "GET", f"/subscriptions/{reply.json['id']}")
        assert mine.json["status"] == "ACTIVE"
        theirs = await trial.call(SUBSCRIPTIONS, "GET", f"/subscriptions/{reply.json['id']}", who="live")
        assert theirs.status == 404
        assert (await trial.call(SUBSCRIPTIONS, "DELETE", f"/subscriptions/{reply.json['id']}")).status == 204


async def test_virtual_sims_cross_geofences_when_their_device_would_change(trial: Trial) -> None:
    types = "org.camaraproject.geofencing-subscriptions.v0."
    area = {"areaType": "CIRCLE", "center": {"latitude": 50.735851, "longitude": 7.10066}, "radius": 5000}
    async with Sink() as sink:
        body = {
            "protocol": "HTTP",
            "sink": sink.url,
            "types": [f"{types}area-entered"],
            "config": {
                "subscriptionDetail": {"device": {"phoneNumber": "+8613800007771"}, "area": area},
                "initialEvent": True,
            },
        }
        reply = await trial.call("geofencing-subscriptions", "POST", "/subscriptions", body, version="v0.5")
        assert reply.status == 201
        await sink.until_received(3)
        assert [one.kind for one in sink.received] == ["subscription-started", "area-entered", "area-entered"]
        assert all(one.event["data"]["area"] == area for one in sink.received)
        path = f"/subscriptions/{reply.json['id']}"
        gone = await trial.call("geofencing-subscriptions", "DELETE", path, version="v0.5")
        assert gone.status == 204


async def test_virtual_sims_receive_messages_when_their_device_would_change(trial: Trial) -> None:
    async with Sink() as sink:
        body = {
            "protocol": "HTTP",
            "sink": sink.url,
            "types": ["org.camaraproject.short-message-subscriptions.v0.sms-received"],
            "config": {"subscriptionDetail": {"allDevices": True, "keyword": "TEMP"}},
        }
        reply = await trial.call("short-message-subscriptions", "POST", "/subscriptions", body, version="vwip")
        assert reply.status == 201
        await sink.until_received(2)
        assert [one.kind for one in sink.received] == ["subscription-started", "sms-received"]
        told = sink.received[1].event["data"]
        assert (told["text"], told["device"]) == ("temp 21.5", {"phoneNumber": "+491700000001"})


async def test_virtual_sims_have_records_when_their_device_would_change(trial: Trial) -> None:
    async with Sink() as sink:
        for kind, detail in (
            ("message-recorded", {"allDevices": True, "kinds": ["SENT"]}),
            ("call-ended", {"device": {"phoneNumber": "+8613800007771"}}),
            ("usage-reached", {"allDevices": True, "meter": "megabytes", "amount": 3}),
        ):
            body = {
                "protocol": "HTTP",
                "sink": sink.url,
                "types": [f"org.simwarden.record-subscriptions.v0.{kind}"],
                "config": {"subscriptionDetail": detail},
            }
            reply = await trial.call("record-subscriptions", "POST", "/subscriptions", body, version="v0.1")
            assert reply.status == 201
        await sink.until_received(6)
        told = {one.kind: one.event["data"] for one in sink.received}
        assert (told["message-recorded"]["kind"], told["message-recorded"]["textLength"]) == ("SENT", 4)
        assert told["message-recorded"]["device"] == {"phoneNumber": "+491700000001"}
        assert (told["call-ended"]["state"], told["call-ended"]["device"]) == (
            "ENDED",
            {"phoneNumber": "+8613800007771"},
        )
        assert told["usage-reached"]["used"] == {"megabytes": 3}


@pytest.mark.parametrize("named", [{"device": {"phoneNumber": "+8613800007771"}}, {"allDevices": True}])
async def test_virtual_sims_have_unusual_traffic_once(trial: Trial, named: dict[str, Any]) -> None:
    async with Sink() as sink:
        body = {
            "protocol": "HTTP",
            "sink": sink.url,
            "types": ["org.camaraproject.fraud-hotzone-subscriptions.v0.anomaly-detected"],
            "config": {"subscriptionDetail": {**named, "fraudHotZone": ["list:any", "KH"], "checkType": "CALL"}},
        }
        reply = await trial.call("fraud-hotzone-subscriptions", "POST", "/subscriptions", body, version="vwip")
        assert reply.status == 201
        await sink.until_received(2)
        assert [one.kind for one in sink.received] == ["subscription-started", "anomaly-detected"]
        told = sink.received[1].event["data"]
        assert (told["checkType"], told["checkTarget"], told["riskLevel"]) == ("CALL", "VICTIM", "HIGH")
        assert told["device"] == named.get("device", {"phoneNumber": "+491700000001"})


async def test_virtual_numbers_come_to_another_sim_when_their_device_would_change(trial: Trial) -> None:
    async with Sink() as sink:
        body = {
            "protocol": "HTTP",
            "sink": sink.url,
            "types": ["org.camaraproject.sim-swap-subscriptions.v0.swapped"],
            "config": {"subscriptionDetail": {"phoneNumber": "+8613800007772"}, "subscriptionMaxEvents": 2},
        }
        reply = await trial.call("sim-swap-subscriptions", "POST", "/subscriptions", body, version="v0.3")
        assert reply.status == 201
        await sink.until_received(4)
        kinds = ["subscription-started", "swapped", "swapped", "subscription-ended"]
        assert [one.kind for one in sink.received] == kinds
        id_ = reply.json["id"]
        for one in sink.received[1:3]:
            assert one.event["data"] == {"subscriptionId": id_, "phoneNumber": "+8613800007772"}


@pytest.mark.parametrize(("digits", "expected"), [("4", 404), ("03", 403), ("29", 429), ("39", 429), ("50", 503)])
async def test_subscribing_meets_the_same_errors(trial: Trial, digits: str, expected: int) -> None:
    reply = await trial.subscribe("+86138000077"[: 14 - len(digits)] + digits, "http://127.0.0.1:9/")
    assert reply.status == expected
    assert ("retry-after" in reply.headers) == (digits in {"39", "50"})


async def test_a_deleted_subscription_is_told_no_more(trial: Trial) -> None:
    async with Sink() as sink:
        reply = await trial.subscribe("+8613800007773", sink.url)
        await trial.call(SUBSCRIPTIONS, "DELETE", f"/subscriptions/{reply.json['id']}")
        await asyncio.sleep(4)
        assert [one.kind for one in sink.received] == ["subscription-started", "subscription-ended"]


async def test_the_two_worlds_never_meet(trial: Trial) -> None:
    """The live account has a SIM …01 (not bound) and one …04; in the sandbox …01 is bound, and …04 is not there."""
    assert (await trial.ask("query", "+8613800000001", who="live")).json == {"imeiBind": {"bindStatus": "UNBOUND"}}
    assert (await trial.ask("query", "+8613800000001")).json["imeiBind"]["bindStatus"] == "BOUND"
    assert (await trial.ask("query", "+8613800000004", who="live")).status == 200
    assert (await trial.ask("query", "+8613800000004")).status == 404
    assert (await trial.ask("query", "+8613800000002", who="live")).status == 404
    before = await _register(trial)
    for operation in ("bind", "unbind"):
        await trial.ask(operation, "+8613800000001")
    assert await _register(trial) == before


async def _register(trial: Trial) -> list[Any]:
    database: Database = trial.database  # type: ignore[attr-defined]
    return [
        tuple(row) for row in await database.fetch("select imsi, binding::text, event_count from sim order by imsi")
    ]


async def test_an_eligibility_response_about_a_virtual_sim_can_be_named(trial: Trial) -> None:
    api, path, query = "eligibility-info", "/eligibility-check", f"{API}:query"
    body = {"phoneNumber": "+8613800000008", "scopes": [query, f"{API}:bind"], "purpose": "dpv:FraudPrevention"}
    answer = (await trial.call(api, "POST", path, body)).json
    assert all(item["eligibility"] for item in answer["statusInfo"])
    barred = (await trial.call(api, "POST", path, body | {"phoneNumber": "+8613800000002"})).json
    assert {item["contextCode"] for item in barred["statusInfo"]} == {"BARRED"}
    for who, number, id_, status in (
        ("sandbox", "+8613800000008", answer["eligibilityResponseId"], 200),
        ("sandbox", "+8613800000018", answer["eligibilityResponseId"], 403),
        ("live", "+8613800000001", answer["eligibilityResponseId"], 403),
        ("sandbox", "+8613800000002", barred["eligibilityResponseId"], 403),
    ):
        named = {"x-eligibility-response-id": id_}
        asked = {"device": {"phoneNumber": number}, "queryType": "IMEIBIND"}
        reply = await trial.call(API, "POST", "/query", asked, who=who, more=named)
        assert reply.status == status, (who, number)


async def test_nothing_of_the_sandbox_is_counted(trial: Trial) -> None:
    database: Database = trial.database  # type: ignore[attr-defined]
    for who in ("sandbox", "live"):
        await trial.ask("bind", "+8613800000001", who=who)
        await trial.ask("query", "+8613800000001", who=who)
    async with Sink() as sink:
        assert (await trial.subscribe("+8613800000005", sink.url)).status == 201
    wanted = {"bindDeviceImei", "query"}
    async with asyncio.timeout(PATIENCE):
        while {row["operation"] for row in await database.fetch("select * from usage_count")} < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    names = "select distinct name from usage_count join application using (app_key)"
    assert [row["name"] for row in await database.fetch(names)] == ["live"]
