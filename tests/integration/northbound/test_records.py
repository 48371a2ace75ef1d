"""From what gateways report to the answers of records, on PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.northbound.house import House, sim
from tests.integration.northbound.test_tenants import FOREIGN, OWN, UNKNOWN, Watched

from simwarden.accounts import applications
from simwarden.domain.counters import Amounts, Reading
from simwarden.domain.reports import CallRecord, PortObservation, Report, SmsRecord
from simwarden.engine.ingest import Ingest
from simwarden.store import sims as sim_store
from simwarden.store.gateways import Gateways

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

NUMBER, COLLEAGUE, STRANGER = "+8613800000001", "+8613800000002", "+8613800000009"
PEER = "+85291234567"
KINDS = ("messages", "calls", "counters")


class Shown:
    """What a slot shows of its SIM."""

    def __init__(self, sent: int) -> None:
        self.counter_mark: object = sent

    def read_counters(self) -> Reading:
        return Reading(messages=Amounts(total=int(str(self.counter_mark))))


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    """Each SIM got and sent a message a day, for three days, and was called on the last."""
    made = House(database, vault)
    await made.furnish()
    id_, _ = await Gateways(database, vault).add("gw", kind="ejoin", command_url=None, username=None, password=None)
    now = datetime.now(UTC)
    ingest = Ingest(database, vault)
    for n, number in enumerate((NUMBER, COLLEAGUE, STRANGER), 1):
        imsi = sim(number).imsi
        for day in range(3):
            at = now - timedelta(days=2 - day)
            sms = [
                SmsRecord(
                    key=f"{imsi} {day} {direction}".encode(),
                    direction=direction,
                    at=at + timedelta(seconds=n),
                    imsi=imsi,
                    sender=PEER if direction == "inbound" else None,
                    receiver=PEER if direction == "outbound" else None,
                    content=f"secret of {number}",
                )
                for direction in ("inbound", "outbound")
            ]
            call = CallRecord(call_id=f"c-{imsi}", imsi=imsi, direction="inbound", caller=PEER, begin_at=now)
            port = PortObservation(port=1, slot=n, status=3, imsi=imsi, counters=Shown(3 * day))
            given: dict[str, Any] = {"gateway_id": id_, "gateway_name": "gw", "message": "cdr"}
            await ingest.submit(
                Report(received_at=at, sms=tuple(sms), calls=(call,), **given),
                Report(received_at=at, ports=(port,), **given),
            )
    return made


async def ask(house: House, what: str, body: Any = OWN, token: str | None = None, **more: Any) -> Any:
    asked = ({} if body is None else {"device": body}) | more
    reply = await house.client("POST", f"/records/v1/retrieve-{what}", asked, token=token or house.token)
    return reply.json if reply.status == 200 else (reply.status, reply.json["code"])


async def all_of(house: House, what: str, body: Any = None, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await ask(house, what, body, limit=2, **more)
        found += page[what]
        if "cursor" not in page:
            return found
        more["cursor"] = page["cursor"]


async def test_an_account_reads_what_its_sims_did(house: House) -> None:
    messages = await all_of(house, "messages")
    assert len({each["recordId"] for each in messages}) == len(messages) == 12
    assert [each["time"] for each in messages] == sorted((each["time"] for each in messages), reverse=True)
    assert {each["device"]["phoneNumber"] for each in messages} == {NUMBER, COLLEAGUE}
    assert {each["text"] for each in messages} == {f"secret of {NUMBER}", f"secret of {COLLEAGUE}"}
    assert len(await all_of(house, "messages", OWN)) == 6
    assert len(await all_of(house, "messages", OWN, kind="SENT", otherParty="0085291234567")) == 3
    (call,) = await all_of(house, "calls", OWN)
    assert (call["state"], call["from"]) == ("DIALLING", PEER)
    days = await all_of(house, "counters")
    assert len(days) == 4, "what the first reading shows was used before"
    assert {str(each["used"]) for each in days} == {"{'messages': 3}"}
    assert (await ask(house, "counters"))["current"][0]["readings"] == {"messages": {"total": 6}}


async def test_a_stranger_reads_nothing_of_it(house: House) -> None:
    for kind in KINDS:
        mine = await ask(house, kind, None, limit=1)
        theirs = await ask(house, kind, None, token=house.stranger)
        assert {each["device"]["phoneNumber"] for each in theirs[kind]} == {STRANGER}
        stolen = await ask(house, kind, None, token=house.stranger, cursor=mine.get("cursor", ""))
        if "cursor" in mine:
            assert {each["device"]["phoneNumber"] for each in stolen[kind]} <= {STRANGER}
        assert await ask(house, kind, OWN, token=house.stranger) == (404, "IDENTIFIER_NOT_FOUND")
    assert NUMBER not in str([await ask(house, kind, None, token=house.stranger) for kind in KINDS])


async def test_a_foreign_sim_and_an_unknown_one_cost_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    for kind in KINDS:
        await ask(house, kind, UNKNOWN)
        answers, costs = [], []
        for body in (UNKNOWN, FOREIGN, UNKNOWN, FOREIGN):
            watched.seen.clear()
            answers.append(await ask(house, kind, body))
            costs.append(list(watched.seen))
        assert answers == [(404, "IDENTIFIER_NOT_FOUND")] * 4
        assert all(cost == costs[0] and all(rows == 0 for _, rows in cost) for cost in costs)


async def test_a_sim_that_changes_hands_brings_nothing_along(house: House) -> None:
    given = sim(NUMBER)
    async with house.db.transaction() as connection:
        locked = await sim_store.lock(connection, [given.imsi])
        await sim_store.delete(connection, list(locked.values()), datetime.now(UTC))
    assert [each.get("device") for each in await all_of(house, "messages")].count(None) == 6, "still the account's"
    owner = await house.db.fetchval("select id from account where name = 'stranger'")
    await house.db.execute(
        "insert into sim (bucket, imsi, account_id, msisdn) values ($1, $2, $3, $4)",
        given.bucket, given.imsi, owner, given.msisdn,
    )  # fmt: skip
    await house.db.execute(
        "insert into sim_identifier (kind, value, bucket, imsi, account_id) values ('msisdn', $1, $2, $3, $4)",
        given.msisdn, given.bucket, given.imsi, owner,
    )  # fmt: skip
    for kind in KINDS:
        found = await ask(house, kind, OWN, token=house.stranger)
        assert found[kind] == []
        assert found.get("current", []) == []


async def test_texts_and_numbers_need_their_own_scope(house: House) -> None:
    blind = await house.token_of(
        await applications.issue(house.accounts, "meters", "blind", ["records:sms:read", "records:calls:read"])
    )
    for kind in ("messages", "calls"):
        assert "secret" not in str(await ask(house, kind, None, token=blind))
        assert PEER not in str(await ask(house, kind, None, token=blind))
        assert await ask(house, kind, OWN, token=blind, otherParty=PEER) == (403, "PERMISSION_DENIED")
    assert await ask(house, "counters", token=blind) == (403, "PERMISSION_DENIED")
