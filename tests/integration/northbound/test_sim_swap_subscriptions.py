"""A subscription follows its number: from card to card of one account, past the death of the cards, and no further."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance import contract
from tests.integration.northbound.house import House
from tests.integration.northbound.test_sim_swap import NEW, NUMBER, OLD, cause
from tests.support.patience import PATIENCE

from simwarden.domain.identifiers import bucket_of
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine import identity, imports, provision
from simwarden.engine.commands.command import SimCommand
from simwarden.notify import cloudevents

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

PATH = "/sim-swap-subscriptions/v0.3/subscriptions"
SWAPPED = "org.camaraproject.sim-swap-subscriptions.v0.swapped"


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish()
    return made


def wish(**config: Any) -> dict[str, Any]:
    """A subscription to the swaps of NUMBER."""
    return {
        "protocol": "HTTP",
        "sink": "https://events.example.com/sink",
        "types": [SWAPPED],
        "config": {"subscriptionDetail": {"phoneNumber": NUMBER}, **config},
    }


async def subscribe(house: House, *, token: str | None = None, **config: Any) -> str:
    reply = await house.client("POST", PATH, wish(**config), token=token or house.token)
    assert reply.status == 201, reply.json
    made: str = reply.json["id"]
    return made


async def told(house: House, subscription: str) -> list[str]:
    """The last words of the types of its events; each is held against CAMARA's schema."""
    rows = await house.db.fetch("select * from delivery where subscription_id = $1 order by n", subscription)
    upstream = contract.camaras("sim-swap-subscriptions")
    kinds = []
    for row in rows:
        kind = row["type"].rpartition(".")[2].removeprefix("subscription-")
        event = cloudevents.render(
            event_id=row["event_id"],
            source="urn:simwarden",
            type=row["type"],
            time=row["time"],
            subscription_id=subscription,
            data=row["data"],
        )
        if upstream is not None and kind == "swapped":  # the types of the others are misspelt there
            upstream.schema("EventSimSwap").validate(json.loads(event))
        if kind == "swapped":
            assert row["data"] == {"phoneNumber": NUMBER}
        kinds.append(kind)
    return kinds


async def delete(house: House, imsi: str) -> None:
    for step in (Step.DEACTIVATE, Step.DELETE):
        ref = SimRef(IdentifierKind.IMSI, imsi)
        await house.commands.submit(SimCommand(ref, Transition(step), cause(), house.account.id))


async def test_a_number_that_is_taken_and_given_to_another_sim_is_told_once(house: House) -> None:
    id_ = await subscribe(house)
    await identity.rename(house.db, OLD, {"msisdn": None}, cause())
    assert await told(house, id_) == ["started"], "not before it is in another SIM"
    await identity.rename(house.db, NEW, {"msisdn": NUMBER}, cause())
    assert await told(house, id_) == ["started", "swapped"]
    [row] = await house.db.fetch("select time from delivery where subscription_id = $1 and n = 2", id_)
    date = await house.client("POST", "/sim-swap/v2/retrieve-date", {"phoneNumber": NUMBER}, token=house.token)
    assert row["time"] == datetime.fromisoformat(date.json["latestSimChange"])


async def test_it_outlives_the_sim_and_goes_on_with_the_next(house: House) -> None:
    id_ = await subscribe(house)
    await delete(house, OLD)
    assert (await house.client("GET", f"{PATH}/{id_}", token=house.token)).json["status"] == "ACTIVE"
    new = provision.new_sim(house.account.id, imsi="460003800000077", msisdn=NUMBER)
    await provision.add(house.db, new, cause())
    assert await told(house, id_) == ["started", "swapped"]
    await delete(house, "460003800000077")
    text = f"imsi,msisdn\n460003800000078,{NUMBER}\n460003800000079,+8613800000079\n"
    rows = imports.read_rows(imports.lines_of(text.encode()), house.account.id)
    assert (await imports.import_rows(house.db, rows, house.account.id, imports.Way(cause()))).added == 2
    assert await told(house, id_) == ["started", "swapped", "swapped"]


async def test_the_same_sim_again_is_not_told(house: House) -> None:
    id_ = await subscribe(house)
    await identity.rename(house.db, OLD, {"msisdn": None}, cause())
    await identity.rename(house.db, OLD, {"msisdn": NUMBER}, cause())
    assert await told(house, id_) == ["started"]


async def test_another_account_that_gets_the_number_is_nobodys_business(house: House) -> None:
    id_ = await subscribe(house)
    await identity.rename(house.db, OLD, {"msisdn": None}, cause())
    await identity.rename(house.db, "460003800000009", {"msisdn": NUMBER}, cause())
    assert await told(house, id_) == ["started"]
    theirs = await subscribe(house, token=house.stranger)
    await identity.rename(house.db, "460003800000009", {"msisdn": None}, cause())
    await identity.rename(house.db, NEW, {"msisdn": NUMBER}, cause())
    assert await told(house, id_) == ["started", "swapped"], "its own account has it again, in another SIM"
    assert await told(house, theirs) == ["started"]


async def test_it_ends_after_so_many_events(house: House) -> None:
    id_ = await subscribe(house, subscriptionMaxEvents=1)
    for imsi in (NEW, OLD):
        other = OLD if imsi == NEW else NEW
        await identity.rename(house.db, other, {"msisdn": None}, cause())
        await identity.rename(house.db, imsi, {"msisdn": NUMBER}, cause())
    assert await told(house, id_) == ["started", "swapped", "ended"]


async def test_whatever_else_happens_to_the_sim_is_not_told_and_looks_for_no_follower(house: House) -> None:
    id_ = await subscribe(house)
    await identity.rename(house.db, OLD, {"nai": "meter@iot.example"}, cause())
    ref = SimRef(IdentifierKind.IMSI, OLD)
    await house.commands.submit(SimCommand(ref, Transition(Step.SUSPEND), cause(), house.account.id))
    assert await told(house, id_) == ["started"]
    [row] = await house.db.fetch("select bucket, imsi from subscription")
    assert (row["bucket"], row["imsi"]) == (bucket_of(NUMBER), NUMBER)


async def test_a_number_that_is_taken_while_somebody_subscribes_is_not_found(house: House) -> None:
    """The SIM is held still while a subscription is made: nobody follows a number that has gone meanwhile."""
    async with house.db.transaction() as connection:
        await connection.execute("update sim set msisdn = null where imsi = $1", OLD)
        made = asyncio.create_task(house.client("POST", PATH, wish(), token=house.token))
        async with asyncio.timeout(PATIENCE):
            while not await house.db.fetchval("select count(*) from pg_locks where not granted"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    reply = await made
    assert (reply.status, reply.json["code"]) == (404, "IDENTIFIER_NOT_FOUND")
    assert await house.db.fetchval("select count(*) from subscription") == 0
