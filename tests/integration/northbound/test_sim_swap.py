"""A number goes from card to card: what the bank is told before, meanwhile and after; and whose it is to know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.northbound.house import House
from tests.integration.northbound.test_tenants import FOREIGN, OWN, UNKNOWN, Watched

from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine import identity, provision
from simwarden.engine.commands.command import SimCommand

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

NUMBER = OWN["phoneNumber"]
OLD, NEW = "460003800000001", "460003800000002"
"""The SIMs of the house: the one of NUMBER, and another."""
DATE, CHECK = "/sim-swap/v2/retrieve-date", "/sim-swap/v2/check"


def cause() -> Cause:
    return Cause(CauseKind.OPERATOR, "test", datetime.now(UTC))


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish()
    await database.execute("update sim set created_at = '2025-01-01'")
    return made


async def ask(house: House, path: str, body: dict[str, Any], token: str | None = None) -> Any:
    reply = await house.client("POST", path, body, token=token or house.token, headers=[("x-correlator", "c-1")])
    return reply.json if reply.status == 200 else (reply.status, reply.json["code"])


async def events_at(house: House, imsi: str) -> datetime:
    """When the last thing happened to a SIM."""
    sim = await house.sims.find(house.account.id, SimRef(IdentifierKind.IMSI, imsi))
    assert sim is not None
    return (await house.sims.events(sim))[-1].at


async def test_before_during_and_after_a_swap(house: House) -> None:
    assert await ask(house, CHECK, OWN | {"maxAge": 1}) == {"swapped": False}
    await identity.rename(house.db, OLD, {"msisdn": None}, cause())
    assert await ask(house, CHECK, OWN) == (404, "IDENTIFIER_NOT_FOUND")
    await identity.rename(house.db, NEW, {"msisdn": NUMBER}, cause())
    assert await ask(house, CHECK, OWN | {"maxAge": 1}) == {"swapped": True}
    date = await ask(house, DATE, OWN)
    assert datetime.fromisoformat(date["latestSimChange"]) == await events_at(house, NEW)


async def test_the_same_sim_again_is_no_swap(house: House) -> None:
    await identity.rename(house.db, OLD, {"msisdn": None}, cause())
    await identity.rename(house.db, OLD, {"msisdn": NUMBER}, cause())
    assert await ask(house, CHECK, OWN | {"maxAge": 2400}) == {"swapped": False}
    assert (await ask(house, DATE, OWN))["latestSimChange"].startswith("2025-01-01T")


async def test_a_card_that_is_replaced_by_deleting_and_registering_is_a_swap(house: House) -> None:
    for step in (Step.DEACTIVATE, Step.DELETE):
        ref = SimRef(IdentifierKind.IMSI, OLD)
        await house.commands.submit(SimCommand(ref, Transition(step), cause(), house.account.id))
    assert await ask(house, CHECK, OWN) == (404, "IDENTIFIER_NOT_FOUND")
    new = provision.new_sim(house.account.id, imsi="460003800000077", msisdn=NUMBER)
    await provision.add(house.db, new, cause())
    assert await ask(house, CHECK, OWN | {"maxAge": 1}) == {"swapped": True}
    date = await ask(house, DATE, OWN)
    assert datetime.fromisoformat(date["latestSimChange"]) == await events_at(house, "460003800000077")


async def test_what_the_account_before_did_with_a_number_is_not_told(house: House) -> None:
    """The stranger is given the number: it is as new to it as one that nobody had."""
    await identity.rename(house.db, OLD, {"msisdn": None}, cause())
    await identity.rename(house.db, "460003800000009", {"msisdn": NUMBER}, cause())
    await identity.rename(house.db, NEW, {"msisdn": "+8613800000777"}, cause())
    assert await ask(house, CHECK, OWN) == (404, "IDENTIFIER_NOT_FOUND")
    found = await ask(house, DATE, OWN, house.stranger)
    assert datetime.now(UTC) - datetime.fromisoformat(found["latestSimChange"]) < timedelta(hours=1)
    fresh = await ask(house, DATE, {"phoneNumber": "+8613800000777"})
    assert found.keys() == fresh.keys()


async def test_a_sim_from_before_the_record_is_unknown(house: House) -> None:
    await house.db.execute("update sim set number_new = null")
    assert await ask(house, DATE, OWN) == {"latestSimChange": None}
    assert await ask(house, CHECK, OWN) == (422, "SERVICE_NOT_APPLICABLE")


@pytest.mark.parametrize("path", [DATE, CHECK])
async def test_a_foreign_number_and_an_unknown_one_cost_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    watched = Watched(monkeypatch)
    await ask(house, path, UNKNOWN)  # tokens and keys are read with the first call
    answers, costs = [], []
    for body in (UNKNOWN, FOREIGN, UNKNOWN, FOREIGN):
        watched.seen.clear()
        answers.append(await ask(house, path, body))
        costs.append(list(watched.seen))
    assert answers[0] == (404, "IDENTIFIER_NOT_FOUND")
    assert all(answer == answers[0] for answer in answers)
    assert all(cost == costs[0] and all(rows == 0 for _, rows in cost) for cost in costs)
    watched.seen.clear()
    assert isinstance(await ask(house, path, OWN), dict)
    assert [rows for _, rows in watched.seen] == [1], "the SIM, which says since when it has its number"
