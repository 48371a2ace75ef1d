"""A gateway that is changed or removed while locks of ours are due or stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.engine.test_enforcement import failed, stolen
from tests.support.world import CALLER, World, device, imsi

from simwarden.domain.errors import GatewayNotFound
from simwarden.domain.events import CauseKind, EventType
from simwarden.domain.sim import ALL_FUNCTIONS
from simwarden.engine import gateways
from simwarden.engine.explain import explain
from simwarden.engine.ports import Capabilities, CommandFailed, ProvenBy
from simwarden.store.gateways import GatewayChange
from simwarden.store.ports import HeldLock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.reports import Report
    from simwarden.engine.ports import Driver, TargetState
    from simwarden.store.gateways import CommandAccess

OPERATOR = CALLER.__class__(CauseKind.OPERATOR, "op", CALLER.at, "gateway delete --force")


async def test_a_dead_gateway_with_locked_sims_goes_by_force_and_says_what_stays(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    await world.card(2)
    box.put(2, 3)
    await world.take(box.port_status(3))
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    await world.stop_enforcement()
    box.fault = "dead"
    with pytest.raises(gateways.LocksStand, match=f"1 slot .*{imsi(1)}"):
        await gateways.remove(world.db, "gw1", OPERATOR, clock=world.clock)
    assert await world.enforced(1), "nothing was done"
    gateway = await world.db.fetchval("select id from gateway where name = 'gw1'")
    left, outcome = await gateways.remove(world.db, "gw1", OPERATOR, force=True, clock=world.clock)
    assert left == [HeldLock(imsi(1), box.target(11))]
    assert outcome.events == 1
    assert (await world.attached(1), await world.attached(2)) == ({}, {})
    *_, last = await world.events(1)
    assert (last.type, last.cause.source, last.cause.message) == (
        *(EventType.ENFORCEMENT_ABANDONED, "op", "gateway delete --force"),
    )
    assert last.data == {"gateway": gateway, "gateway_name": "gw1", "port": 11, "slot": 1, "locked": True}
    assert await world.count(2, EventType.ENFORCEMENT_ABANDONED) == 0
    told = await explain(world.db, world.gateways, await world.sim(1))
    assert told.places == []
    assert told.history[-1].data["gateway"] == "gw1", "also after it was deleted"
    assert {function.enforcement for function in told.functions} == {None}, "nobody acts there any more"
    assert await world.barred(1)
    with pytest.raises(GatewayNotFound):
        await gateways.remove(world.db, "gw1", OPERATOR, force=True)


async def test_a_sim_of_a_gateway_removed_by_force_is_locked_where_it_comes_next(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    left, _ = await gateways.remove(world.db, "gw1", OPERATOR, force=True, clock=world.clock)
    assert left == [HeldLock(imsi(1), box.target(11))]
    *_, last = await world.events(1)
    assert last.data["locked"] is False, "it was due, and never done"
    other = await world.box("gw2")
    other.put(1, 5)
    await world.take(other.port_status(5))
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    assert other.locked == {(5, 1)}


async def test_a_wrong_password_is_mended_by_changing_the_gateway(world: World) -> None:
    box = await world.box()
    await world.gateways.update("gw1", GatewayChange(password="wrong"), world.clock())

    def driver_for(access: CommandAccess) -> Driver:
        return box if access.password == "right" else Locked()

    await stolen(world, box, 1)
    await world.start_enforcement(driver_for=driver_for)
    await world.eventually(lambda: failed(world, 1))
    await world.stop_enforcement()
    with pytest.raises(gateways.LocksStand):
        await gateways.remove(world.db, "gw1", OPERATOR, clock=world.clock)
    await world.gateways.update("gw1", GatewayChange(password="right"), world.clock())
    [item] = (await world.attached(1)).values()
    assert item.next_attempt_at is not None
    assert (item.next_attempt_at - world.clock()).total_seconds() <= 1, "it is tried at once"
    await world.start_enforcement(driver_for=driver_for)
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(11, 1)}
    assert device(99) not in box.devices.values()


class Locked:
    """A gateway whose command interface does not know the login."""

    generation: str | None = None
    capabilities = Capabilities((ALL_FUNCTIONS,), ProvenBy.READ_BACK)

    async def apply(self, states: Sequence[TargetState]) -> None:
        """Refused."""
        raise CommandFailed("The gateway refused the login.")

    async def observe(self) -> Report:
        """Refused."""
        raise CommandFailed("The gateway refused the login.")
