"""Shares of the buckets: dealt out fairly, renewed, given away, taken over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.domain.errors import StoreUnavailable
from simwarden.store.database import Database
from simwarden.store.leases import Leases, fair_share

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = frozenset(range(256))


class Clock:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def worker(database: Database, clock: Clock) -> Callable[[str], Leases]:
    def make(owner: str) -> Leases:
        return Leases(database, "notify", owner, term=timedelta(seconds=20), clock=clock)

    return make


async def _run_out(database: Database, owner: str) -> None:
    """What the passing of 20 seconds does to a worker that died."""
    await database.execute("update lease set until = now() - interval '1 s' where owner = $1", owner)
    await database.execute("update lease_worker set until = now() - interval '1 s' where owner = $1", owner)


async def test_a_single_worker_owns_everything(worker: Callable[[str], Leases]) -> None:
    assert await worker("a").refresh() == ALL


async def test_roles_do_not_meet(database: Database) -> None:
    assert await Leases(database, "notify", "a").refresh() == ALL
    assert await Leases(database, "enforce", "b").refresh() == ALL


async def test_the_database_is_asked_once_in_an_interval(
    database: Database, worker: Callable[[str], Leases], clock: Clock
) -> None:
    leases = worker("a")
    await leases.refresh()
    before = await database.fetchval("select until from lease_worker")
    clock.now += leases.interval - 0.1
    await leases.refresh()
    assert await database.fetchval("select until from lease_worker") == before
    clock.now += 0.2
    await leases.refresh()
    assert await database.fetchval("select until from lease_worker") > before


async def test_a_newcomer_gets_half_and_nobody_shares_a_bucket(worker: Callable[[str], Leases], clock: Clock) -> None:
    first, second = worker("a"), worker("b")
    assert await first.refresh() == ALL
    assert await second.refresh() == frozenset()
    clock.now += 6
    kept = await first.refresh()
    assert len(kept) == 128
    assert len(first.leaving) == 8
    assert await second.refresh() == frozenset()  # still the first one's, until it lets go
    await first.release(first.leaving)
    clock.now += 6
    taken = await second.refresh()
    assert len(taken) == 128
    assert not taken & kept
    assert taken | kept == ALL
    assert await first.refresh() == kept


async def test_shares_that_nobody_released_run_out(
    database: Database, worker: Callable[[str], Leases], clock: Clock
) -> None:
    first, second = worker("a"), worker("b")
    await first.refresh()
    await second.refresh()
    clock.now += 6
    await first.refresh()
    leaving = first.leaving
    bucket = next(iter(leaving))
    deadline = first.deadline(bucket)
    assert deadline == 1020.0
    clock.now += 6
    await first.refresh()
    assert first.deadline(bucket) == deadline, "a share that is given away is not renewed"
    await database.execute("update lease set until = now() where share = any($1::smallint[])", sorted(leaving))
    clock.now += 10
    assert len(await second.refresh()) == 128


async def test_a_dead_workers_shares_are_taken_over(
    database: Database, worker: Callable[[str], Leases], clock: Clock
) -> None:
    dead, heir = worker("a"), worker("b")
    await dead.refresh()
    await heir.refresh()
    await _run_out(database, "a")
    clock.now += 6
    assert await heir.refresh() == ALL


async def test_an_heir_goes_on_at_once_and_others_wait(database: Database, worker: Callable[[str], Leases]) -> None:
    await worker("a").refresh()
    assert await worker("stranger").refresh() == frozenset()
    await worker("stranger").close()
    heir = Leases(database, "notify", "b", heir_of=["never was", "a"])
    assert await heir.refresh() == ALL
    assert [row["owner"] for row in await database.fetch("select owner from lease_worker")] == ["b"]


async def test_an_heir_takes_nothing_from_who_lives(database: Database, worker: Callable[[str], Leases]) -> None:
    await worker("dead").refresh()
    living = worker("living")
    await living.refresh()
    await _run_out(database, "dead")
    await database.execute("update lease set owner = 'living', until = now() + interval '20 s' where share < 8")
    heir = Leases(database, "notify", "heir", heir_of=["dead"])
    assert {bucket % 16 for bucket in await heir.refresh()} == set(range(8, 16))


async def test_leaving_gives_everything_to_the_others(worker: Callable[[str], Leases], clock: Clock) -> None:
    first, second = worker("a"), worker("b")
    await first.refresh()
    await second.refresh()
    await first.close()
    assert first.owned() == frozenset()
    clock.now += 6
    assert await second.refresh() == ALL


async def test_without_a_renewal_nothing_is_owned_after_the_term(
    database_url: str, clock: Clock, worker: Callable[[str], Leases]
) -> None:
    db = await Database.connect(database_url)
    leases = Leases(db, "notify", "a", term=timedelta(seconds=20), clock=clock)
    assert await leases.refresh() == ALL
    await db.close()
    clock.now += 19
    with pytest.raises(StoreUnavailable):
        await leases.refresh()
    assert leases.owned() == ALL
    assert leases.deadline(0) == 1020.0
    clock.now += 1
    assert leases.owned() == frozenset()


@given(shares=st.integers(1, 64), workers=st.integers(1, 80))
def test_fair_shares_deal_out_everything_evenly(shares: int, workers: int) -> None:
    dealt = [fair_share(shares, workers, rank) for rank in range(workers)]
    assert sum(dealt) == shares
    assert max(dealt) - min(dealt) <= 1


async def test_a_lease_from_before_the_clock_was_set_back_does_not_last_for_hours(
    database: Database, worker: Callable[[str], Leases], clock: Clock
) -> None:
    await worker("a").refresh()
    for table in ("lease", "lease_worker"):
        await database.execute(f"update {table} set until = now() + interval '2 hours'")
    second = worker("b")
    assert await second.refresh() == frozenset()  # the first may live, and then it renews
    for table in ("lease", "lease_worker"):
        remaining = await database.fetchval(f"select max(until) - now() from {table}")
        assert remaining <= timedelta(seconds=20)
    await _run_out(database, "a")
    clock.now += 20
    assert await second.refresh() == ALL
