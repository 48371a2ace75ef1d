"""A number changes hands: what its new subscriber may know, by the record as it is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.northbound.house import House
from tests.integration.northbound.test_sim_swap import NEW, NUMBER, OLD, cause
from tests.integration.northbound.test_tenants import FOREIGN, OWN, UNKNOWN, Watched

from simwarden.engine import identity

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

RECYCLED, TENURE = "/number-recycling/v0.2/check", "/kyc-tenure/v0.2/check-tenure"
DATE_OF = {RECYCLED: "specifiedDate", TENURE: "tenureDate"}
THEIRS = "460003800000009"
"""The stranger's SIM."""


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish()
    return made


async def ask(house: House, path: str, days_ago: int, body: Any = OWN, token: str | None = None) -> Any:
    day = (datetime.now(UTC) - timedelta(days=days_ago)).date().isoformat()
    asked = body | {DATE_OF[path]: day}
    reply = await house.client("POST", path, asked, token=token or house.token, headers=[("x-correlator", "c-1")])
    return reply.json.popitem()[1] if reply.status == 200 else (reply.status, reply.json["code"])


async def long_ago(house: House, days: int) -> None:
    """All that is recorded happened earlier than it did."""
    await house.db.execute(
        """update number_assignment set since = since - $1 * interval '1 day', until = until - $1 * interval '1 day',
           sim_since = sim_since - $1 * interval '1 day', owner_since = owner_since - $1 * interval '1 day'""",
        days,
    )
    await house.db.execute("update sim set created_at = created_at - $1 * interval '1 day'", days)


async def test_a_swap_within_the_account_changes_nothing(house: House) -> None:
    await long_ago(house, 100)
    await identity.rename(house.db, OLD, {"msisdn": None}, cause())
    await house.db.execute("update number_assignment set until = now() - interval '23 hours' where until <> 'infinity'")
    await identity.rename(house.db, NEW, {"msisdn": NUMBER}, cause())
    assert await ask(house, TENURE, 100) is True
    assert await ask(house, RECYCLED, 100) is False
    assert await ask(house, TENURE, 101) == (422, "SERVICE_NOT_APPLICABLE"), "the record does not reach back so far"
    assert await ask(house, RECYCLED, 101) == (422, "SERVICE_NOT_APPLICABLE")


async def test_a_number_that_had_another_account_is_recycled(house: House) -> None:
    await long_ago(house, 100)
    await identity.rename(house.db, OLD, {"msisdn": None}, cause())
    await long_ago(house, 50)
    assert await ask(house, RECYCLED, 1) == (404, "IDENTIFIER_NOT_FOUND"), "it is nobody's"
    await identity.rename(house.db, THEIRS, {"msisdn": NUMBER}, cause())
    await long_ago(house, 20)
    for days_ago, recycled in ((19, False), (20, False), (21, True), (69, True), (120, True), (9000, True)):
        assert await ask(house, RECYCLED, days_ago, token=house.stranger) is recycled, days_ago
        assert await ask(house, TENURE, days_ago, token=house.stranger) is not recycled, days_ago
    assert await ask(house, RECYCLED, 1) == (404, "IDENTIFIER_NOT_FOUND"), "it is another account's"


async def test_a_number_that_was_nobodys_for_long_is_recycled_for_its_own_account_too(house: House) -> None:
    await long_ago(house, 100)
    await identity.rename(house.db, OLD, {"msisdn": None}, cause())
    await long_ago(house, 2)
    await identity.rename(house.db, OLD, {"msisdn": NUMBER}, cause())
    assert await ask(house, RECYCLED, 0) is False
    assert await ask(house, RECYCLED, 50) is True
    assert await ask(house, TENURE, 50) is False


@pytest.mark.parametrize("path", [RECYCLED, TENURE])
async def test_a_foreign_number_and_an_unknown_one_cost_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    watched = Watched(monkeypatch)
    await ask(house, path, 1, UNKNOWN)  # tokens and keys are read with the first call
    answers, costs = [], []
    for body in (UNKNOWN, FOREIGN, UNKNOWN, FOREIGN):
        watched.seen.clear()
        answers.append(await ask(house, path, 1, body))
        costs.append(sorted(watched.seen))  # the SIM and whose the number is are looked up beside each other
    assert answers[0] == (404, "IDENTIFIER_NOT_FOUND")
    assert all(answer == answers[0] for answer in answers)
    assert all(cost == costs[0] and all(rows == 0 for _, rows in cost) for cost in costs)
