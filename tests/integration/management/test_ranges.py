"""Number ranges: a customer registers SIMs within its own only, and learns nothing of what lies outside."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.house import House, imsi, phone

from simwarden.domain.errors import AlreadyExists
from simwarden.domain.numbering import RangeTaken, parse_range
from simwarden.engine import provision
from simwarden.store import ranges

if TYPE_CHECKING:
    from tests.unit.northbound.asgi import Reply

OUTSIDE = ("foreign", "unknown", "of another's range")
MESSAGE = "This account cannot register a SIM with these identifiers."


def outside(what: str, n: int = 0) -> dict[str, str]:
    """A SIM that `meters` must not register: the stranger's; nobody's; one that the stranger has yet to register."""
    number = {"foreign": imsi(1_000_000), "unknown": f"31015099000000{n}", "of another's range": imsi(1_000_500 + n)}
    return {"imsi": number[what]}


def shape(reply: Reply) -> tuple[int, Any, set[str]]:
    """What of an answer a caller can tell apart."""
    return reply.status, reply.json, set(reply.headers)


async def test_a_card_in_the_operators_gateway_cannot_be_claimed(house: House) -> None:
    alone = [await house.life("POST", "/add", {"devices": [outside(what)]}) for what in OUTSIDE]
    assert [shape(reply) for reply in alone] == [shape(alone[0])] * 3
    assert (alone[0].status, alone[0].json["code"], alone[0].json["message"]) == (
        422,
        "SERVICE_NOT_APPLICABLE",
        MESSAGE,
    )
    devices = [outside(what, n) for n, what in enumerate(OUTSIDE)]
    asked = await house.life("POST", "/add", {"devices": [*devices, {"imsi": imsi(900)}]})
    await house.work()
    done = (await house.life("GET", f"/operations/{asked.json['operationId']}")).json
    assert done["progress"] == {"devices": 4, "succeeded": 1, "failed": 3, "pending": 0}
    errors = [each.get("error") for each in done["results"]]
    assert errors == [{"status": 422, "code": "SERVICE_NOT_APPLICABLE", "message": MESSAGE}] * 3 + [None]
    assert await house.db.fetchval("select count(*) from sim where imsi = any ($1)", [d["imsi"] for d in devices]) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"phoneNumber": phone(1_000_900)},
        {"phoneNumber": "+491701234567"},
        {"iccid": "8986460000991000900"},
        {"iccid": "8949000000000000001"},
        {"networkAccessIdentifier": "meter@stranger.example"},
    ],
)
async def test_every_identifier_must_lie_within(house: House, more: dict[str, str]) -> None:
    reply = await house.life("POST", "/add", {"devices": [{"imsi": imsi(800), **more}]})
    assert (reply.status, reply.json["code"]) == (422, "SERVICE_NOT_APPLICABLE")
    assert await house.db.fetchval("select count(*) from sim where imsi = $1", imsi(800)) == 0


async def test_the_register_is_not_asked_about_what_lies_outside(house: House) -> None:
    """So the answer takes the same time whether the SIM is there: the tables of SIMs are not even readable here."""
    await house.db.execute("alter table sim_identifier rename to hidden_identifier")
    await house.db.execute("alter table sim rename to hidden_sim")
    try:
        for what in OUTSIDE:
            reply = await house.life("POST", "/add", {"devices": [outside(what)]})
            assert reply.status == 422
    finally:
        await house.db.execute("alter table hidden_identifier rename to sim_identifier")
        await house.db.execute("alter table hidden_sim rename to sim")


async def test_an_account_without_ranges_registers_nothing(house: House) -> None:
    await house.db.execute("delete from account_range where account_id = $1", house.account.id)
    reply = await house.life("POST", "/add", {"devices": [{"imsi": imsi(800)}]})
    assert reply.status == 422


async def test_a_range_taken_away_after_the_call_was_accepted_counts(house: House) -> None:
    asked = await house.life("POST", "/add", {"devices": [{"imsi": imsi(800)}]})
    assert asked.status == 202
    await house.manage("DELETE", "/accounts/meters/ranges?kind=imsi&range=460000990")
    await house.work()
    done = (await house.life("GET", f"/operations/{asked.json['operationId']}")).json
    assert done["results"][0]["error"]["code"] == "SERVICE_NOT_APPLICABLE"


async def test_a_range_stays_while_a_sim_is_registered_in_it(house: House) -> None:
    async with house.db.transaction() as connection:
        book = await ranges.keep(connection, house.account.id)
        assert not book.outside(house.account.id, [("imsi", imsi(800))])
        removal = asyncio.create_task(ranges.remove(house.db, house.account.id, parse_range("imsi", "460000990")))
        sim = provision.new_sim(house.account.id, imsi=imsi(800))
        await provision.insert(connection, house.account.id, [provision.NewSim(0, sim)], _cause())
        assert not removal.done()
    await removal
    assert await house.db.fetchval("select count(*) from sim where imsi = $1", imsi(800)) == 1


async def test_ranges_over_the_management_api(house: House) -> None:
    made = await house.manage("POST", "/accounts/meters/ranges", {"kind": "imsi", "range": "31015-31017"})
    assert made.status == 201
    listed = (await house.manage("GET", f"/accounts/{house.account.id}/ranges")).json
    assert made.json in listed["ranges"]
    assert listed["account"] == house.account.id
    for body, status, says in (
        ({"kind": "imsi", "range": "310160"}, 409, "covers"),
        ({"kind": "imsi", "range": "46000"}, 409, "overlaps imsi 460000991, which the account stranger holds"),
        ({"kind": "imsi", "range": "4600009915"}, 409, "stranger"),
        ({"kind": "imsi", "range": "310-31"}, 400, "same length"),
    ):
        refused = await house.manage("POST", "/accounts/meters/ranges", body)
        assert (refused.status, says in refused.json["message"]) == (status, True), refused.body
    gone = await house.manage("DELETE", "/accounts/meters/ranges?kind=imsi&range=31015-31017")
    assert gone.status == 204
    again = await house.manage("DELETE", "/accounts/meters/ranges?kind=imsi&range=31015-31017")
    assert (again.status, again.json["message"]) == (404, "The account has no range imsi 31015-31017")
    assert (await house.manage("GET", "/accounts/nobody/ranges")).status == 404
    assert (await house.manage("DELETE", "/accounts/meters/ranges?kind=imsi")).status == 400
    denied = await house.manage("POST", "/accounts/meters/ranges", {"kind": "imsi", "range": "9"}, token=house.reader)
    assert denied.status == 403


async def test_of_two_accounts_at_once_one_gets_the_range(house: House) -> None:
    wanted = [(house.account.id, "26201-26203"), (house.stranger.id, "262020")] * 6
    tries = [ranges.add(house.db, account, parse_range("imsi", text)) for account, text in wanted]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    owners = {account for (account, _), end in zip(wanted, ended, strict=True) if not isinstance(end, Exception)}
    assert len(owners) == 1
    assert {type(end) for end in ended if isinstance(end, Exception)} <= {RangeTaken, AlreadyExists}


def _cause() -> Any:
    from tests.integration.management.house import CAUSE

    return CAUSE
