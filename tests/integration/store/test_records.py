"""Calls and short messages as they are stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.fixtures import world, world_database
from tests.support.world import START, World, imsi

from simwarden.domain.identifiers import bucket_of
from simwarden.domain.records import OfAccount, OfGateway, OfSim, RecordQuery, behind
from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.store import records, sims
from simwarden.store.record_lists import RecordLists

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


def test_progress_is_by_time_and_then_by_how_much_is_told() -> None:
    begun = CallRecord(call_id="a", begin_at=START)
    answered = CallRecord(call_id="a", begin_at=START, answer_at=START)
    ended = CallRecord(call_id="a", begin_at=START, end_at=START + timedelta(seconds=1))
    ranks = [records.progress_of(call) for call in (CallRecord(call_id="a"), begun, answered, ended)]
    assert ranks == sorted(set(ranks))


async def test_a_call_moves_to_its_sim_when_that_is_told(world: World) -> None:
    await world.card(1)
    nameless = CallRecord(call_id="a", begin_at=START, caller="+85291234567", direction="inbound")
    named = CallRecord(call_id="a", begin_at=START, imsi=imsi(1), end_at=START + timedelta(seconds=9))
    async with world.db.transaction() as connection:
        await records.save_calls(connection, world.vault, [(1, nameless, START)])
    assert await records.calls_of(world.db, world.vault, await world.sim(1)) == []
    async with world.db.transaction() as connection:
        await records.save_calls(connection, world.vault, [(1, named, START), (1, nameless, START)])
    (row,) = await records.calls_of(world.db, world.vault, await world.sim(1))
    assert (row["bucket"], row["account_id"], row["caller"]) == (bucket_of(imsi(1)), "acme", "+85291234567")
    assert (row["end_at"], row["at"]) == (named.end_at, START)
    assert await world.db.fetchval("select count(*) from call_record") == 1


OTHER = "+85291234567"


def told(n: int, stage: int, whole: bool) -> CallRecord:
    """What is told of call `n` at a stage: begun, ringing, answered, going on, ended; perhaps not all of it."""
    at = [START + timedelta(minutes=n, seconds=10 * second) for second in range(5)]
    return CallRecord(
        call_id=f"c-{n}",
        imsi=imsi(n % 2 + 1),
        iccid="898600" if whole else None,
        port=1 if whole else None,
        direction="inbound",
        caller=OTHER if whole else None,
        callee="" if whole else None,
        begin_at=at[0],
        alert_at=at[1] if stage >= 1 and whole else None,
        answer_at=at[2] if stage >= 2 else None,
        update_at=at[3] if stage >= 3 and whole else None,
        end_at=at[4] if stage >= 4 else None,
        reason_code=201 if stage >= 4 else None,
        reason="Caller Hangup" if stage >= 4 else None,
        cause_code=16 if stage >= 4 and whole else None,
        detail={"stage": stage, "whole": whole},
    )


def message(n: int, *, named: bool) -> SmsRecord:
    return SmsRecord(
        key=b"m-%d" % n,
        direction=("inbound", "outbound", "report")[n % 3],
        at=START + timedelta(seconds=n),
        imsi=imsi(1) if named else None,
        sender=OTHER,
        receiver="10086",
        content=f"text {n}",
        status=n,
        status_text="Delivered",
        task=n,
    )


async def as_stored(world: World) -> list[dict[str, Any]]:
    """Every row, unsealed; when it was reported last is left out, as that is the order itself."""
    found = []
    for table, opened in (("sms", records.opened_sms), ("call_record", records.opened_call)):
        for row in await world.db.fetch(f"select * from {table} order by gateway_id, key"):
            plain = {**row, **opened(world.vault, row)}
            found.append({name: each for name, each in plain.items() if name != "received_at" and "sealed" not in name})
    return found


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_and_repetition_of_records_gives_the_same_rows(world: World, data: st.DataObject) -> None:
    """Messages that name their SIM, and calls of which some reports tell less than others."""
    if not await world.db.fetchval("select count(*) from sim"):
        await world.card(1, 2)
    messages = [(g, message(n, named=n != 5)) for n in range(6) for g in (1, 2)]
    stages = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.booleans()), max_size=10))
    calls = [(1, told(*each)) for each in stages]
    everything: list[tuple[int, SmsRecord | CallRecord]] = [*messages, *calls]

    async def take(items: list[tuple[int, SmsRecord | CallRecord]]) -> list[dict[str, Any]]:
        for table in ("sms", "call_record"):
            await world.db.execute(f"delete from {table}")
        left = list(items)
        while left:
            size = data.draw(st.integers(1, len(left)))
            part, left = left[:size], left[size:]
            async with world.db.transaction() as connection:
                sms = [(g, each, START) for g, each in part if isinstance(each, SmsRecord)]
                await records.add_sms(connection, world.vault, sms)
                made = [(g, each, START) for g, each in part if isinstance(each, CallRecord)]
                await records.save_calls(connection, world.vault, made)
        return await as_stored(world)

    expected = await take(everything)
    repeated = data.draw(st.lists(st.sampled_from(everything), max_size=10))
    assert await take(data.draw(st.permutations([*everything, *repeated]))) == expected


async def test_lists_of_sims_accounts_and_gateways(world: World) -> None:
    await world.card(1)
    lists = RecordLists(world.db, world.vault)
    async with world.db.transaction() as connection:
        unknown = msgspec.structs.replace(message(7, named=False), imsi=imsi(99), key=b"unknown")
        sms = [(g, message(n, named=n != 5), START) for n in range(6) for g in (1, 2)]
        await records.add_sms(connection, world.vault, [*sms, (1, unknown, START)])
        await records.save_calls(connection, world.vault, [(1, told(1, 4, True), START), (1, told(3, 2, True), START)])

    async def listed(of: Any, **more: Any) -> list[int | None]:
        given: dict[str, Any] = {"since": START - timedelta(1), "until": START + timedelta(1), "limit": 100} | more
        return [each.status for each in await lists.messages(RecordQuery(of=of, **given))]

    mine = OfSim(imsi(1), "acme")
    assert await listed(mine) == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    assert await listed(OfSim(imsi(1), "other")) == []
    assert await listed(OfSim(imsi(99))) == [7]
    assert await listed(OfAccount("acme"), direction="inbound") == [3, 3, 0, 0]
    assert await listed(OfAccount("acme", 2)) == [4, 3, 2, 1, 0]
    assert await listed(OfAccount("other")) == []
    assert await listed(OfGateway(1)) == [7, 5, 4, 3, 2, 1, 0]
    assert await listed(OfGateway(1, unknown=True)) == [7, 5]
    assert await listed(mine, since=START + timedelta(seconds=1), until=START + timedelta(seconds=3)) == [2, 2, 1, 1]
    assert await listed(mine, other_party="0085291234567") == [3, 3, 0, 0], "the same number, dialled abroad"
    assert await listed(mine, other_party="10086") == [4, 4, 2, 2, 1, 1]
    assert await listed(mine, other_party=" ") == []
    for of in (mine, OfAccount("acme"), OfGateway(1)):
        whole = await listed(of)
        pages, place = [], None
        while page := await lists.messages(
            RecordQuery(of=of, since=START - timedelta(1), until=START + timedelta(1), limit=3, behind=place)
        ):
            pages += [each.status for each in page]
            place = behind(page[-1])
        assert pages == whole
    asked = RecordQuery(of=OfSim(imsi(2), "acme"), since=START, until=START + timedelta(1), limit=1)
    for of in (OfSim(imsi(2)), OfGateway(1)):
        asked = msgspec.structs.replace(asked, of=of, behind=None)
        (newest,) = await lists.calls(asked)
        assert (newest.state, newest.seconds, newest.ringing_seconds, newest.caller) == ("CONNECTED", 0, 10, OTHER)
        (older,) = await lists.calls(msgspec.structs.replace(asked, behind=behind(newest)))
        assert (older.state, older.seconds, older.reason, older.cause_code) == ("ENDED", 20, "Caller Hangup", 16)


async def test_what_whoever_had_the_imsi_before_did_is_not_listed(world: World) -> None:
    await world.card(1)
    async with world.db.transaction() as connection:
        await records.add_sms(connection, world.vault, [(1, message(0, named=True), START)])
        await sims.delete(connection, [await world.sim(1)], START + timedelta(seconds=1))
    await world.card(1)
    asked = RecordQuery(of=OfSim(imsi(1), "acme"), since=START, until=START + timedelta(1), limit=9)
    assert await RecordLists(world.db, world.vault).messages(asked) == []
