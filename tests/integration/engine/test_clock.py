"""A wall clock that was ahead and is set right again: nothing waits for the time to come round once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.world import device

from simwarden.domain.attachment import AttachmentStatus
from simwarden.domain.sim import BindingState

if TYPE_CHECKING:
    from tests.support.world import World

HOURS = 2 * 3600.0


@pytest.mark.parametrize("ahead", [0.1, 5.0, HOURS])
async def test_a_move_is_seen_although_the_last_one_seems_to_lie_in_the_future(world: World, ahead: float) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    world.clock.turn(ahead)
    box.put(1, 1)
    await world.take(box.dev_status())
    world.clock.turn(-ahead)
    box.put(1, 2)
    await world.take(box.port_status(1), box.port_status(2))
    assert await world.state(1) is BindingState.DIFFERED
    seen = (await world.sim(1)).seen
    assert seen is not None
    assert seen.at == world.clock()


async def test_whole_statuses_are_believed_after_the_clock_was_set_back(world: World) -> None:
    box = await world.box(report_interval=2)
    await world.card(1, imei=device(box.id * 100 + 1))
    world.clock.turn(HOURS)
    box.put(1, 1)
    await world.take(box.dev_status())
    world.clock.turn(-HOURS)
    box.put(1, 2)
    await world.take(box.dev_status())
    assert await world.state(1) is BindingState.DIFFERED


async def test_a_command_put_off_by_the_wrong_clock_is_not_put_off_for_hours(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    box.put(1, 1)
    await world.take(box.dev_status())
    world.clock.turn(HOURS)
    box.fault = "dead"
    box.put(1, 2)
    await world.take(box.port_status(1), box.port_status(2))
    await world.start_enforcement()

    async def tried() -> bool:
        return any(item.last_error for item in (await world.attached(1)).values())

    await world.eventually(tried, step=0)
    world.clock.turn(-HOURS)
    box.fault = ""
    await world.eventually(lambda: locked(world), step=1)
    await world.stop_enforcement()


async def locked(world: World) -> bool:
    """Whether the SIM's slot is locked, and seen to be."""
    (item,) = (await world.attached(1)).values()
    return item.status is AttachmentStatus.APPLIED and bool(item.wanted)
