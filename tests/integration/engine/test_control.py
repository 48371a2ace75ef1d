"""Switches and lifecycle on PostgreSQL, down to the gateway's lock."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import pytest
from tests.support.patience import PATIENCE
from tests.support.world import ACCOUNT, CALLER, imsi, ref

from simwarden.domain.decision import Decision
from simwarden.domain.errors import IllegalTransition, NothingToChange, SimNotFound, StoreUnavailable
from simwarden.domain.events import EventType
from simwarden.domain.rules.device import Bind, Unbind
from simwarden.domain.rules.functions import FunctionState, SetApn, SetFunctions
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import ALL_FUNCTIONS, Function, Lifecycle
from simwarden.engine import provision
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.commands.command import SimCommand, execute
from simwarden.engine.explain import explain
from simwarden.engine.function_status import Functions
from simwarden.store import attachments, records

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.world import Box, World

    from simwarden.domain.command import Command
    from simwarden.domain.events import Cause
    from simwarden.engine.unit_of_work import Outcome

VOICE, SMS, DATA = Function.VOICE, Function.SMS, Function.DATA
HOME, AWAY = 1, 2


class Control:
    """The use cases of one worker, on a world."""

    def __init__(self, world: World) -> None:
        self.outcomes: list[Outcome] = []
        self.commands = CommandBatcher(world.db, clock=world.clock, committed=self.outcomes.append)

    async def do(self, number: int, command: Command, account: str = ACCOUNT) -> Decision:
        return await self.commands.submit(SimCommand(ref(number), command, CALLER, account))

    async def close(self, number: int, wanted: Function) -> None:
        await self.do(number, SetFunctions(FunctionState.CLOSED, int(wanted)))

    async def open(self, number: int, wanted: Function) -> None:
        await self.do(number, SetFunctions(FunctionState.OPEN, int(wanted)))

    async def step(self, number: int, what: Step) -> None:
        await self.do(number, Transition(what))


@pytest.fixture
def control(world: World) -> Control:
    return Control(world)


async def placed(world: World, *numbers: int, bound: bool = False, enforced: bool = True) -> Box:
    """A gateway with cards in its first ports, each seen there. A test that writes itself starts enforcement later."""
    box = await world.box()
    for port, number in enumerate(numbers, 1):
        await world.card(number, imei=box.device_at(port) if bound else None)
        box.put(number, port)
    await world.take(box.dev_status())
    if enforced:
        await world.start_enforcement()
    return box


async def test_closing_everything_locks_the_slot_and_opening_one_function_opens_it(
    world: World, control: Control
) -> None:
    box = await placed(world, 1)
    await control.close(1, VOICE | SMS)
    await control.close(1, DATA)
    assert [outcome.enforcement_due for outcome in control.outcomes] == [False, True]
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(1, 1)}
    await control.open(1, SMS)
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == set()
    assert [name for name, _ in box.commands] == ["lock", "unlock"]


async def test_closing_data_only_is_noted_and_commands_nothing(world: World, control: Control) -> None:
    box = await placed(world, 1)
    await control.close(1, DATA)
    (item,) = (await world.attached(1)).values()
    assert (item.desired, item.status, item.next_attempt_at, item.wanted) == (DATA, "APPLIED", None, 0)
    assert (await world.sim(1)).functions_off == DATA
    await asyncio.sleep(0.05)
    assert box.commands == []
    told = await explain(world.db, world.gateways, await world.sim(1))
    by_name = {each.function: each for each in told.functions}
    assert (by_name["DATA"].requested, by_name["DATA"].effective, by_name["DATA"].enforcement) == (
        False,
        False,
        "NOT_SEPARABLE",
    )
    assert [(bar.cause, bar.since) for bar in by_name["DATA"].bars] == [("CLOSED_BY_CUSTOMER", world.clock())]
    assert (by_name["SMS"].requested, by_name["SMS"].effective, by_name["SMS"].enforcement) == (True, True, "APPLIED")
    assert "only lock the whole SIM" in (told.places[0].note or "")
    # A card that moves on takes its wish along, and nothing is unlocked that was never locked.
    box.put(1, 3)
    await world.take(box.port_status(1), box.port_status(3))
    await asyncio.sleep(0.05)
    assert box.commands == []
    assert {target.key: item.desired for target, item in (await world.attached(1)).items()} == {"3.01": DATA}


async def test_another_function_closed_while_an_unlock_is_under_way_does_not_command_again(
    world: World, control: Control
) -> None:
    box = await placed(world, 1)
    await control.close(1, ALL_FUNCTIONS)
    await world.eventually(lambda: world.enforced(1))
    await world.stop_enforcement()
    await control.open(1, VOICE | SMS)
    (before,) = (await world.attached(1)).values()
    world.clock.turn(1)
    await control.close(1, SMS)
    (after,) = (await world.attached(1)).values()
    assert (after.desired, after.since, after.event, after.next_attempt_at) == (
        SMS | DATA,
        before.since,
        before.event,
        before.next_attempt_at,
    )
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    assert [name for name, _ in box.commands] == ["lock", "unlock"]


@pytest.mark.parametrize("order", list(itertools.permutations(["mismatch", "closed", "suspended"])))
async def test_the_lock_goes_with_the_last_of_its_causes(
    world: World, control: Control, order: tuple[str, ...]
) -> None:
    box = await placed(world, 1, bound=True)

    async def leave_home() -> None:
        box.put(1, AWAY)
        await world.take(box.port_status(HOME), box.port_status(AWAY))

    async def return_home() -> None:
        box.put(1, HOME)
        await world.take(box.port_status(AWAY), box.port_status(HOME))

    come: dict[str, Callable[[], Awaitable[None]]] = {
        "mismatch": leave_home,
        "closed": lambda: control.close(1, ALL_FUNCTIONS),
        "suspended": lambda: control.step(1, Step.SUSPEND),
    }
    go: dict[str, Callable[[], Awaitable[None]]] = {
        "mismatch": return_home,
        "closed": lambda: control.open(1, ALL_FUNCTIONS),
        "suspended": lambda: control.step(1, Step.RESTORE),
    }
    for name in order:
        await come[name]()
        world.clock.turn(1)
    for index, name in enumerate(reversed(order)):
        await world.eventually(lambda: world.enforced(1))
        port = next(port for port, _ in box.cards)
        assert (port, 1) in box.locked, f"{index} causes are lifted, and it is open"
        await go[name]()
        world.clock.turn(1)
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == set()
    assert (await world.sim(1)).bars == ()


async def test_a_life_from_add_to_delete(world: World, control: Control) -> None:
    box = await world.box()
    card = provision.new_sim(ACCOUNT, imsi=imsi(1), msisdn="+8613800000001", lifecycle=Lifecycle.PRE_ACTIVE)
    await provision.add(world.db, card, CALLER)
    box.put(1, 1)
    await world.take(box.dev_status())
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(1, 1)}, "a SIM that is not in use yet must not work"
    with pytest.raises(IllegalTransition, match="PRE_ACTIVE"):
        await control.step(1, Step.SUSPEND)
    await control.step(1, Step.ACTIVATE)
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == set()
    deactivated = world.clock.turn(60)
    await control.step(1, Step.DEACTIVATE)
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(1, 1)}
    sim = await world.sim(1)
    assert (sim.lifecycle, sim.lifecycle_since, sim.bars) == (Lifecycle.DEACTIVATED, deactivated, ())
    assert [(event.type, event.data.get("to")) for event in await world.sims.life(sim)] == [
        (EventType.SIM_ADDED, None),
        (EventType.LIFECYCLE_CHANGED, "ACTIVE"),
        (EventType.LIFECYCLE_CHANGED, "DEACTIVATED"),
    ]
    for view in await Functions(world.db, world.sims).read(sim):
        assert (view.requested, view.effective, view.bars, view.enforcement) == (True, False, [], "APPLIED")
        assert view.since == sim.lifecycle_since
    await control.step(1, Step.DELETE)
    assert await world.sims.find(ACCOUNT, ref(1)) is None
    assert await world.sims.find_any("+8613800000001") is None
    async with world.db.connection() as connection:
        assert await attachments.of_sims(connection, [imsi(1)]) == {imsi(1): []}
    with pytest.raises(SimNotFound):
        await control.step(1, Step.ACTIVATE)
    assert (
        await world.db.fetchval("select count(*) from event where imsi = $1 and type = 'LIFECYCLE_CHANGED'", imsi(1))
        == 3
    )
    # Another card in the slot is not to suffer from the lock that was left behind.
    await world.card(2)
    box.put(2, 1)
    box.cards = {(1, 1): 2}
    await world.take(box.port_status(1))
    await world.eventually(lambda: world.enforced(2))
    assert box.locked == set()


async def test_a_sim_is_forgotten_only_when_it_is_seen_to_be_stopped(world: World, control: Control) -> None:
    """Nobody would lock its slot afterwards: the card would go on working."""
    box = await placed(world, 1, enforced=False)
    await control.step(1, Step.DEACTIVATE)
    with pytest.raises(IllegalTransition, match="DEACTIVATED, but the network has not confirmed"):
        await control.step(1, Step.DELETE)
    await world.db.execute("update attachment set status = 'FAILED'")
    with pytest.raises(IllegalTransition, match="FAILED"):
        await control.step(1, Step.DELETE)
    await world.db.execute("update attachment set status = 'PENDING'")
    await world.start_enforcement()
    await world.eventually(lambda: world.enforced(1))
    assert box.locked == {(1, 1)}
    await control.step(1, Step.DELETE)
    assert box.locked == {(1, 1)}
    assert await world.sims.find(ACCOUNT, ref(1)) is None


async def test_where_a_gateway_cannot_be_made_to_stop_it_the_operator_may_forget_a_sim(
    world: World, control: Control
) -> None:
    await placed(world, 1, enforced=False)
    await control.step(1, Step.DEACTIVATE)
    await world.db.execute("update attachment set status = 'FAILED'")
    async with world.db.transaction() as connection:
        command = SimCommand(ref(1), Transition(Step.DELETE), CALLER)
        [result], _ = await execute(connection, [(imsi(1), command)], world.clock())
    assert isinstance(result, Decision)
    assert await world.sims.find(ACCOUNT, ref(1)) is None


async def test_who_gets_a_deleted_sims_number_does_not_get_its_past(world: World, control: Control) -> None:
    box = await placed(world, 1, enforced=False)
    await world.take(box.records(sms=[]))
    await control.close(1, DATA)
    await control.step(1, Step.DEACTIVATE)
    await world.db.execute("update attachment set status = 'APPLIED', applied = 7, next_attempt_at = null")
    await control.step(1, Step.DELETE)
    world.clock.turn(60)
    card = provision.new_sim("other", imsi=imsi(1))
    await provision.add(world.db, card, CALLER, imei=box.device_at(1))
    sim = await world.sim(1)
    assert (sim.account_id, sim.first_event, sim.bars, sim.closed) == ("other", 6, (), Function(0))
    events = await world.sims.events(sim)
    assert [(event.n, event.type) for event in events] == [
        (6, EventType.SIM_ADDED),
        (7, EventType.BINDING_CREATED),
    ]
    assert sim.event_count == 7
    told = await explain(world.db, world.gateways, sim)
    assert [step.n for step in told.history] == [6, 7]
    assert await records.sms_of(world.db, world.vault, sim) == []
    assert await records.calls_of(world.db, world.vault, sim) == []


async def test_two_at_once_close_it_once(world: World, control: Control) -> None:
    await world.card(1)
    other = Control(world)
    calls = [each.close(1, DATA) for each in (control, other) for _ in range(5)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, NothingToChange) for result in results) == 9
    assert await world.count(1, EventType.FUNCTION_CLOSED) == 1


async def test_calls_that_come_together_are_committed_together_and_refused_alone(
    world: World, control: Control
) -> None:
    await world.card(*range(1, 21))
    await control.close(7, ALL_FUNCTIONS)
    control.outcomes.clear()
    stranger = control.do(9, SetFunctions(FunctionState.CLOSED, int(DATA)), "other")
    calls = [control.close(number, ALL_FUNCTIONS) for number in range(1, 21)]
    results = await asyncio.gather(*calls, stranger, control.close(99, DATA), return_exceptions=True)
    refused = {index: type(result) for index, result in enumerate(results) if result is not None}
    assert refused == {6: NothingToChange, 20: SimNotFound, 21: SimNotFound}
    assert len(control.outcomes) <= 2, "the first alone at most, the others together"
    assert [(await world.sim(number)).functions_off for number in range(1, 21)] == [ALL_FUNCTIONS] * 20


async def test_commands_to_one_sim_in_one_batch_follow_each_other(world: World, control: Control) -> None:
    await world.card(1)
    await asyncio.gather(
        control.close(1, DATA), control.open(1, DATA), control.close(1, SMS), control.step(1, Step.SUSPEND)
    )
    assert await world.types(1) == [
        EventType.SIM_ADDED,
        EventType.FUNCTION_CLOSED,
        EventType.FUNCTION_OPENED,
        EventType.FUNCTION_CLOSED,
        EventType.LIFECYCLE_CHANGED,
    ]
    results = await asyncio.gather(
        control.step(1, Step.DEACTIVATE), control.step(1, Step.DELETE), control.close(1, DATA), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), type(None), SimNotFound]


async def test_what_postgresql_cannot_store_fails_alone(world: World, control: Control) -> None:
    await world.card(1, 2)
    bad = control.commands.submit(SimCommand(ref(1), SetApn(FunctionState.CLOSED, "a"), _evil()))
    results = await asyncio.gather(bad, control.close(2, DATA), return_exceptions=True)
    assert isinstance(results[0], Exception)
    assert results[1] is None
    assert await world.types(1) == [EventType.SIM_ADDED]
    assert (await world.sim(2)).functions_off == DATA


async def test_a_command_that_the_database_refuses_is_found_by_halving(
    world: World, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the database calls it: here what it said of an index row that was too long."""
    await world.card(*range(64))
    tried: list[int] = []

    async def refusing(connection: Any, wanted: Any, now: Any) -> Any:
        tried.append(len(wanted))
        if any(number == imsi(40) for number, _ in wanted):
            raise asyncpg.ProgramLimitExceededError("index row size exceeds maximum")
        return await execute(connection, wanted, now)

    monkeypatch.setattr("simwarden.engine.commands.batcher.execute", refusing)
    first = asyncio.create_task(control.close(0, DATA))
    await asyncio.sleep(0)
    results = await asyncio.gather(first, *(control.close(n, DATA) for n in range(1, 64)), return_exceptions=True)
    assert [n for n, result in enumerate(results) if result is not None] == [40]
    assert isinstance(results[40], asyncpg.ProgramLimitExceededError)
    assert len(tried) <= 1 + 2 * 7
    assert (await world.sim(63)).functions_off == DATA


def _evil() -> Cause:
    return msgspec.structs.replace(CALLER, reference="\x00")


@pytest.mark.parametrize("failures", [2, 3])
async def test_who_loses_against_another_transaction_tries_again_but_not_for_ever(
    world: World, control: Control, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    await world.card(1)
    tries = 0

    async def losing(*args: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries <= failures:
            raise asyncpg.DeadlockDetectedError("deadlock detected")
        return await execute(*args)

    monkeypatch.setattr("simwarden.engine.commands.batcher.execute", losing)
    if failures == 2:
        await control.close(1, DATA)
    else:
        with pytest.raises(StoreUnavailable):
            await control.close(1, DATA)
    assert tries == 3
    assert await world.count(1, EventType.FUNCTION_CLOSED) == (1 if failures == 2 else 0)
    await control.close(1, SMS)


async def test_a_database_that_is_gone_refuses_everybody_and_is_found_again(world: World, control: Control) -> None:
    await world.card(*range(1, 6))
    await control.close(1, DATA)
    victims = (
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where pid <> pg_backend_pid() and datname = current_database()"
    )
    calls = [asyncio.create_task(control.close(number, SMS)) for number in range(1, 6)]
    connection = await asyncpg.connect(world.db.url)
    await connection.execute(victims)
    await connection.close()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(result is None or isinstance(result, StoreUnavailable) for result in results)
    for number in range(1, 6):  # dead connections are found out one by one
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(StoreUnavailable):  # then it is not known what was done: again
                    with contextlib.suppress(NothingToChange):
                        await control.close(number, SMS)
                    assert SMS in (await world.sim(number)).closed
                    assert await world.count(number, EventType.FUNCTION_CLOSED) == (2 if number == 1 else 1)
                    break


async def test_many_in_one_transaction_say_per_sim_what_became_of_it(world: World) -> None:
    await world.card(1, 2, 3)
    now = world.clock()
    close = SetFunctions(FunctionState.CLOSED, int(DATA))

    async def do(connection: asyncpg.Connection, command: Command, *numbers: int) -> tuple[list[str], Outcome]:
        wanted = [(imsi(n), SimCommand(ref(n), command, CALLER, ACCOUNT)) for n in numbers]
        found, outcome = await execute(connection, wanted, now)
        return [type(each).__name__ for each in found], outcome

    async with world.db.transaction() as connection:
        await do(connection, close, 1)
        results, outcome = await do(connection, close, 3, 1, 77, 2)
        assert results == ["Decision", "NothingToChange", "SimNotFound", "Decision"]
        assert (outcome.changed, outcome.events) == (2, 2)
        results, _ = await do(connection, Transition(Step.SUSPEND), 3, 1, 77, 2)
        assert results == ["Decision", "Decision", "SimNotFound", "Decision"]
        assert (await do(connection, Bind(imei="35200000000001"), 1, 2))[0] == ["Decision", "Decision"]
        assert (await do(connection, Unbind(), 1, 3))[0] == ["Decision", "NotBound"]
    sim = await world.sim(1)
    assert (sim.closed, sim.binding, sim.lifecycle) == (DATA, None, "SUSPENDED")


async def test_since_says_when_each_function_came_on_again(world: World, control: Control) -> None:
    world.clock.now = datetime.now(UTC)  # cards are registered by the real clock
    await world.card(1)
    closed = world.clock.turn(10)
    await control.close(1, SMS | DATA)
    world.clock.turn(10)
    opened = world.clock()
    await control.open(1, SMS)
    world.clock.turn(10)
    views = {view.function: view for view in await Functions(world.db, world.sims).read(await world.sim(1))}
    assert views["SMS"].since == opened
    assert views["VOICE"].since is not None
    assert views["VOICE"].since < closed
    assert views["DATA"].since == closed
    await control.step(1, Step.SUSPEND)
    world.clock.turn(10)
    restored = world.clock()
    await control.step(1, Step.RESTORE)
    views = {view.function: view for view in await Functions(world.db, world.sims).read(await world.sim(1))}
    assert (views["SMS"].since, views["VOICE"].since) == (restored, restored)
    assert views["SMS"].enforcement is None
