"""From records that gateways report to the answer of fraud-hotzone, on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.integration.northbound.house import House, sim
from tests.integration.northbound.test_tenants import FOREIGN, OWN, UNKNOWN, Watched
from tests.unit.northbound.world import IMEI

from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.reports import CallRecord, Evidence, Report, SmsRecord
from simwarden.domain.sim import Seen
from simwarden.engine.ingest import Ingest
from simwarden.store import hotzones
from simwarden.store import sims as sim_store
from simwarden.store.gateways import Gateways

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

CHECK = "/fraud-hotzone/vwip/check"
NUMBER, COLLEAGUE, STRANGER = "+8613800000001", "+8613800000002", "+8613800000009"
CAMBODIA, SATELLITE, HOME = "+85512345678", "+882161234567", "+8613715266978"


class Traffic:
    """A gateway that reports calls and messages of SIMs, on one day after the other."""

    def __init__(self, house: House, gateway_id: int) -> None:
        self.now = datetime.now(UTC)
        self._clock = self.now
        self._ingest = Ingest(house.db, house.vault, clock=lambda: self._clock, refresh=timedelta(minutes=15))
        self._gateway = gateway_id
        self._number = 0

    async def had(self, days_ago: int, *others: str, number: str = NUMBER, **fields: Any) -> None:
        """On that day these called the SIM; or as `fields` have it. Each report comes twice."""
        at = self.now - timedelta(days=days_ago)
        imsi = sim(number).imsi
        calls = []
        for other in others:
            self._number += 1
            call = CallRecord(
                call_id=f"c-{self._number}", direction="inbound", imsi=imsi, caller=other, callee=other, begin_at=at
            )
            calls.append(msgspec.structs.replace(call, **fields))
        await self._take(at, calls=tuple(calls))

    async def wrote(self, days_ago: int, *others: str, direction: str) -> None:
        """On that day it wrote to these, or they to it."""
        at = self.now - timedelta(days=days_ago)
        messages = []
        for other in others:
            self._number += 1
            key = f"m-{self._number}".encode()
            messages.append(
                SmsRecord(key=key, direction=direction, imsi=sim(NUMBER).imsi, sender=other, receiver=other, at=at)
            )
        await self._take(at, sms=tuple(messages))

    async def seen(self, days_ago: int, number: str = NUMBER) -> None:
        """It was in its device."""
        at = self.now - timedelta(days=days_ago)
        evidence = Evidence(imsi=sim(number).imsi, iccid=None, imei=IMEI, at=at)
        await self._take(at, evidence=(evidence,))

    async def _take(self, at: datetime, **what: Any) -> None:
        self._clock = at
        report = Report(gateway_id=self._gateway, gateway_name="gw", received_at=at, message="cdr", **what)
        for _ in range(2):
            await self._ingest.submit(report)


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    """SIMs that have been here for two months, and never in a device."""
    made = House(database, vault)
    await made.furnish()
    await database.execute("update schema_migration set applied_at = applied_at - interval '300 days'")
    await database.execute(
        "update sim set created_at = created_at - interval '60 days', seen_at = null, seen_imei = null"
    )
    return made


@pytest.fixture
async def traffic(house: House) -> Traffic:
    id_, _ = await Gateways(house.db, house.vault).add(
        "gw", kind="ejoin", command_url=None, username=None, password=None
    )
    return Traffic(house, id_)


async def check(house: House, body: Any = OWN, token: str | None = None, **more: Any) -> Any:
    asked = body | {"lookBackDays": 7, "fraudHotZone": ["KH"]} | more
    reply = await house.client("POST", CHECK, asked, token=token or house.token, headers=[("x-correlator", "c-1")])
    return reply.json if reply.status == 200 else (reply.status, reply.json["code"])


def days_ago(traffic: Traffic, *days: int) -> list[str]:
    return [(traffic.now - timedelta(days=each)).date().isoformat() for each in days]


async def test_calls_of_a_hotzone_are_found_on_their_day(house: House, traffic: Traffic) -> None:
    await traffic.seen(50)
    for n in (40, 30, 20, 10, 5):
        await traffic.had(n, HOME, CAMBODIA)
    await traffic.had(2, *[CAMBODIA] * 4, HOME)
    await traffic.seen(0)
    found = await check(house)
    assert (found["anomalyDetected"], found["anomalyDate"]) == (True, days_ago(traffic, 2))
    assert found["coverage"] == {"from": days_ago(traffic, 6)[0], "to": days_ago(traffic, 0)[0], "complete": True}
    assert found["riskLevel"] == "HIGH"
    detailed = await check(house, detail=True)
    assert [(each["date"], each["country"], each["count"]) for each in detailed["detail"]] == [
        (*days_ago(traffic, 5), "KH", 1),
        (*days_ago(traffic, 2), "KH", 4),
    ]
    assert {each["baseline"] for each in detailed["detail"]} == {0.11}, "3 of 28 days"
    assert (await check(house, checkTarget="SCAMMER"))["anomalyDetected"] is False
    assert (await check(house, checkType="SMS"))["anomalyDetected"] is None, "no message is recorded"
    assert (await check(house, fraudHotZone=["MM", "001"]))["anomalyDetected"] is False
    assert (await check(house, fraudHotZone=["+855"]))["anomalyDate"] == days_ago(traffic, 2)
    assert (await check(house, fraudHotZone=["+85512", "KH", "KH"]))["anomalyDate"] == days_ago(traffic, 2)
    assert (await check(house, fraudHotZone=["+85513"]))["anomalyDate"] == []


async def test_calls_back_and_messages(house: House, traffic: Traffic) -> None:
    await traffic.seen(50)
    await traffic.had(1, SATELLITE)
    await traffic.had(0, *[SATELLITE] * 3, direction="outbound")
    await traffic.wrote(0, *[CAMBODIA] * 3, direction="outbound")
    await traffic.wrote(0, *[CAMBODIA] * 9, direction="report")
    await traffic.seen(0)
    today = days_ago(traffic, 0)
    assert (await check(house, fraudHotZone=["+8821"]))["anomalyDate"] == today, "it was called, and called back"
    assert (await check(house, fraudHotZone=["001"], checkTarget="SCAMMER"))["anomalyDate"] == today
    assert (await check(house, checkTarget="SCAMMER"))["anomalyDate"] == today
    assert (await check(house, checkTarget="SCAMMER", checkType="CALL"))["anomalyDate"] == []
    assert (await check(house))["anomalyDate"] == []


async def test_what_nobody_tells_is_not_known(house: House, traffic: Traffic) -> None:
    assert await check(house) == (422, "SERVICE_NOT_APPLICABLE")
    await traffic.had(20, CAMBODIA)
    assert (await check(house))["anomalyDetected"] is None
    assert (await check(house, lookBackDays=30))["anomalyDetected"] is False


async def test_days_before_counting_began_are_not_quiet_days(house: House, traffic: Traffic) -> None:
    await traffic.seen(50)
    await traffic.had(0, *[CAMBODIA] * 5)
    await traffic.seen(0)
    await house.db.execute("update schema_migration set applied_at = now() - interval '3 days'")
    found = await check(house, detail=True)
    assert found["coverage"]["from"] == days_ago(traffic, 3)[0]
    assert found["coverage"]["complete"] is False
    assert found["detail"][0]["baseline"] is None


async def test_a_new_sim_is_measured_by_those_of_its_account_and_model(house: House, traffic: Traffic) -> None:
    for number in (COLLEAGUE, STRANGER):
        await traffic.seen(50, number)
        for n in range(1, 36):
            await traffic.had(n, *[CAMBODIA] * 6, number=number)
    await traffic.seen(3)
    await traffic.had(0, *[CAMBODIA] * 6)
    await traffic.seen(0)
    assert (await check(house))["anomalyDetected"] is False, "the colleague has six every day"
    other = "35368953070790"
    async with house.db.transaction() as connection:
        locked = await sim_store.lock(connection, [sim(COLLEAGUE).imsi])
        moved = msgspec.structs.replace(locked[sim(COLLEAGUE).imsi], seen=Seen(traffic.now, other))
        await sim_store.save(connection, [moved])
    found = await check(house, fraudHotZone=["KH", "LA"])  # what was read for KH is kept
    assert found["anomalyDetected"] is True, "only a stranger's SIM is like it"


async def test_the_life_before_is_not_this_sims(house: House, traffic: Traffic) -> None:
    await traffic.seen(50, COLLEAGUE)
    await traffic.had(0, *[CAMBODIA] * 9, number=COLLEAGUE)
    cause = Cause(CauseKind.OPERATOR, "test", traffic.now)
    async with house.db.transaction() as connection:
        locked = await sim_store.lock(connection, [sim(COLLEAGUE).imsi])
        await sim_store.delete(connection, list(locked.values()), traffic.now)
    async with house.db.transaction() as connection:
        again = msgspec.structs.replace(sim(COLLEAGUE), first_event=10, event_count=10)
        await sim_store.insert(connection, house.account.id, [again], cause, traffic.now)
    assert await check(house, {"phoneNumber": COLLEAGUE}) == (422, "SERVICE_NOT_APPLICABLE")


async def test_a_foreign_number_and_an_unknown_one_cost_the_same(
    house: House, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    await traffic.had(0, *[CAMBODIA] * 9, number=STRANGER)
    assert (await check(house, FOREIGN, token=house.stranger))["anomalyDetected"] is True
    await check(house, UNKNOWN)  # tokens and keys are read with the first call
    watched = Watched(monkeypatch)
    answers, costs = [], []
    for body in (UNKNOWN, FOREIGN, UNKNOWN, FOREIGN):
        watched.seen.clear()
        answers.append(await check(house, body))
        costs.append(list(watched.seen))
    assert answers[0] == (404, "IDENTIFIER_NOT_FOUND")
    assert all(answer == answers[0] for answer in answers)
    assert all(cost == costs[0] and all(rows == 0 for _, rows in cost) for cost in costs)


async def test_lists_of_hotzones(house: House, traffic: Traffic) -> None:
    await traffic.seen(50)
    await traffic.had(1, *[CAMBODIA] * 4)
    await traffic.seen(0)
    zones: dict[str, Any] = {"fraudHotZone": ["list:asia"]}
    assert await check(house, **zones) == (400, "INVALID_ARGUMENT")
    await hotzones.change(house.db, house.account.id, "asia", ["MM", "KH"], traffic.now)
    assert (await check(house, **zones))["anomalyDate"] == days_ago(traffic, 1)
    assert await check(house, FOREIGN, token=house.stranger, **zones) == (400, "INVALID_ARGUMENT"), "another's list"
    await hotzones.change(house.db, house.account.id, "asia", ["+8821"], traffic.now)
    assert (await check(house, **zones))["anomalyDate"] == []
    await hotzones.change(house.db, house.account.id, "asia", [], traffic.now)
    assert await check(house, **zones) == (400, "INVALID_ARGUMENT")


async def test_days_are_those_of_utc(house: House, traffic: Traffic) -> None:
    await traffic.had(0, CAMBODIA)
    found = await check(house, detail=True)
    assert date.fromisoformat(found["detail"][0]["date"]) == traffic.now.date()
