"""Making the network match, with gateways that refuse, lie, hang, are off, and come back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.support.world import Box, World, device, imsi

from simwarden.domain.attachment import FAILED_AFTER, AttachmentStatus
from simwarden.domain.events import CauseKind, EventType
from simwarden.domain.identifiers import BUCKETS
from simwarden.domain.rules.device import LiftMismatch
from simwarden.domain.sim import Policy, Resume
from simwarden.edge.throttle import Allowance
from simwarden.engine import enforcement as module
from simwarden.engine.explain import explain
from simwarden.engine.ports import CommandFailed
from simwarden.southbound.registry import Sources
from simwarden.southbound.source import SourceServices
from simwarden.store import attachments

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

    from simwarden.engine.ports import Driver, TargetState
    from simwarden.store.gateways import CommandAccess

E = EventType
HOME, AWAY = 1, 2


async def stolen(world: World, box: Box, *numbers: int, policy: Policy | None = None) -> None:
    """Cards that are bound to the device of another port than the one they are in."""
    await world.card(*numbers)
    for number in numbers:
        await world.bind(number, policy, imei=device(99))
        box.put(number, 10 + number)
    await world.take(box.dev_status(ports=sorted({port for port, _ in box.cards}), slots=1))


def ejoin(world: World) -> Sources:
    """The kinds of network elements as the server builds them."""
    services = SourceServices(
        elements=world.gateways,
        ingest=world.ingest,
        db=world.db,
        session=cast("aiohttp.ClientSession", None),
        guesses=Allowance(1),
    )
    return Sources(services, lambda kind: kind())


async def failed(world: World, number: int) -> bool:
    return all(item.status is AttachmentStatus.FAILED for item in (await world.attached(number)).values())


async def test_a_bar_becomes_a_lock_that_was_seen(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    assert box.commands == [("lock", [(11, 1)])]
    assert box.locked == {(11, 1)}
    *_, raised, commanded, applied = await world.events(1)
    assert [raised.type, commanded.type, applied.type] == [
        E.BAR_RAISED,
        E.ENFORCEMENT_COMMANDED,
        E.ENFORCEMENT_APPLIED,
    ]
    assert commanded.parent == applied.parent == raised.n
    assert commanded.cause.kind is CauseKind.ENFORCEMENT
    assert applied.cause.kind is CauseKind.REPORT, "only what the gateway shows is proof"
    gateway = await world.db.fetchval("select id from gateway where name = 'gw1'")
    here = {"gateway": gateway, "port": 11, "slot": 1}
    assert commanded.data == here | {"gateway_name": "gw1", "command": "lock"}
    assert {name: applied.data[name] for name in here} == here


async def test_many_sims_at_once_are_one_command(world: World) -> None:
    box = await world.box()
    numbers = range(1, 41)
    await stolen(world, box, *numbers)
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(*numbers))
    assert len(box.commands) == 1
    assert len(box.commands[0][1]) == 40


async def test_a_command_that_names_the_targets_it_failed_for_fails_for_them_alone(world: World) -> None:
    box = await world.box()
    box.fault = "silent"
    await stolen(world, box, 1, 2)
    refused = next(iter(await world.attached(1)))
    carry_out = box.apply

    async def some(states: Sequence[TargetState]) -> None:
        await carry_out([state for state in states if state.target != refused.key])
        raise CommandFailed("That one cannot be locked", targets=frozenset({refused.key}))

    box.apply = some  # type: ignore[method-assign]
    await world.start_enforcement()

    async def tried() -> bool:
        return any(item.last_error for item in (await world.attached(1)).values())

    await world.eventually(tried)
    (failed_one,) = (await world.attached(1)).values()
    (other,) = (await world.attached(2)).values()
    assert failed_one.last_error == "That one cannot be locked"
    assert other.last_error is None


async def test_nothing_is_done_twice_when_everybody_wakes_it(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    worker = await world.start_enforcement()
    for _ in range(20):
        worker.wake()
        await asyncio.sleep(0)
    await world.eventually(lambda: world.enforced(1))
    assert len(box.commands) == 1


@pytest.mark.parametrize("fault", ["refuse", "dead", "lie"])
async def test_a_gateway_that_does_not_obey_fails_once_and_is_tried_on(world: World, fault: str) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    box.fault = fault
    await world.start_enforcement()
    await world.eventually(lambda: failed(world, 1))
    (item,) = (await world.attached(1)).values()
    assert item.attempts >= FAILED_AFTER
    assert item.last_error
    assert item.next_attempt_at is not None
    tried = len(box.commands) + box.asked

    async def tried_on() -> bool:
        return len(box.commands) + box.asked > tried + 2

    await world.eventually(tried_on, step=20)
    assert await world.count(1, E.ENFORCEMENT_FAILED) == 1
    assert await world.count(1, E.ENFORCEMENT_COMMANDED) == 1
    (event,) = [each for each in await world.events(1) if each.type is E.ENFORCEMENT_FAILED]
    gateway = await world.db.fetchval("select id from gateway where name = 'gw1'")
    here = {"gateway": gateway, "gateway_name": "gw1", "port": 11, "slot": 1}
    assert {name: event.data[name] for name in event.data if name not in ("attempts", "reason")} == here
    assert await failed(world, 1)
    box.fault = ""
    await world.eventually(lambda: world.enforced(1), step=20)
    assert box.locked == {(11, 1)}
    assert await world.count(1, E.ENFORCEMENT_APPLIED) == 1
    (item,) = (await world.attached(1)).values()
    assert (item.status, item.last_error) == (AttachmentStatus.APPLIED, None)


async def test_a_yes_without_effect_is_no_proof(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    box.fault = "lie"
    await world.start_enforcement()

    async def twice() -> bool:
        return len(box.commands) >= 2

    await world.eventually(twice)
    (item,) = (await world.attached(1)).values()
    assert item.status is AttachmentStatus.PENDING
    assert item.applied == 0
    assert box.asked >= 1, "asked before it was commanded again"


async def test_without_a_report_the_status_is_asked_for(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    box.fault = "silent"
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    assert (len(box.commands), box.asked) == (1, 1)


async def test_a_gateway_that_was_off_is_commanded_as_soon_as_it_reports_again(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    box.fault = "dead"
    worker = await world.start_enforcement()
    await world.eventually(lambda: failed(world, 1))
    box.fault = ""
    assert await world.db.fetchval("select unreachable_since from gateway") is not None
    (item,) = (await world.attached(1)).values()
    assert item.next_attempt_at is not None
    assert (item.next_attempt_at - world.clock()).total_seconds() > 3
    world.clock.turn(1)
    before = world.clock()
    await world.take(box.dev_status(ports=[11], slots=1))
    assert await world.db.fetchval("select unreachable_since from gateway") is None
    worker.wake()
    await world.eventually(lambda: world.enforced(1), step=0)
    assert world.clock() == before


async def test_a_gateway_without_a_usable_address_fails_in_words_and_does_not_spin(world: World) -> None:
    nowhere, bad = await world.box("nowhere", url=None), await world.box("bad", url="ftp://192.0.2.7")
    good = await world.box("good")
    sources = ejoin(world)
    for number, box in enumerate((nowhere, bad, good), start=1):
        await stolen(world, box, number)
    made: list[str] = []

    def driver_for(access: CommandAccess) -> Driver:
        made.append(access.name)
        return sources.driver(access) if access.name != "good" else good

    await world.start_enforcement(driver_for=driver_for)
    await world.eventually(lambda: world.enforced(3))
    await world.eventually(lambda: failed(world, 1))
    await world.eventually(lambda: failed(world, 2))
    assert len(made) < 30
    for number, words in ((1, "command URL"), (2, "as it is registered: base_url must be")):
        (item,) = (await world.attached(number)).values()
        assert words in (item.last_error or "")
        assert E.ENFORCEMENT_COMMANDED not in await world.types(number)


async def test_a_dead_gateway_does_not_delay_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 5)
    dead, alive = await world.box("dead"), await world.box("alive")
    await stolen(world, dead, *range(1, 21))
    dead.fault = "hang"
    await world.start_enforcement()

    async def hanging() -> bool:
        return bool(dead.commands)

    await world.eventually(hanging)
    world.clock.turn(10)
    await stolen(world, alive, 50)
    await world.eventually(lambda: world.enforced(50), step=0)
    assert not alive.asked


async def test_when_a_worker_dies_another_takes_over_and_nothing_is_lost(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1, 2, 3)
    box.fault = "hang"
    await world.start_enforcement()

    async def under_way() -> bool:
        return bool(box.commands)

    await world.eventually(under_way)
    await world.stop_enforcement()
    box.fault = ""
    await stolen(world, box, 4)
    await world.start_enforcement()  # comes back under its name
    await world.eventually(lambda: world.enforced(1, 2, 3, 4))
    assert box.locked == {(11, 1), (12, 1), (13, 1), (14, 1)}
    for number in range(1, 5):
        assert await world.count(number, E.ENFORCEMENT_COMMANDED) == 1
        assert await world.count(number, E.ENFORCEMENT_APPLIED) == 1


async def test_a_command_that_worked_before_the_restart_is_not_given_again(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    box.fault = "silent"
    await world.start_enforcement()

    async def locked() -> bool:
        return bool(box.locked)

    await world.eventually(locked, step=0)
    await world.stop_enforcement()
    await world.start_enforcement("worker-1")
    await world.eventually(lambda: world.enforced(1))
    assert box.commands == [("lock", [(11, 1)])]


async def test_a_stolen_sim_that_moves_is_locked_there_and_the_old_lock_is_lifted(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    box.put(1, 30)
    await world.take(box.port_status(11), box.port_status(30))
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(30, 1)}
    assert box.commands[1:] == [("lock", [(30, 1)]), ("unlock", [(11, 1)])], "deny first"
    assert set(await world.attached(1)) == {box.target(30)}
    async with world.db.connection() as connection:
        held = await connection.fetch("select port from gateway_port where held")
    assert [row["port"] for row in held] == [30]


async def test_a_sim_that_moves_to_another_gateway_leaves_no_lock_behind(world: World) -> None:
    old, new = await world.box("old"), await world.box("new")
    await stolen(world, old, 1)
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    new.put(1, 3)
    await world.take(new.port_status(3), old.port_status(11))
    await world.eventually(lambda: world.enforced(1))
    assert (old.locked, new.locked) == (set(), {(3, 1)})


async def test_a_sim_that_returns_is_opened(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=box.device_at(HOME))
    box.put(1, AWAY)
    await world.take(box.dev_status())
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(AWAY, 1)}
    box.put(1, HOME)
    await world.take(box.port_status(AWAY), box.port_status(HOME))
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == set()
    shown = await explain(world.db, world.gateways, await world.sim(1))
    assert all(function.effective for function in shown.functions)


async def test_a_manual_resume_opens_the_slot(world: World) -> None:
    box = await world.box()
    await world.card(1)
    await world.bind(1, Policy(resume=Resume.MANUAL), imei=box.device_at(HOME))
    box.put(1, AWAY)
    await world.take(box.dev_status())
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    box.put(1, HOME)
    await world.take(box.port_status(AWAY), box.port_status(HOME))
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(HOME, 1)}, "back, but barred until a person says so"
    await world.do(1, LiftMismatch())
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == set()


async def test_an_operators_lock_is_never_touched(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=box.device_at(HOME))
    box.put(1, HOME)
    box.locked.add((HOME, 1))
    await world.take(box.dev_status())
    await world.start_enforcement()
    box.put(1, AWAY, 2)
    await world.take(box.port_status(HOME), box.port_status(AWAY, 2))
    await world.eventually(lambda: world.enforced(1))
    box.put(1, HOME)
    await world.take(box.port_status(HOME), box.port_status(AWAY, 2))
    await world.eventually(lambda: world.enforced(1))
    assert (HOME, 1) in box.locked
    assert all(where != [(HOME, 1)] for _, where in box.commands)


async def test_a_lock_that_somebody_lifts_is_made_again(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    box.locked.clear()
    await world.take(box.port_status(11))
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(11, 1)}
    assert await world.count(1, E.ENFORCEMENT_COMMANDED) == 2


async def test_a_slot_taken_over_by_an_honest_sim_is_opened_for_it(world: World) -> None:
    box = await world.box()
    await world.card(2)
    await stolen(world, box, 1)
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    box.cards.clear()
    box.put(2, 11)
    await world.take(box.port_status(11))
    await world.eventually(lambda: world.enforced(2))
    assert box.locked == set()
    box.cards.clear()
    box.put(1, 11)
    await world.take(box.port_status(11))
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(11, 1)}, "the stolen one is back in the slot"


async def test_a_card_pulled_before_the_lock_waits_and_is_locked_when_it_is_back(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    box.cards.clear()
    await world.take(box.port_status(11))
    await world.start_enforcement()
    await asyncio.sleep(0.1)
    assert box.commands == []
    box.put(1, 11)
    await world.take(box.port_status(11))
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(11, 1)}


async def test_a_bar_lifted_while_the_lock_is_under_way_ends_open(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    box.fault = "silent"
    await world.start_enforcement()

    async def locked() -> bool:
        return bool(box.locked)

    await world.eventually(locked, step=0)
    box.fault = ""
    await world.unbind(1)
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == set()


async def test_one_lock_refused_does_not_blame_the_unlock_of_the_same_sim(world: World) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    box.put(1, 30)
    box.fault = "refuse"
    await world.take(box.port_status(11), box.port_status(30))

    async def both_failed() -> bool:
        return all(item.last_error for item in (await world.attached(1)).values())

    await world.eventually(both_failed)
    found = await world.attached(1)
    assert set(found) == {box.target(11), box.target(30)}
    box.fault = ""
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(30, 1)}


async def test_the_chain_of_a_block_and_of_the_return_is_explained(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=box.device_at(HOME))
    box.put(1, HOME)
    await world.take(box.dev_status())
    box.put(1, AWAY)
    await world.take(box.port_status(HOME), box.port_status(AWAY))
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    shown = await explain(world.db, world.gateways, await world.sim(1))
    assert [step.type for step in shown.chain] == [
        "DEVICE_CHANGED",
        "BINDING_DIFFERED",
        "BAR_RAISED",
        "ENFORCEMENT_COMMANDED",
        "ENFORCEMENT_APPLIED",
    ]
    assert shown.chain[0].cause["message"] == "port-status"
    assert shown.chain[0].cause["source"] == "gw1"
    assert [(f.effective, len(f.bars), f.enforcement) for f in shown.functions] == [(False, 1, "APPLIED")] * 3
    assert all("IMEI_MISMATCH" in str(f.bars) for f in shown.functions)
    (place,) = shown.places
    assert (place.gateway, place.port, place.wanted, place.seen, place.status) == (
        "gw1",
        AWAY,
        "locked",
        "locked",
        "APPLIED",
    )
    box.put(1, HOME)
    await world.take(box.port_status(AWAY), box.port_status(HOME))
    await world.eventually(lambda: world.enforced(1))
    shown = await explain(world.db, world.gateways, await world.sim(1))
    assert [step.type for step in shown.chain] == [
        "DEVICE_CHANGED",
        "BINDING_RESTORED",
        "BAR_LIFTED",
        "ENFORCEMENT_COMMANDED",
        "ENFORCEMENT_APPLIED",
    ]
    assert shown.chain[3].data["command"] == "unlock"
    assert imsi(1) == shown.imsi


async def test_the_worker_outlives_any_stumble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await world.box()
    await stolen(world, box, 1)
    monkeypatch.setattr(module, "PAUSE", timedelta(milliseconds=10))
    worker = await world.start_enforcement()
    real, stumbles = worker._start_lanes, [RuntimeError("a bug"), RuntimeError("another")]

    async def start_lanes(buckets: list[int]) -> object:
        if stumbles:
            raise stumbles.pop()
        return await real(buckets)

    monkeypatch.setattr(worker, "_start_lanes", start_lanes)
    worker.wake()
    await world.eventually(lambda: world.enforced(1))
    assert not stumbles


async def test_what_becomes_due_between_two_looks_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it is neither due at the first nor still to come at the second, and waits for the idle poll."""
    box = await world.box()
    await stolen(world, box, 1)
    await world.db.execute("update attachment set next_attempt_at = $1", world.clock() + timedelta(seconds=0.3))
    worker = await world.start_enforcement()
    await worker.stop()
    look = attachments.due

    async def slow(*args: Any) -> Any:
        found = await look(*args)
        world.clock.turn(0.5)
        return found

    monkeypatch.setattr(attachments, "due", slow)
    assert await worker._start_lanes(range(BUCKETS)) < timedelta(seconds=1)


async def test_a_report_during_a_command_that_gets_no_answer_makes_the_next_attempt_come_soon(world: World) -> None:
    """The gateway is back: that it was heard before the failure was written down must not be forgotten."""
    box = await world.box()
    await stolen(world, box, 1)
    await world.db.execute("update attachment set attempts = 10")
    box.fault = "hang"
    await world.start_enforcement()

    async def commanded() -> bool:
        return len(box.commands) == 1

    await world.eventually(commanded, step=0)
    world.clock.turn(1)
    await world.take(box.dev_status(ports=sorted({port for port, _ in box.cards}), slots=1))
    world.clock.turn(1)
    box.fault = "dead"
    box.released.set()

    async def told() -> bool:
        (item,) = (await world.attached(1)).values()
        return item.last_error is not None

    await world.eventually(told, step=0)
    (item,) = (await world.attached(1)).values()
    assert item.next_attempt_at is not None
    assert item.next_attempt_at - world.clock() <= timedelta(seconds=1)
