"""The record of phone numbers: written with every change, by whatever way it comes, and filled from what was before."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace
from tests.support.world import ACCOUNT, START, World, iccid, imsi

from simwarden.domain.errors import SimExists
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.numbers import of_registration
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import Lifecycle
from simwarden.engine import following, identity, imports, provision, publishing
from simwarden.kit.clock import now_utc
from simwarden.store import numbers as store
from simwarden.store import removal, sims
from simwarden.store.numbers import Q, lock_followers

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.domain.numbers import Assignment
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

CAUSE = Cause(CauseKind.OPERATOR, "test", START)
NUMBER, OTHER = "+8613800000001", "+8613800000002"
ALL = """select *, until = 'infinity' as has_it from number_assignment order by number, since"""


@pytest.fixture
async def world(database: Database, vault: Vault) -> World:
    made = World(database, vault)
    await made.prepare()
    return made


async def add(world: World, number: int, msisdn: str | None = NUMBER, *, account: str = ACCOUNT) -> None:
    """Register a card with a phone number."""
    await provision.add(world.db, provision.new_sim(account, imsi=imsi(number), msisdn=msisdn), CAUSE)


async def delete(world: World, number: int) -> None:
    """Let a card go through its life to the end."""
    if (await world.sim(number)).lifecycle is Lifecycle.ACTIVE:
        await world.do(number, Transition(Step.DEACTIVATE))
    await world.do(number, Transition(Step.DELETE))


async def call(world: World, number: int, msisdn: str | None) -> None:
    """Give a card another number."""
    await identity.rename(world.db, imsi(number), {"msisdn": msisdn}, CAUSE)


async def record(world: World) -> list[tuple[str, str, bool]]:
    """Number, IMSI, and whether the SIM has it."""
    return [(row["number"], row["imsi"], row["has_it"]) for row in await world.db.fetch(ALL)]


async def of(world: World, number: int) -> Assignment | None:
    sim = await world.sim(number)
    return await world.sims.assignment(sim)


async def test_a_number_of_another_account_or_sim_gives_no_assignment(world: World) -> None:
    await add(world, 1, None)
    await call(world, 1, NUMBER)
    sim = await world.sim(1)
    foreign, other = replace(sim, account_id="stranger"), replace(sim, imsi=imsi(2))
    found = await asyncio.gather(*map(world.sims.assignment, (sim, foreign, other)))  # gathered into one read
    assert [None if one is None else one.imsi for one in found] == [imsi(1), None, None]


async def test_a_new_number_is_recorded_in_the_row_of_its_sim(world: World) -> None:
    await add(world, 1)
    await add(world, 2, None)
    found = await of(world, 1)
    assert found is not None
    assert (found.number, found.imsi, found.account_id, found.until) == (NUMBER, imsi(1), ACCOUNT, None)
    assert found.since == found.sim_since == found.owner_since == (await world.events(1))[0].at
    assert not found.begin_known
    assert await of(world, 2) is None
    assert await record(world) == []


async def test_a_number_given_later_has_a_row_in_its_bucket(world: World) -> None:
    await add(world, 1, OTHER)
    await call(world, 1, NUMBER)
    found = await of(world, 1)
    assert found is not None
    assert found.since == found.sim_since == (await world.events(1))[-1].at
    assert await record(world) == [(NUMBER, imsi(1), True), (OTHER, imsi(1), False)]
    rows = await world.db.fetch("select number, bucket from number_assignment")
    assert {row["number"]: row["bucket"] for row in rows} == {NUMBER: bucket_of(NUMBER), OTHER: bucket_of(OTHER)}


async def test_a_number_that_is_deleted_while_it_is_registered_anew_has_a_history(world: World) -> None:
    """The new SIM waits for the name, and looks for the record of its number behind that."""
    await add(world, 1)
    async with world.db.transaction() as connection:
        locked = await sims.lock(connection, [imsi(1)])
        await sims.delete(connection, list(locked.values()), now_utc())
        adding = asyncio.create_task(add_unasked(world, 2))
        async with asyncio.timeout(60):
            while not await world.db.fetchval("select exists (select from pg_locks where not granted)"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    await adding
    found = await of(world, 2)
    assert found is not None
    assert found.owner_since < found.sim_since, "it was another SIM's"
    assert await record(world) == [(NUMBER, imsi(1), False), (NUMBER, imsi(2), True)]


async def add_unasked(world: World, number: int) -> None:
    """Register a card without a look whether its names are free."""
    row = provision.NewSim(1, provision.new_sim(ACCOUNT, imsi=imsi(number), msisdn=NUMBER))
    async with world.db.transaction() as connection:
        await provision.insert_free(connection, ACCOUNT, [row], CAUSE)


async def test_a_number_that_is_given_back_keeps_its_first_time(world: World) -> None:
    await add(world, 1)
    await call(world, 1, OTHER)
    await call(world, 1, NUMBER)
    found = await of(world, 1)
    assert found is not None
    assert found.sim_since == (await world.events(1))[0].at, "taken away, and given back to the SIM that had it first"
    assert await of_number(world, NUMBER) == [False, True]


async def of_number(world: World, number: str) -> list[bool]:
    return [has_it for name, _, has_it in await record(world) if name == number]


async def test_a_number_that_moves_is_recorded_with_the_time_of_the_event(world: World) -> None:
    await add(world, 1)
    await add(world, 2, None)
    await call(world, 1, None)
    assert await of(world, 1) is None
    await call(world, 2, NUMBER)
    found = await of(world, 2)
    assert found is not None
    assert found.sim_since == found.since == (await world.events(2))[-1].at
    assert found.owner_since == (await world.events(1))[0].at, "the same account has it"
    assert await record(world) == [(NUMBER, imsi(1), False), (NUMBER, imsi(2), True)]
    [old, _] = await world.db.fetch(ALL)
    assert old["until"] == (await world.events(1))[-1].at


async def test_another_name_changes_nothing(world: World) -> None:
    await add(world, 1)
    await identity.rename(world.db, imsi(1), {"nai": "meter@iot.example"}, CAUSE)
    await call(world, 1, NUMBER)
    assert (await of(world, 1)) == of_registration(await world.sim(1)) is not None
    assert await record(world) == []


async def test_a_deleted_sims_number_is_free_and_goes_to_the_next(world: World) -> None:
    await add(world, 1)
    await delete(world, 1)
    assert await record(world) == [(NUMBER, imsi(1), False)]
    await add(world, 2, account="other")
    found = await of(world, 2)
    assert found is not None
    assert found.owner_since == found.since
    assert found.begin_known, "whose it was before is recorded, so when it came is known"


async def test_a_file_of_sims_is_recorded_and_a_row_that_is_refused_is_not(world: World) -> None:
    await add(world, 1)
    text = "iccid,imsi,msisdn\n" + "".join(
        f"{iccid(n)},{imsi(n)},{number}\n" for n, number in ((2, NUMBER), (3, OTHER), (4, ""), (5, "+8613800000005"))
    )
    rows = imports.read_rows(imports.lines_of(text.encode()), ACCOUNT)
    done = await imports.import_rows(world.db, rows, ACCOUNT, imports.Way(CAUSE))
    assert (done.added, len(done.bad)) == (3, 1)
    assert await numbered(world) == [(imsi(1), NUMBER), (imsi(3), OTHER), (imsi(5), "+8613800000005")]
    assert await record(world) == []


async def test_a_file_may_say_since_when_a_sim_has_its_number(world: World) -> None:
    text = (
        "imsi,msisdn,activated\n"
        f"{imsi(1)},{NUMBER},2019-04-01\n"
        f"{imsi(2)},{OTHER},2020-05-01T10:00:00+02:00\n"
        f"{imsi(3)},+8613800000003,\n"
        f"{imsi(4)},+8613800000004,01.04.2019\n"
        f"{imsi(5)},+8613800000005,2020-05-01T10:00:00\n"
        f"{imsi(6)},+8613800000006,2999-01-01\n"
    )
    rows = list(imports.read_rows(imports.lines_of(text.encode()), ACCOUNT))
    bad = [row.reason for row in rows if isinstance(row, provision.BadRow)]
    assert [reason.partition(":")[0] for reason in bad] == [
        "activated is no date or time with a time zone by RFC 3339"
    ] * 2 + ["activated lies in the future"]
    await imports.import_rows(world.db, rows, ACCOUNT, imports.Way(CAUSE))
    found = [await of(world, n) for n in (1, 2, 3)]
    assert [one and one.since.isoformat() for one in found[:2]] == [
        "2019-04-01T00:00:00+00:00",
        "2020-05-01T08:00:00+00:00",
    ]
    assert [one and one.begin_known for one in found] == [True, True, False]


async def test_a_name_that_is_taken_leaves_no_record(world: World) -> None:
    await add(world, 1)
    await add(world, 2, OTHER)
    with pytest.raises(SimExists):
        await call(world, 2, NUMBER)
    with pytest.raises(SimExists):
        await add(world, 3)
    assert await numbered(world) == [(imsi(1), NUMBER), (imsi(2), OTHER)]
    assert await record(world) == []


async def numbered(world: World) -> list[tuple[str, str]]:
    """IMSI and number of SIMs whose number has no row."""
    rows = await world.db.fetch("select imsi, msisdn from sim where number_new order by imsi")
    return [(row["imsi"], row["msisdn"]) for row in rows]


class Injected(Exception):
    """The statement that fails."""


@pytest.mark.parametrize("way", ["add", "rename", "delete"])
async def test_the_record_stands_or_falls_with_the_sim(world: World, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    await add(world, 1)
    await add(world, 2, None)
    if way == "delete":
        await world.do(1, Transition(Step.DEACTIVATE))

    async def act() -> None:
        if way == "add":
            await add(world, 3, OTHER)
        elif way == "rename":
            await call(world, 1, OTHER)
        else:
            await world.do(1, Transition(Step.DELETE))

    async def broken(*args: Any) -> None:
        raise Injected

    before = await whole_record(world)
    with monkeypatch.context() as patch:
        # The last thing that each of them does.
        patch.setattr(*((following, "publish", broken) if way != "delete" else (publishing, "end_of_sims", broken)))
        with pytest.raises(Injected):
            await act()
    assert await whole_record(world) == before
    await act()
    assert await whole_record(world) != before


@pytest.mark.parametrize("empty", [True, False])
async def test_the_history_of_an_empty_account_stays_and_that_of_sample_data_goes(world: World, *, empty: bool) -> None:
    await add(world, 1, account="other")
    await add(world, 2, OTHER)
    if empty:
        async with world.db.transaction() as connection:
            await sims.delete(connection, [await world.sim(1)], START)
        assert await removal.remove_empty_account(world.db, "other") is None
    else:
        await removal.remove_account(world.db, "other", [])
    assert await record(world) == [(NUMBER, imsi(1), False)] * empty


async def test_whose_a_number_is_now_is_one_probe_of_the_key(world: World) -> None:
    await add(world, 1, None)
    await call(world, 1, NUMBER)
    await world.db.execute(
        """insert into number_assignment
           select $1, $2, $3::timestamptz + n * interval '1 s', $3::timestamptz + (n + 1) * interval '1 s', 'x', 'acme',
                  $3, $3, true
           from generate_series(1, 5000) as n""",
        *(bucket_of(NUMBER), NUMBER, START - timedelta(days=1)),
    )
    await world.db.execute("analyze number_assignment")
    plan = await world.db.fetch(
        f"explain (analyze, format text) {Q['current']}", [bucket_of(NUMBER)], str(bucket_of(NUMBER)), NUMBER, ACCOUNT
    )
    [scan] = [row[0] for row in plan if "on number_assignment" in row[0]]
    assert "Index" in scan
    assert " rows=1" in scan.partition("actual")[2]


async def test_nobody_is_locked_for_a_number_that_nobody_follows(world: World) -> None:
    await add(world, 1)
    found = await of(world, 1)
    assert found is not None
    async with world.db.transaction() as connection:
        assert await lock_followers(connection, [found]) == []
        assert await lock_followers(connection, []) == []
        assert await store.assign(connection, ACCOUNT, [], START) == []


def filling() -> list[str]:
    """The statements of the migration that fill the record from what is known."""
    text = (resources.files("simwarden.store") / "migrations" / migration()).read_text(encoding="utf-8")
    _, _, rest = text.partition("do $$")
    function, _, insert = rest.partition("end $$;\n")
    return [f"do $${function}end $$;", insert]


def migration() -> str:
    """The file, whatever its number is."""
    files = (entry.name for entry in (resources.files("simwarden.store") / "migrations").iterdir())
    return next(name for name in files if name.endswith("_number_assignments.sql"))


def rounded(at: datetime | None) -> str:
    return "" if at is None else at.replace(microsecond=0).isoformat()


async def rows_of(world: World) -> list[dict[str, Any]]:
    return [dict(row) for row in await world.db.fetch(ALL)]


async def whole_record(world: World) -> tuple[object, ...]:
    return await rows_of(world), await numbered(world)


@pytest.mark.parametrize("old", [False, True])
async def test_the_migration_fills_in_what_would_have_been_written(world: World, old: bool) -> None:
    """`old`: by the function for PostgreSQL 15 to 17, which has no crc32()."""
    await add(world, 1)
    await add(world, 2, None)
    await add(world, 3, "+8613800000003")
    for msisdn in (OTHER, NUMBER, None):
        await call(world, 1, msisdn)
    await identity.rename(world.db, imsi(1), {"nai": "meter@iot.example"}, CAUSE)
    await call(world, 2, NUMBER)
    await call(world, 2, None)
    await call(world, 1, NUMBER)
    await delete(world, 1)
    await add(world, 1, OTHER)
    await add(world, 4, account="other")
    await delete(world, 3)
    written = await rows_of(world)
    async with world.db.transaction() as connection:
        await connection.execute("delete from number_assignment")
        for statement in filling():
            await connection.execute(re.sub(r">= 180000", ">= 990000", statement) if old else statement)
    filled = await rows_of(world)
    times = ("since", "until", "sim_since", "owner_since")
    assert len(filled) == len(written)
    for mine, theirs in zip(filled, written, strict=True):
        assert {k: v for k, v in mine.items() if k not in times} == {k: v for k, v in theirs.items() if k not in times}
        # A SIM's row is as old as its transaction, its first event a moment younger.
        assert all(
            (mine[k] is None) == (theirs[k] is None)
            and abs((mine[k] or START) - (theirs[k] or START)) < timedelta(seconds=5)
            for k in times
        ), (rounded(mine["since"]), mine, theirs)
