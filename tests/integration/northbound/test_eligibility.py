"""Eligibility responses on PostgreSQL: who may use one for what, what ends it, how many there may be."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest
from tests.integration.northbound.house import House
from tests.integration.northbound.test_tenants import FOREIGN, OWN, UNKNOWN, Watched
from tests.unit.northbound.asgi import call

from simwarden import northbound
from simwarden.accounts import applications
from simwarden.domain import rules
from simwarden.domain.eligibility import NotEligible, TooManyResponses
from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import Function, IdentifierKind, Sighting, SimRef
from simwarden.engine import identity, provision
from simwarden.engine.commands.command import SimCommand
from simwarden.engine.eligibility import RECOUNT_AFTER, Eligibility
from simwarden.engine.keeping import Keeping
from simwarden.engine.unit_of_work import UnitOfWork
from simwarden.sandbox.ports import VirtualSims
from simwarden.store import eligibility as store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simwarden.domain.command import Command
    from simwarden.domain.sim import Sim
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

CHECK, QUERY_PATH = "/eligibility-info/v0.1/eligibility-check", "/iot-sim-fraud-prevention/v0.1/query"
BIND_PATH = "/iot-sim-fraud-prevention/v0.1/bind"
QUERY, BIND, WHERE = "iot-sim-fraud-prevention:query", "iot-sim-fraud-prevention:bind", "location-retrieval:read"
NUMBER, OTHER = OWN["phoneNumber"], "+8613800000002"
IMSI, OTHER_IMSI = "460003800000001", "460003800000002"
OWN_IMEI, THIEFS_IMEI = "35209900176148", "86052105000017"


class Clock:
    """A time that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish()
    return made


def cause() -> Cause:
    return Cause(CauseKind.OPERATOR, "test", datetime.now(UTC))


async def check(house: House, *scopes: str, body: Mapping[str, str] = OWN, token: str | None = None) -> Any:
    """The answer; for a refused call status and code."""
    asked = {**body, "scopes": list(scopes or (QUERY,)), "purpose": "dpv:FraudPreventionAndDetection"}
    headers = [("x-correlator", "c-1")]
    reply = await house.client("POST", CHECK, asked, token=token or house.token, headers=headers)
    return reply.json if reply.status == 200 else (reply.status, reply.json["code"])


async def id_of(house: House, *scopes: str) -> str:
    found: str = (await check(house, *scopes))["eligibilityResponseId"]
    return found


async def use(
    house: House,
    id_: str | None,
    path: str = QUERY_PATH,
    device: Mapping[str, Any] = OWN,
    token: str | None = None,
) -> tuple[int, str]:
    body = {"device": dict(device), "bindType": "IMEIBIND", "queryType": "IMEIBIND"}
    headers = [] if id_ is None else [("x-eligibility-response-id", id_)]
    reply = await house.client("POST", path, body, token=token or house.token, headers=headers)
    return reply.status, "" if reply.status == 200 else reply.json["message"]


async def command(house: House, wanted: Command) -> None:
    ref = SimRef(IdentifierKind.IMSI, IMSI)
    await house.commands.submit(SimCommand(ref, wanted, cause(), house.account.id))


async def seen(house: House, imei: str | None) -> None:
    """The SIM is reported in this device."""
    now = datetime.now(UTC)
    async with house.db.transaction() as connection:
        work = UnitOfWork(connection, now)
        await work.lock([IMSI])
        sighting = Sighting(imsi=IMSI, imei=imei, at=now)
        work.decide(rules.decide(work.sims[IMSI], sighting, now, Cause(CauseKind.REPORT, "gw", now)))
        await work.write()


async def test_before_and_after_a_theft(house: House) -> None:
    await house.stand(52.5, 13.4)
    assert (await use(house, None, BIND_PATH))[0] == 200
    answer = await check(house, QUERY, BIND, "no-such:scope")
    assert [item["eligibility"] for item in answer["statusInfo"]] == [True, True, False]
    id_ = answer["eligibilityResponseId"]
    assert (await use(house, id_))[0] == 200
    await seen(house, THIEFS_IMEI)
    status, message = await use(house, id_)
    assert (status, message) == (403, "The subscription has changed since its eligibility was checked: check it again")
    assert (await use(house, None))[0] == 200, "without the header all is as it was"
    again = await check(house, QUERY, WHERE)
    assert {item["contextCode"] for item in again["statusInfo"]} == {"BARRED"}
    assert (await use(house, again["eligibilityResponseId"]))[0] == 403
    await seen(house, OWN_IMEI)
    assert (await use(house, id_))[0] == 403, "an answer that ended does not come back"
    assert (await use(house, await id_of(house)))[0] == 200


@pytest.mark.parametrize("imei", [OWN_IMEI, None])
async def test_a_sighting_that_changes_neither_device_nor_bars_ends_nothing(house: House, imei: str | None) -> None:
    id_ = await id_of(house)
    await seen(house, imei)
    assert (await use(house, id_))[0] == 200


async def test_another_device_of_a_sim_that_is_not_bound_ends_it(house: House) -> None:
    id_ = await id_of(house)
    await seen(house, THIEFS_IMEI)
    assert (await use(house, id_))[0] == 403


async def test_binding_and_closing_a_function_end_nothing(house: House) -> None:
    id_ = await id_of(house, QUERY, BIND)
    assert (await use(house, id_, BIND_PATH))[0] == 200
    await command(house, SetFunctions(FunctionState.CLOSED, Function.VOICE))
    assert (await use(house, id_))[0] == 200


async def test_suspending_and_restoring_end_it(house: House) -> None:
    first = await id_of(house)
    await command(house, Transition(Step.SUSPEND))
    assert (await use(house, first))[0] == 403
    suspended = await check(house, QUERY)
    assert suspended["statusInfo"][0]["contextCode"] == "SUSPENDED"
    await command(house, Transition(Step.RESTORE))
    assert (await use(house, first))[0] == 403
    assert (await use(house, suspended["eligibilityResponseId"]))[0] == 403
    assert (await use(house, await id_of(house)))[0] == 200


async def test_a_number_that_moves_takes_no_answer_along(house: House) -> None:
    id_ = await id_of(house)
    await identity.rename(house.db, IMSI, {"msisdn": None}, cause())
    assert (await use(house, id_))[0] == 403
    await identity.rename(house.db, OTHER_IMSI, {"msisdn": NUMBER}, cause())
    assert (await use(house, id_))[0] == 403
    new = await id_of(house)
    assert (await use(house, new))[0] == 200
    assert (await use(house, new, device={"phoneNumber": "+8613800000001"}))[0] == 200


async def test_a_sim_that_is_deleted_and_comes_again_is_another_one(house: House) -> None:
    id_ = await id_of(house)
    for step in (Step.DEACTIVATE, Step.DELETE):
        await command(house, Transition(step))
    assert (await use(house, id_))[0] == 403
    assert (await use(house, None))[0] == 404
    assert await check(house) == (404, "IDENTIFIER_NOT_FOUND")
    await provision.add(house.db, provision.new_sim(house.account.id, imsi=IMSI, msisdn=NUMBER), cause())
    assert (await use(house, id_))[0] == 403
    assert (await use(house, await id_of(house)))[0] == 200


async def test_a_sim_is_the_same_by_all_its_names(house: House) -> None:
    await house.db.execute("update sim set iccid = null where imsi = $1", IMSI)
    bucket = await house.db.fetchval("select bucket from sim where imsi = $1", IMSI)
    await house.db.execute(
        """insert into sim_identifier (kind, value, bucket, imsi, account_id)
           values ('ipv6', '2001:db8::7', $1, $2, $3), ('ipv4', '84.125.93.10:59765', $1, $2, $3)""",
        bucket,
        IMSI,
        house.account.id,
    )
    id_ = await id_of(house)
    assert (await use(house, id_, device={"ipv6Address": "2001:DB8::7"}))[0] == 200
    ipv4 = {"ipv4Address": {"publicAddress": "84.125.93.10", "publicPort": 59765}}
    assert (await use(house, id_, device=ipv4))[0] == 200
    assert (await use(house, id_, device={"ipv6Address": "2001:db8::8"}))[0] == 403
    status, message = await use(house, id_, device={"phoneNumber": OTHER})
    assert (status, message) == (403, "The eligibility response is about another subscription")


async def test_an_answer_is_the_applications_own(house: House) -> None:
    id_ = await id_of(house)
    colleague = await house.token_of(await applications.issue(house.accounts, "meters", "other", [QUERY]))
    refused = {
        await use(house, id_, token=colleague),
        await use(house, id_, token=house.stranger),
        await use(house, id_, device=FOREIGN, token=house.stranger),
        await use(house, "00" + id_[2:]) if id_[:2] != "00" else await use(house, "01" + id_[2:]),
    }
    text = "The eligibility response does not exist, or has expired: check the eligibility again"
    assert refused == {(403, text)}
    other_scope = await id_of(house, BIND)
    text = "The scope of this operation was not checked, or the subscription is not eligible for it"
    assert await use(house, other_scope) == (403, text)
    assert (await use(house, "no-id"))[0] == 400


async def test_a_foreign_number_and_an_unknown_one_cost_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await check(house, body=UNKNOWN)  # tokens and keys are read with the first call
    watched = Watched(monkeypatch)
    answers, costs = [], []
    for body in (UNKNOWN, FOREIGN, UNKNOWN, FOREIGN):
        watched.seen.clear()
        answers.append(await check(house, QUERY, WHERE, body=body))
        costs.append(list(watched.seen))
    assert answers[0] == (404, "IDENTIFIER_NOT_FOUND")
    assert all(answer == answers[0] for answer in answers)
    assert all(cost == costs[0] and all(rows == 0 for _, rows in cost) for cost in costs)
    assert await house.db.fetchval("select count(*) from eligibility") == 0


async def test_a_call_without_the_header_costs_no_statement_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = await id_of(house)
    await use(house, None)
    watched = Watched(monkeypatch)
    await use(house, None)
    plain = [query for query, _ in watched.seen]
    watched.seen.clear()
    await use(house, id_)
    assert [query for query, _ in watched.seen] == [store.Q["find"], store.Q["addresses"], *plain]
    assert not [query for query in plain if "eligibility" in query]


async def test_the_engine_does_not_know_of_answers(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends an answer costs the same statements whether there is one or not."""
    costs = []
    for ask in (False, True):
        if ask:
            await check(house)
        watched = Watched(monkeypatch)
        await seen(house, THIEFS_IMEI if ask else OWN_IMEI.replace("3", "4"))
        await command(house, Transition(Step.SUSPEND))
        await command(house, Transition(Step.RESTORE))
        costs.append([query for query, _ in watched.seen])
        monkeypatch.undo()
    assert costs[0] == costs[1]
    assert not [query for query in costs[1] if "eligibility" in query]


async def sim_of(house: House, number: str = NUMBER) -> Sim:
    found = await house.sims.find(house.account.id, SimRef(IdentifierKind.MSISDN, number))
    assert found is not None
    return found


async def test_an_answer_expires_and_is_forgotten(house: House, vault: Vault) -> None:
    clock = Clock()
    answers = Eligibility(house.db, seconds=60, clock=clock)
    app_key = house.issued.application.app_key
    kept = await answers.keep(app_key, await sim_of(house), NUMBER, [QUERY])
    assert (kept.ttl, kept.expires_at) == (60, clock.now + timedelta(seconds=60))
    assert (UUID(kept.id).version, UUID(kept.id).bytes[0]) == (4, (await sim_of(house)).bucket)
    clock.now += timedelta(seconds=59)
    assert SimRef(IdentifierKind.MSISDN, NUMBER) in await answers.covered(UUID(kept.id), app_key, {QUERY})
    keeping = Keeping(house.db, vault, timedelta(days=30), expired=northbound.prune, clock=clock)
    await keeping.turn()
    assert await house.db.fetchval("select count(*) from eligibility") == 1
    clock.now += timedelta(seconds=1)
    with pytest.raises(NotEligible, match="expired"):
        await answers.covered(UUID(kept.id), app_key, {QUERY})
    await keeping.turn()
    assert await house.db.fetchval("select count(*) from eligibility") == 0


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Answers are stored when this is set."""
    may, insert = asyncio.Event(), store.insert

    async def later(db: Database, rows: Sequence[store.StoredEligibility]) -> None:
        await may.wait()
        await insert(db, rows)

    monkeypatch.setattr(store, "insert", later)
    return may


async def test_an_answer_is_given_before_it_is_stored_and_holds_in_each_process(
    house: House, slow: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Eligibility(house.db), Eligibility(house.db)
    found = await sim_of(house)
    slow.set()
    await one.keep("app", found, NUMBER, [QUERY])  # the first is waited for
    slow.clear()
    kept = await one.keep("app", found, NUMBER, [QUERY])
    assert await house.db.fetchval("select count(*) from eligibility") == 1
    here = asyncio.create_task(one.covered(UUID(kept.id), "app", {QUERY}))
    monkeypatch.setattr("simwarden.engine.eligibility.LOOK_AGAIN", (0.01,) * 6000)
    there = asyncio.create_task(other.covered(UUID(kept.id), "app", {QUERY}))
    await asyncio.sleep(0.05)
    assert not here.done()
    assert not there.done()
    slow.set()
    assert await here == await there >= {SimRef(IdentifierKind.MSISDN, NUMBER)}
    await one.drain()
    assert await house.db.fetchval("select count(*) from eligibility") == 2


async def test_what_cannot_be_stored_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, found, insert = Eligibility(house.db), await sim_of(house), store.insert

    async def broken(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(store, "insert", broken)
    with pytest.raises(StoreUnavailable):
        await answers.keep("app", found, NUMBER, [QUERY])
    monkeypatch.setattr(store, "insert", insert)
    await answers.keep("app", found, NUMBER, [QUERY])
    monkeypatch.setattr(store, "insert", broken)
    lost = await answers.keep("app", found, NUMBER, [QUERY])  # it is not known yet that nothing can be stored
    with pytest.raises(NotEligible, match="does not exist"):
        await answers.covered(UUID(lost.id), "app", {QUERY})
    with pytest.raises(StoreUnavailable):
        await answers.keep("app", found, NUMBER, [QUERY])
    monkeypatch.setattr(store, "insert", insert)
    kept = await answers.keep("app", found, NUMBER, [QUERY])
    assert await house.db.fetchval("select count(*) from eligibility where id = $1", UUID(kept.id)) == 1


async def test_of_answers_to_be_stored_not_all_are_behind(
    house: House, slow: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simwarden.engine.eligibility.MOST_WAITING", 10)
    answers, found = Eligibility(house.db), await sim_of(house)
    slow.set()
    await answers.keep("app", found, NUMBER, [QUERY])
    slow.clear()
    calls = [asyncio.create_task(answers.keep("app", found, NUMBER, [QUERY])) for _ in range(20)]
    done, waiting = await asyncio.wait(calls, timeout=0.2)
    assert (len(done), len(waiting)) == (9, 11)
    slow.set()
    await asyncio.gather(*calls)


async def test_what_happens_while_an_answer_is_made_ends_it(house: House) -> None:
    """The SIM is barred between its reading and the answer's storing."""
    app_key, found = house.issued.application.app_key, await sim_of(house)
    await seen(house, THIEFS_IMEI)
    answers = Eligibility(house.db)
    kept = await answers.keep(app_key, found, NUMBER, [QUERY])
    with pytest.raises(NotEligible, match="changed"):
        await answers.covered(UUID(kept.id), app_key, {QUERY})


async def test_an_answer_of_the_sandbox_needs_no_registered_sim(house: House) -> None:
    virtual = await VirtualSims().find(house.account.id, SimRef(IdentifierKind.MSISDN, "+8613800000118"))
    assert virtual is not None
    sandbox, live = Eligibility(house.db, registered=False), Eligibility(house.db)
    kept = await sandbox.keep("app", virtual, "+8613800000118", [QUERY])
    names = await sandbox.covered(UUID(kept.id), "app", {QUERY, BIND})
    assert names == {SimRef(IdentifierKind.MSISDN, "+8613800000118")}
    with pytest.raises(NotEligible):
        await sandbox.covered(UUID(kept.id), "app", {BIND})
    with pytest.raises(NotEligible):
        await live.covered(UUID(kept.id), "app", {QUERY})


async def test_an_account_may_have_so_many(house: House) -> None:
    clock = Clock()
    answers = Eligibility(house.db, seconds=60, per_account=20, clock=clock)
    found = await sim_of(house)
    for n in range(20):
        await answers.keep(f"app-{n % 3}", found, NUMBER, [QUERY])
    with pytest.raises(TooManyResponses, match="20 eligibility responses"):
        await answers.keep("app-4", found, NUMBER, [QUERY])
    await answers.drain()
    another = Eligibility(house.db, per_account=20, clock=clock)
    with pytest.raises(TooManyResponses):
        await another.keep("app", found, NUMBER, [QUERY])
    theirs = msgspec.structs.replace(found, account_id="somebody")
    await answers.keep("app", theirs, NUMBER, [QUERY])
    clock.now += timedelta(seconds=55)
    await Eligibility(house.db, seconds=60, per_account=21, clock=clock).keep("app", found, NUMBER, [QUERY])
    clock.now += RECOUNT_AFTER
    await another.keep("app", found, NUMBER, [QUERY])
    await answers.drain()
    assert await house.db.fetchval("select count(*) from eligibility") == 23


async def test_two_processes_exceed_the_limit_by_little(house: House) -> None:
    first, second = (Eligibility(house.db, per_account=100) for _ in range(2))
    found, kept = await sim_of(house), 0
    for _ in range(200):
        for each in (first, second):
            try:
                await each.keep("app", found, NUMBER, [QUERY])
                kept += 1
            except TooManyResponses:
                pass
    assert 100 <= kept <= 135, "for each a tenth, and what the other is storing"


async def test_a_limit_is_answered_429_with_its_name(house: House) -> None:
    found = await sim_of(house)
    rows = [(await Eligibility(house.db).keep("app", found, NUMBER, [QUERY])) for _ in range(3)]
    assert len(rows) == 3
    await house.db.execute(
        """insert into eligibility
           select bucket, gen_random_uuid(), imsi, account_id, app_key, number, scopes, event, expires_at
           from eligibility, generate_series(1, 400)"""
    )
    body = {**OWN, "scopes": [QUERY], "purpose": "dpv:A"}
    headers = [("authorization", f"Bearer {house.token}"), ("content-type", "application/json")]
    reply = await call(house.app, "POST", CHECK, msgspec.json.encode(body), headers)
    assert (reply.status, reply.json["code"], reply.headers["retry-after"]) == (429, "TOO_MANY_REQUESTS", "60")
    assert "1000" in reply.json["message"]
    assert "eligibility_responses_per_account" in reply.json["message"]
