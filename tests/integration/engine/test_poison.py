"""What the database refuses of one sender falls on that sender alone, whatever the database calls it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.support.sleeps import with_sleep
from tests.support.world import START, Box, World, imsi

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import EventType
from simwarden.domain.reports import SmsRecord
from simwarden.engine import ingest as ingest_module
from simwarden.engine.ingest import UnacceptableReport
from simwarden.kit import batcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REFUSALS = ("22001", "23514", "54000", "54001", "P0001", "XX000", "38000", "21000", "0W000")
"""Whatever PostgreSQL may say of a value: no list of ours names them all."""
BAIT = "bait"


@pytest.fixture
async def refusing(world: World) -> AsyncIterator[World]:
    """A database that refuses messages of a pool named BAIT, with the SQLSTATE that follows it: texts are sealed."""
    await world.db.execute(
        f"""create or replace function refuse() returns trigger language plpgsql as $$
            begin
                if new.pool like '{BAIT}%' then
                    raise exception 'refused' using errcode = substr(new.pool, 5);
                end if;
                return new;
            end $$"""
    )
    await world.db.execute(
        "create or replace trigger refuse before insert on sms for each row execute function refuse()"
    )
    yield world
    await world.db.execute("drop trigger refuse on sms")


def bait(box: Box, state: str = "54000") -> Any:
    """A report that is refused."""
    text = SmsRecord(key=b"k", direction="inbound", at=START, pool=BAIT + state)
    return box.records(sms=[text])


class Tries:
    """Counts the transactions that are begun."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        whole = world.db.transaction

        def counted() -> Any:
            self.count += 1
            return whole()

        monkeypatch.setattr(world.db, "transaction", counted)


@pytest.mark.parametrize("state", REFUSALS)
async def test_a_refused_report_is_alone(refusing: World, state: str) -> None:
    bad, good = await refusing.box("bad"), await refusing.box("good")
    await refusing.card(1, 2)
    good.put(1, 1)
    good.put(2, 2)
    jobs = (refusing.take(good.port_status(1)), refusing.take(bait(bad, state)), refusing.take(good.port_status(2)))
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), UnacceptableReport, type(None)]
    for number in (1, 2):
        assert await refusing.count(number, EventType.DEVICE_SEEN) == 1


async def test_it_is_found_by_halving_not_by_trying_each(refusing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = await refusing.box("bad"), await refusing.box("good")
    await refusing.card(*range(128))
    for number in range(128):
        good.put(number, number + 1)
    tries = Tries(refusing, monkeypatch)
    first = asyncio.create_task(refusing.take(good.port_status(1)))
    await asyncio.sleep(0)  # it is written alone; the others gather meanwhile
    jobs = [refusing.take(good.port_status(number + 1)) for number in range(1, 128)]
    jobs.insert(77, refusing.take(bait(bad)))
    outcomes = await asyncio.gather(first, *jobs, return_exceptions=True)
    assert [str(type(outcome)) for outcome in outcomes if outcome is not None] == [str(UnacceptableReport)]
    assert tries.count <= 1 + 2 * 8, "128 reports, one spoilt: two tries a halving"


async def test_who_was_refused_goes_apart_and_spoils_no_batch(refusing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = await refusing.box("bad"), await refusing.box("good")
    await refusing.card(1)
    good.put(1, 1)
    with pytest.raises(UnacceptableReport):
        await refusing.take(bait(bad))
    good_tries: list[int] = []
    tries = Tries(refusing, monkeypatch)
    for _ in range(5):
        tries.count = 0
        jobs = (refusing.take(bait(bad)), refusing.take(good.port_status(1)), refusing.take(good.dev_status()))
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [UnacceptableReport, type(None), type(None)]
        good_tries.append(tries.count - 1)
    assert max(good_tries) <= 2, "the honest reports are written at the first try, in one batch or two"


async def test_one_connection_at_a_quarter_is_all_that_a_loop_gets(
    refusing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = await refusing.box("bad")
    with pytest.raises(UnacceptableReport):
        await refusing.take(bait(bad))
    rests: list[float] = []
    sleep = asyncio.sleep

    async def resting(seconds: float) -> None:
        rests.append(seconds)
        await sleep(0)

    monkeypatch.setattr(batcher, "asyncio", with_sleep(resting))
    began = time.monotonic()
    await asyncio.gather(*(refusing.take(bait(bad)) for _ in range(8)), return_exceptions=True)
    took = time.monotonic() - began
    await refusing.ingest.drain()
    assert rests
    assert 0 < sum(rests) <= ingest_module.REST * took * 1.01


async def test_no_more_wait_apart_than_there_is_room_for(refusing: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = await refusing.box("bad")
    with pytest.raises(UnacceptableReport):
        await refusing.take(bait(bad))
    monkeypatch.setattr(ingest_module, "APART_MOST", 3)
    outcomes = await asyncio.gather(*(refusing.take(bait(bad)) for _ in range(9)), return_exceptions=True)
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds.count(StoreUnavailable) >= 5
    assert kinds.count(UnacceptableReport) + kinds.count(StoreUnavailable) == 9


async def test_a_gateway_that_was_refused_is_heard_apart_and_comes_back(world: World) -> None:
    """What outsiders put into one of its reports does not silence a gateway."""
    now = [0.0]
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    world.ingest = world.another_ingest(monotonic=lambda: now[0])
    with pytest.raises(UnacceptableReport):
        await world.take(box.port_status(1, msisdn="\x00"))
    await world.take(box.port_status(1))
    assert await world.count(1, EventType.DEVICE_SEEN) == 1
    now[0] = ingest_module.APART + 1
    await world.take(box.dev_status())


async def test_what_fails_for_all_is_not_tried_one_by_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await world.box()

    async def gone(*_: Any) -> Any:
        raise asyncpg.UndefinedTableError("relation does not exist")

    monkeypatch.setattr("simwarden.store.gateways.lock", gone)
    tries = Tries(world, monkeypatch)
    first = asyncio.create_task(world.take(box.port_status(1)))
    await asyncio.sleep(0)
    outcomes = await asyncio.gather(
        first, *(world.take(box.port_status(number)) for number in range(1, 50)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {asyncpg.UndefinedTableError}
    assert tries.count == 2


async def test_a_fault_of_ours_in_one_report_spoils_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = await world.box("bad"), await world.box("good")
    await world.card(1)
    good.put(1, 1)
    monkeypatch.setattr("simwarden.engine.batch.cause_of", None)  # called for what changed a SIM only
    await world.card(2)
    bad.put(2, 1)
    jobs = (world.take(good.records()), world.take(bad.port_status(1)), world.take(good.port_status(2)))
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), TypeError, type(None)]
    assert await world.count(2, EventType.DEVICE_SEEN) == 0
    assert imsi(2) not in {row["imsi"] for row in await world.ports(bad)}
