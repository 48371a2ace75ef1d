"""Calls and short messages as they are stored."""

from __future__ import annotations

from datetime import timedelta

from tests.support.fixtures import world, world_database
from tests.support.world import START, World, imsi

from simwarden.domain.identifiers import bucket_of
from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.store import records

__all__ = ["world", "world_database"]


def test_a_record_lives_with_its_sim_or_with_its_gateway() -> None:
    assert records.bucket_for(imsi(1), 7) == bucket_of(imsi(1))
    assert records.bucket_for(None, 7) == records.bucket_for(None, 7)
    assert {records.bucket_for(None, number) for number in range(2000)} == set(range(256))


async def test_a_message_that_is_known_stays_as_it_is(world: World) -> None:
    await world.card(1)
    first = SmsRecord(key=b"1", direction="inbound", at=START, imsi=imsi(1), content="first")
    changed = SmsRecord(key=b"1", direction="inbound", at=START, imsi=imsi(1), content="changed")
    async with world.db.transaction() as connection:
        await records.add_sms(connection, world.vault, [(1, first, START), (1, changed, START)])
        await records.add_sms(connection, world.vault, [(1, changed, START), (2, changed, START)])
    found = await records.sms_of(world.db, world.vault, await world.sim(1))
    assert sorted((row["gateway_id"], row["content"]) for row in found) == [(1, "first"), (2, "changed")]


async def test_a_message_is_stored_once_when_its_slot_holds_another_card_by_its_repetition(world: World) -> None:
    await world.card(1, 2)
    async with world.db.transaction() as connection:
        for holder in (imsi(1), imsi(2), None):
            named = SmsRecord(key=b"1", direction="inbound", at=START, imsi=holder, port=1, content="once")
            await records.add_sms(connection, world.vault, [(1, named, START)])
    assert [row["imsi"] for row in await world.db.fetch("select imsi from sms")] == [imsi(1)]


async def test_a_call_grows_and_never_shrinks(world: World) -> None:
    await world.card(1)
    seconds = [START + timedelta(seconds=number) for number in range(5)]
    whole = CallRecord(
        call_id="a",
        imsi=imsi(1),
        begin_at=seconds[0],
        alert_at=seconds[1],
        answer_at=seconds[2],
        update_at=seconds[3],
        end_at=seconds[4],
        reason="done",
    )
    async with world.db.transaction() as connection:
        await records.save_calls(connection, world.vault, [(1, whole, START)])
        await records.save_calls(connection, world.vault, [(1, CallRecord(call_id="a", update_at=seconds[2]), START)])
        await records.save_calls(
            connection, world.vault, [(2, CallRecord(call_id="a", imsi=imsi(1), begin_at=START), START)]
        )
    found = {row["gateway_id"]: row for row in await records.calls_of(world.db, world.vault, await world.sim(1))}
    assert set(found) == {1, 2}, "a Call-ID names a call at its gateway"
    row = found[1]
    assert [row[name] for name in ("begin_at", "alert_at", "answer_at", "update_at", "end_at")] == seconds
    assert row["reason"] == "done"


async def test_the_newest_come_first_and_no_more_than_asked_for(world: World) -> None:
    await world.card(1, 2)
    items = [
        (1, SmsRecord(key=b"%d" % n, direction="inbound", at=START + timedelta(seconds=n), imsi=imsi(1)), START)
        for n in range(5)
    ]
    async with world.db.transaction() as connection:
        await records.add_sms(connection, world.vault, items)
    found = await records.sms_of(world.db, world.vault, await world.sim(1), limit=2)
    assert [row["key"] for row in found] == [records.sms_key(world.vault, key) for key in (b"4", b"3")]
    assert await records.sms_of(world.db, world.vault, await world.sim(2)) == []
