"""A second worker comes, and one goes: no SIM is without a worker for as long as a lease lasts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.support.patience import PATIENCE

from simwarden.domain.identifiers import BUCKETS
from simwarden.engine.enforcement import Enforcement
from simwarden.store.leases import Leases

if TYPE_CHECKING:
    from tests.support.world import World

    from simwarden.engine.ports import Driver
    from simwarden.store.gateways import CommandAccess


async def test_what_a_worker_gives_away_is_taken_up_at_once(world: World) -> None:
    await world.box()
    term = timedelta(seconds=PATIENCE + 20)  # a share that is not given away comes later than the test waits
    leases = {name: Leases(world.db, "enforce", name, term=term) for name in ("worker-1", "worker-2")}
    workers = {name: make(world, leases[name]) for name in leases}
    workers["worker-1"].start()
    await world.eventually(lambda: owns(leases["worker-1"], BUCKETS), step=0)
    workers["worker-2"].start()
    await world.eventually(lambda: owns(leases["worker-2"], BUCKETS // 2), step=0)
    assert len(leases["worker-1"].owned() | leases["worker-2"].owned()) == BUCKETS
    await workers["worker-1"].stop()
    await world.eventually(lambda: owns(leases["worker-2"], BUCKETS), step=0)
    await workers["worker-2"].stop()


def make(world: World, leases: Leases) -> Enforcement:
    """One worker."""

    def driver_for(access: CommandAccess) -> Driver:
        raise AssertionError(access)  # nothing is due in this test

    return Enforcement(world.db, world.gateways, world.ingest, leases, driver_for, clock=world.clock)


async def owns(leases: Leases, count: int) -> bool:
    """Whether a worker has so many buckets."""
    return len(leases.owned()) == count
