"""Acting upon the sessions of a SIM at the element that carries them: data is all that can be switched off there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.engine.test_control import Control
from tests.support.world import Box, World, device, imsi

from simwarden.domain.events import EventType
from simwarden.domain.reports import Report
from simwarden.domain.session import Phase, SessionNote
from simwarden.domain.sim import ALL_FUNCTIONS, Function, NetworkTarget
from simwarden.engine.explain import explain
from simwarden.engine.ports import Capabilities, ProvenBy, TargetState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.engine.ports import Driver
    from simwarden.store.gateways import CommandAccess

HOME, OTHER = device(1), device(2)
E = EventType


class Nas:
    """An element that carries sessions, and ends those of a SIM when it is told to."""

    generation: str | None = None

    def __init__(self, box: Box, proof: ProvenBy) -> None:
        self.world = box.world
        self.box = box
        self.capabilities = Capabilities((Function.DATA,), proof)
        self.live: set[str] = set()
        self.commands: list[TargetState] = []
        self.reports = True
        """It reports the end of what it ended."""

    def note(self, phase: Phase, key: str, imei: str | None) -> SessionNote:
        now = self.world.clock()
        return SessionNote(key=key, phase=phase, at=now, began_at=now, imsi=imsi(1), imei=imei)

    async def say(self, phase: Phase, key: str = "S1", imei: str | None = HOME) -> None:
        self.world.clock.turn(1)
        note = self.note(phase, key, imei)
        (self.live.discard if phase is Phase.ENDED else self.live.add)(key)
        given: dict[str, Any] = {"gateway_id": self.box.id, "gateway_name": "nas", "message": "accounting"}
        report = Report(**given, received_at=self.world.clock(), sessions=(note,), authentic=True)
        await self.world.take(report)

    async def apply(self, states: Sequence[TargetState]) -> None:
        self.commands += states
        for key in sorted(self.live) if any(state.off for state in states) else ():
            self.live.discard(key)
            if self.reports:
                await self.say(Phase.ENDED, key)

    async def observe(self) -> None:
        return None

    @property
    def target(self) -> NetworkTarget:
        return NetworkTarget(self.box.id, imsi(1))


async def nas_of(world: World, proof: ProvenBy = ProvenBy.OWN_REPORT) -> Nas:
    await world.card(1, imei=HOME)
    return Nas(await world.box("nas"), proof)


async def enforce(world: World, nas: Nas) -> None:
    def driver_for(access: CommandAccess) -> Driver:
        return nas if access.id == nas.box.id else next(box for box in world.boxes if box.id == access.id)

    await world.start_enforcement(driver_for=driver_for)


OFF = TargetState(imsi(1), Function.DATA)


async def test_the_session_of_a_barred_sim_is_ended_and_its_end_is_the_proof(world: World) -> None:
    nas = await nas_of(world)
    await enforce(world, nas)
    await nas.say(Phase.BEGAN, imei=OTHER)
    await world.eventually(lambda: world.enforced(1))
    assert nas.commands == [OFF]
    assert nas.live == set()
    item = (await world.attached(1))[nas.target]
    assert (item.desired, item.wanted, item.applied) == (ALL_FUNCTIONS, Function.DATA, Function.DATA)
    applied = (await world.events(1))[-1]
    assert applied.type is E.ENFORCEMENT_APPLIED
    assert {name: applied.data[name] for name in ("gateway", "target")} == {"gateway": nas.box.id, "target": imsi(1)}
    told = await explain(world.db, world.gateways, await world.sim(1))
    assert {each.function: each.enforcement for each in told.functions} == {
        "VOICE": None,  # nothing there can switch it
        "SMS": None,
        "DATA": "APPLIED",
    }
    [place] = told.places
    assert (place.port, place.target, place.wanted, place.note) == (None, imsi(1), "locked", None)


async def test_a_further_session_of_a_barred_sim_is_ended_too(world: World) -> None:
    nas = await nas_of(world)
    await enforce(world, nas)
    for key in ("S1", "S2"):
        await nas.say(Phase.BEGAN, key, imei=OTHER)
        await world.eventually(lambda: world.enforced(1))
    assert nas.commands == [OFF, OFF]
    assert nas.live == set()


async def test_a_session_that_goes_on_although_its_end_was_commanded_is_ended_again(world: World) -> None:
    nas = await nas_of(world, ProvenBy.ANSWER)
    nas.reports = False
    await enforce(world, nas)
    await nas.say(Phase.BEGAN, imei=OTHER)
    await world.eventually(lambda: world.enforced(1))
    assert nas.commands == [OFF]
    await nas.say(Phase.GOES_ON, imei=OTHER)
    await world.eventually(lambda: world.enforced(1))
    assert nas.commands == [OFF, OFF]


async def test_without_a_report_of_the_end_the_command_is_repeated(world: World) -> None:
    nas = await nas_of(world)
    nas.reports = False
    await enforce(world, nas)
    await nas.say(Phase.BEGAN, imei=OTHER)

    async def repeated() -> bool:
        return len(nas.commands) > 1

    await world.eventually(repeated)
    assert not await world.enforced(1)
    await nas.say(Phase.ENDED, imei=OTHER)
    await world.eventually(lambda: world.enforced(1))


@pytest.mark.parametrize("live", [True, False])
async def test_when_the_bar_is_lifted_nothing_is_commanded_any_more(world: World, *, live: bool) -> None:
    nas = await nas_of(world)
    nas.reports = not live
    await enforce(world, nas)
    await nas.say(Phase.BEGAN, imei=OTHER)

    async def commanded() -> bool:
        return bool(nas.commands)

    await world.eventually(commanded)
    if not live:
        await world.eventually(lambda: world.enforced(1))
    await world.stop_enforcement()  # else the command may be repeated while the next session begins
    given = list(nas.commands)
    await nas.say(Phase.BEGAN, "S2")
    assert not await world.barred(1)
    assert (await world.attached(1))[nas.target].desired == 0
    await enforce(world, nas)
    await world.eventually(lambda: world.enforced(1))
    assert "S2" in nas.live
    assert nas.commands == given


async def test_data_alone_is_switched_off_where_that_can_be_done_and_noted_where_not(world: World) -> None:
    nas = await nas_of(world)
    slots = await world.box("gw")
    slots.put(1, 1)
    await world.take(slots.port_status(1, imei=HOME))
    await nas.say(Phase.BEGAN)
    await enforce(world, nas)
    await Control(world).close(1, Function.DATA)
    await world.eventually(lambda: world.enforced(1))
    assert (nas.commands, slots.commands) == ([OFF], [])
    attached = await world.attached(1)
    assert {target: item.wanted for target, item in attached.items()} == {
        nas.target: Function.DATA,
        slots.target(1): Function(0),
    }


async def test_a_card_that_moves_keeps_its_sessions_attached(world: World) -> None:
    nas = await nas_of(world)
    slots = await world.box("gw")
    slots.put(1, 1)
    await world.take(slots.port_status(1, imei=HOME))
    await nas.say(Phase.BEGAN)
    slots.put(1, 2)
    await world.take(slots.port_status(1), slots.port_status(2, imei=HOME))
    assert set(await world.attached(1)) == {nas.target, slots.target(2)}


async def test_sessions_of_a_sim_that_may_work_write_no_attachment_again(world: World) -> None:
    nas = await nas_of(world)
    await nas.say(Phase.BEGAN)
    before = await world.written("attachment")
    assert len(before) == 1
    world.clock.turn(timedelta(hours=1).total_seconds())
    await nas.say(Phase.GOES_ON)
    await nas.say(Phase.ENDED)
    await nas.say(Phase.BEGAN, "S2")
    assert await world.written("attachment") == before


async def test_an_element_that_is_deleted_takes_its_targets_along(world: World) -> None:
    nas = await nas_of(world)
    await nas.say(Phase.BEGAN)
    assert set(await world.attached(1)) == {nas.target}
    await world.db.execute("delete from gateway where id = $1", nas.box.id)
    assert await world.attached(1) == {}
