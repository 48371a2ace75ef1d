"""Taking in reports on a real database: what changes, what does not, and what may not spoil what."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.patience import PATIENCE
from tests.support.world import ACCOUNT, CALLER, START, World, device, iccid, imsi

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import CauseKind, EventType
from simwarden.domain.identifiers import full_imei
from simwarden.domain.reports import CallRecord, PortObservation, SmsRecord
from simwarden.domain.sim import BindingState, Policy
from simwarden.engine import provision
from simwarden.engine.explain import explain
from simwarden.engine.ingest import UnacceptableReport
from simwarden.store import attachments, ports, records

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from simwarden.domain.reports import Report

E = EventType
STOLEN = [E.DEVICE_CHANGED, E.BINDING_DIFFERED, E.BAR_RAISED]


async def test_the_first_sighting_is_an_event_and_a_place(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.dev_status())
    sim = await world.sim(1)
    assert sim.seen is not None
    assert (sim.seen.imei, sim.seen.unknown, sim.seen.slot) == (box.device_at(1), False, box.place(1))
    assert sim.seen.at == START
    (added, seen) = await world.events(1)
    assert (added.type, seen.type) == (E.SIM_ADDED, E.DEVICE_SEEN)
    assert seen.data == {"imei": full_imei(device(box.id * 100 + 1))}
    assert (seen.cause.kind, seen.cause.source, seen.cause.message) == (CauseKind.REPORT, "gw1", "dev-status")
    assert seen.cause.reference == "port 1.01 seq 1"
    assert not (await world.attached(1))[box.target(1)].is_open


async def test_the_steady_state_writes_no_sim_no_port_no_event(world: World) -> None:
    box = await world.box()
    await world.card(*range(1, 7))
    for number in range(1, 7):
        box.put(number, (number + 1) // 2, 1 + number % 2)
    await world.take(box.dev_status())
    tables = ("sim", "gateway_port", "event", "attachment", "delivery", "sim_identifier")
    before = [await world.written(table) for table in tables]
    for _ in range(3):
        world.clock.turn(60)
        await world.take(box.dev_status())
    await world.take(box.port_status(1))
    assert [await world.written(table) for table in tables] == before
    assert world.tallies[-2].sightings == 6


async def test_the_time_of_the_newest_sighting_is_refreshed_coarsely(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.dev_status())
    world.clock.turn(14 * 60)
    await world.take(box.dev_status())
    assert (await world.sim(1)).seen.at == START  # type: ignore[union-attr]
    world.clock.turn(60)
    await world.take(box.dev_status())
    assert (await world.sim(1)).seen.at == world.clock()  # type: ignore[union-attr]
    assert await world.types(1) == [E.SIM_ADDED, E.DEVICE_SEEN]


async def test_a_change_of_device_bars_and_the_return_lifts(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.dev_status())
    await world.bind(1)
    box.put(1, 2)
    await world.take(box.port_status(1), box.port_status(2))
    assert await world.state(1) is BindingState.DIFFERED
    assert (await world.types(1))[3:] == STOLEN
    attached = await world.attached(1)
    assert set(attached) == {box.target(2)}
    assert attached[box.target(2)].wanted
    assert attached[box.target(2)].is_open
    box.put(1, 1)
    await world.take(box.port_status(2), box.port_status(1))
    assert await world.barred(1), "one report alone lifts nothing"
    assert await world.ask() == 1
    assert await world.state(1) is BindingState.LOCKED
    assert not await world.barred(1)


async def test_several_sightings_of_one_sim_in_one_batch_count_in_their_order(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    box.put(1, 1)
    reports = [box.port_status(1)]
    box.put(1, 2)
    reports += [box.port_status(1), box.port_status(2)]
    box.put(1, 1)
    reports += [box.port_status(2), box.port_status(1)]
    box.put(1, 3)
    reports += [box.port_status(1), box.port_status(3)]
    await world.take(*reports)
    assert len(world.tallies) == 1, "one batch"
    changes = [event.data["imei"] for event in await world.events(1) if event.type is E.DEVICE_CHANGED]
    assert changes == [full_imei(box.device_at(port) or "") for port in (2, 3)], (
        "the return between waits for its proof"
    )
    assert (await world.sim(1)).seen.slot == box.place(3)  # type: ignore[union-attr]
    assert await world.state(1) is BindingState.DIFFERED


async def test_a_port_that_names_only_the_iccid_is_enough(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(77))
    box.put(1, 1)
    await world.take(box.port_status(1, imsi=None))
    assert await world.state(1) is BindingState.DIFFERED


async def test_sims_nobody_registered_are_counted_and_kept_as_ports_only(world: World) -> None:
    box = await world.box()
    box.put(8, 1)
    box.put(9, 2)
    report = box.dev_status()
    await world.take(report)
    assert world.tallies[-1].unknown_sims == 2
    assert await world.db.fetchval("select count(*) from sim") == 0
    assert await world.db.fetchval("select count(*) from event") == 0
    assert {row["imsi"] for row in await world.ports(box)} == {imsi(8), imsi(9), None}
    await world.card(8)
    world.clock.turn(60)
    await world.take(box.dev_status())
    assert await world.types(8) == [E.SIM_ADDED, E.DEVICE_SEEN], "registered later, seen with the next status"


async def test_an_armed_binding_learns_from_the_next_report_even_if_nothing_moved(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.dev_status())
    await world.bind(1, first_seen=True)
    world.clock.turn(60)
    await world.take(box.dev_status())
    assert await world.state(1) is BindingState.LOCKED
    assert (await world.types(1))[-1] is E.BINDING_LEARNT


async def test_a_repeated_report_changes_nothing_twice(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(77))
    box.put(1, 1)
    reports = [box.dev_status(), box.port_status(1)]
    for report in (*reports, *reports, *reports):
        await world.take(report)
    await world.take(*reports, *reports)
    assert await world.types(1) == [E.SIM_ADDED, E.BINDING_CREATED, *STOLEN]


async def test_replaying_everything_a_gateway_ever_said_neither_blocks_nor_opens(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    said: list[Report] = []
    for port in (1, 2, 1, 3, 1):
        world.clock.turn(20)
        box.put(1, port)
        said += [box.dev_status(), box.port_status(1), box.port_status(2), box.port_status(3)]
        await world.take(*said[-4:])
        await world.ask()
    history = await world.types(1)
    assert history.count(E.BAR_RAISED) == 2
    world.clock.turn(5)
    for report in said[:-4]:
        await world.take(report)
    await world.take(*said[:-4])
    assert [type_ for type_ in await world.types(1) if type_ is not E.ENFORCEMENT_APPLIED] == history
    assert await world.ask() == 0, "it was asked a moment ago"
    world.clock.turn(10)
    assert await world.ask() == 1, "however many were doubted"
    assert [type_ for type_ in await world.types(1) if type_ is not E.ENFORCEMENT_APPLIED] == history
    assert await world.state(1) is BindingState.LOCKED


async def test_a_port_report_that_comes_late_is_late_even_if_the_newer_one_said_nothing_new(world: World) -> None:
    """The card was in the wrong port for a moment; the report of that moment is overtaken by a whole status."""
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    box.put(1, 1)
    await world.take(box.dev_status())
    box.put(1, 2)
    late = box.port_status(2)
    box.put(1, 1)
    world.clock.turn(60)
    await world.take(box.dev_status())
    await world.take(late)
    assert await world.state(1) is BindingState.LOCKED
    assert world.tallies[-1].late == 1


async def test_a_late_single_port_report_is_late_too(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    box.put(1, 1)
    await world.take(box.port_status(1))
    box.devices[1] = device(66)
    late = box.port_status(1)
    del box.devices[1]
    await world.take(box.port_status(1))
    await world.take(late)
    assert await world.state(1) is BindingState.LOCKED


async def test_a_restarted_gateway_is_believed_and_its_past_is_not(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    box.put(1, 2)
    first = box.dev_status()
    await world.take(first)
    box.put(1, 1)
    await world.take(*(box.dev_status() for _ in range(5)))
    await world.ask()
    assert await world.state(1) is BindingState.LOCKED
    box.reboot()
    world.clock.turn(60)
    box.put(1, 3)
    await world.take(box.dev_status())
    assert await world.state(1) is BindingState.DIFFERED, "numbers began again, and it is believed"
    await world.take(first)
    assert (await world.sim(1)).seen.slot == box.place(3)  # type: ignore[union-attr]


async def test_a_restart_within_one_batch_is_believed(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    box.put(1, 1)
    await world.take(box.dev_status(), box.dev_status())
    moved = box.port_status(1, signal=3, status=1)
    box.reboot()
    box.put(1, 2)
    await world.take(moved, box.dev_status())
    assert len(world.tallies) == 2
    assert world.tallies[-1].late == 0
    assert await world.state(1) is BindingState.DIFFERED
    assert set(await world.attached(1)) == {box.target(2)}
    port = await world.port(box.place(1))
    assert port["imsi"] is None


async def test_after_a_restart_a_report_from_before_it_in_the_same_batch_is_still_judged_by_its_own_boot(
    world: World,
) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    box.put(1, 1)
    await world.take(box.dev_status(), box.dev_status())
    box.devices[1] = device(66)
    stale = box.port_status(1)
    del box.devices[1]
    await world.take(box.port_status(1, status=4))
    box.reboot()
    await world.take(stale, box.dev_status())
    assert await world.state(1) is BindingState.LOCKED
    assert await world.count(1, E.BAR_RAISED) == 0


async def test_a_record_tells_in_which_device_a_sim_was(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    box.put(1, 1)
    await world.take(box.dev_status())
    world.clock.turn(30)
    await world.take(box.evidence(1, device(66), world.clock() - timedelta(seconds=5)))
    assert await world.state(1) is BindingState.DIFFERED
    assert (await world.sim(1)).seen.slot == box.place(1), "the record names no place"  # type: ignore[union-attr]


async def test_a_late_record_is_ignored_because_a_whole_status_confirmed_the_sim_since(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(box.id * 100 + 1))
    box.put(1, 1)
    await world.take(box.dev_status())
    world.clock.turn(60)
    await world.take(box.dev_status())
    before = await world.written("sim")
    await world.take(box.evidence(1, device(66), world.clock() - timedelta(seconds=30)))
    assert await world.state(1) is BindingState.LOCKED
    await world.take(box.evidence(1, device(66), START - timedelta(days=30)))
    await world.take(box.evidence(1, box.device_at(2) or "", world.clock() - timedelta(seconds=30), port=2))
    assert await world.written("sim") == before
    assert world.tallies[-1].late == 1


async def test_a_late_record_of_the_same_device_does_not_move_the_sim_back(world: World) -> None:
    """Two slots of a port share its device; the place must not jump to where the card was before."""
    box = await world.box()
    await world.card(1)
    box.put(1, 1, 1)
    await world.take(box.dev_status())
    world.clock.turn(60)
    box.put(1, 1, 2)
    await world.take(box.dev_status())
    world.clock.turn(60)
    await world.take(box.dev_status())
    await world.take(box.evidence(1, box.device_at(1) or "", world.clock() - timedelta(seconds=30), port=1))
    assert (await world.sim(1)).seen.slot == box.place(1, 2)  # type: ignore[union-attr]


async def test_a_record_from_the_future_counts_as_now(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(77))
    await world.take(box.evidence(1, device(66), world.clock() + timedelta(days=400)))
    assert (await world.sim(1)).seen.at == world.clock()  # type: ignore[union-attr]
    world.clock.turn(60)
    box.put(1, 1)
    await world.take(box.dev_status())
    assert (await world.sim(1)).seen.slot == box.place(1)  # type: ignore[union-attr]


async def test_pushes_of_one_call_are_one_call(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.dev_status())
    base: dict[str, Any] = {"call_id": "abc", "port": 1, "slot": 1, "direction": "outbound", "callee": "10086"}
    begin, answer, end = (START + timedelta(seconds=s) for s in (1, 4, 90))
    pushes = [
        CallRecord(**base, begin_at=begin),
        CallRecord(**base, begin_at=begin, answer_at=answer, update_at=START + timedelta(seconds=60)),
        CallRecord(**base, begin_at=begin, answer_at=answer, end_at=end, reason_code=201, reason="Caller Hangup"),
    ]
    for push in (*pushes, pushes[0], pushes[1]):
        await world.take(box.records(calls=[push]))
    await world.take(box.records(calls=pushes))
    (row,) = await records.calls_of(world.db, world.vault, await world.sim(1))
    assert (row["begin_at"], row["answer_at"], row["end_at"]) == (begin, answer, end)
    assert (row["imsi"], row["reason_code"], row["callee"]) == (imsi(1), 201, "10086")


async def test_a_call_whose_sim_is_known_later_stays_one_call(world: World) -> None:
    box = await world.box()
    await world.card(1)
    await world.take(box.records(calls=[CallRecord(call_id="abc", begin_at=START)]))
    await world.take(box.records(calls=[CallRecord(call_id="abc", imsi=imsi(1), end_at=START)]))
    rows = await world.db.fetch("select * from call_record")
    assert [(row["imsi"], row["begin_at"], row["end_at"]) for row in rows] == [(imsi(1), START, START)]


async def test_a_message_is_stored_once_and_found_by_its_sim(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.dev_status())
    sms = SmsRecord(key=b"k" * 32, direction="inbound", at=START, port=1, slot=1, sender="10086", content="hello")
    await world.take(box.records(sms=[sms, sms]))
    await world.take(box.records(sms=[sms]))
    (row,) = await records.sms_of(world.db, world.vault, await world.sim(1))
    assert (row["content"], row["imsi"]) == ("hello", imsi(1))


POISON = PortObservation(port=1, slot=1, sequence=1, status=3, imei=device(1), imsi=imsi(1), operator="nul \x00")


async def test_one_poisonous_report_does_not_spoil_the_batch(world: World) -> None:
    box, other = await world.box(), await world.box("gw2")
    await world.card(1, 2, 3)
    other.put(2, 1)
    box.put(3, 2)
    poison = box._report(message="port-status", ports=(POISON,))
    tasks = [asyncio.create_task(world.take(report)) for report in (other.dev_status(), poison, box.port_status(2))]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), UnacceptableReport, type(None)]
    assert E.DEVICE_SEEN not in await world.types(1)
    assert E.DEVICE_SEEN in await world.types(2)
    assert E.DEVICE_SEEN in await world.types(3)


@pytest.mark.parametrize(
    "poison",
    [
        {"operator": "\ud800"},
        {"msisdn": "\x00"},
        {"sequence": 2**70},
        {"status": 2**40},
        {"signal": -(2**40)},
        {"imsi": "٤٦٠٠٠٠٩٩٠٠٠٠٠٠١"},
        {"detail": {"x": "\x00"}},
        {"detail": {"x": "\ud800"}},
    ],
)
async def test_what_cannot_be_stored_is_refused_and_nothing_of_it_stays(world: World, poison: dict[str, Any]) -> None:
    box = await world.box()
    await world.card(1, imei=device(77))
    box.put(1, 1)
    with pytest.raises(UnacceptableReport):
        await world.take(box.port_status(1, **poison))
    assert await world.types(1) == [E.SIM_ADDED, E.BINDING_CREATED]
    assert await world.db.fetchval("select count(*) from gateway_port") == 0
    assert await world.db.fetchval("select reports from gateway") == 0
    await world.take(box.port_status(1))
    assert await world.state(1) is BindingState.DIFFERED


async def test_without_a_database_nothing_is_half_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    box = await world.box()
    await world.card(1, imei=device(77))
    box.put(1, 1)
    save = attachments.save

    async def cut(connection: Any, items: Any) -> None:
        await save(connection, items)
        await connection.execute("select pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as patch:
        patch.setattr(attachments, "save", cut)
        with pytest.raises(StoreUnavailable):
            await world.take(box.dev_status())
    assert await world.types(1) == [E.SIM_ADDED, E.BINDING_CREATED]
    assert await world.db.fetchval("select count(*) from gateway_port") == 0
    await world.take(box.dev_status())
    assert await world.state(1) is BindingState.DIFFERED, "sent again, it is taken in"


async def test_two_workers_on_the_same_sims_neither_deadlock_nor_lose_a_number(world: World) -> None:
    first, second = await world.box("gw1"), await world.box("gw2")
    cards = range(1, 21)
    await world.card(*cards, imei=device(77))
    other = world.another_ingest()
    for round_ in range(8):
        jobs: list[Awaitable[object]] = []
        for box, ingest in ((first, world.ingest), (second, other)):
            order = list(cards) if box is first else list(reversed(cards))
            box.cards = {(index + 1, 1): card for index, card in enumerate(order)}
            jobs.append(ingest.submit(box.dev_status(ports=range(1, 21), slots=1)))
            jobs.append(ingest.submit(*(box.evidence(card, device(900_000 + round_), world.clock()) for card in order)))
        jobs += [world.bind(1 + round_, imei=device(78))]
        world.clock.turn(1)
        await asyncio.wait_for(asyncio.gather(*jobs), PATIENCE)
    for card in cards:
        assert await world.events(card)


async def test_a_gateway_removed_meanwhile_leaves_no_sighting_and_spoils_nothing(world: World) -> None:
    gone, box = await world.box("gone"), await world.box("gw2")
    await world.card(1, 2, imei=device(77))
    gone.put(1, 1)
    box.put(2, 1)
    call = CallRecord(call_id="abc", imsi=imsi(1), begin_at=START)
    reports = [gone.dev_status(), gone.evidence(1, device(66), START, port=1, calls=(call,)), box.dev_status()]
    await world.db.execute("delete from gateway where id = $1", gone.id)
    await world.take(*reports)
    assert await world.types(1) == [E.SIM_ADDED, E.BINDING_CREATED]
    assert await world.state(2) is BindingState.DIFFERED


async def test_removing_a_gateway_takes_its_attachments_away(world: World) -> None:
    box, new = await world.box("old"), await world.box("new")
    await world.card(1, imei=device(77))
    box.put(1, 1)
    await world.take(box.dev_status())
    await world.db.execute("delete from gateway where id = $1", box.id)
    assert await world.attached(1) == {}
    new.put(1, 1)
    await world.take(new.dev_status())
    assert set(await world.attached(1)) == {new.target(1)}


async def test_a_sim_of_another_account_is_seen_as_well_and_stays_its_own(world: World) -> None:
    box = await world.box()
    sim = provision.new_sim("other", imsi=imsi(5), iccid=iccid(5))
    await provision.add(world.db, sim, CALLER)
    box.put(5, 1)
    await world.take(box.dev_status())
    stored = await world.sim(5)
    assert stored.account_id == "other"
    assert stored.seen is not None
    assert ACCOUNT != "other"


# -- slots that change hands -----------------------------------------------------------------------------------------


async def test_a_barred_sim_that_comes_back_into_the_slot_another_had_meanwhile_is_locked_again(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(77))
    await world.card(2)
    box.put(1, 1)
    await world.take(box.dev_status())
    assert (await world.attached(1))[box.target(1)].wanted
    box.cards.clear()
    box.put(2, 1)
    await world.take(box.port_status(1))
    assert await world.attached(1) == {}, "the slot is the other SIM's business now"
    box.cards.clear()
    box.put(1, 1)
    await world.take(box.port_status(1))
    attached = await world.attached(1)
    assert attached[box.target(1)].wanted
    assert attached[box.target(1)].is_open


async def test_binding_a_sim_does_not_lock_out_the_one_that_is_in_its_old_slot_now(world: World) -> None:
    box = await world.box()
    await world.card(1, 2)
    box.put(1, 1)
    await world.take(box.dev_status())
    box.cards.clear()
    box.put(2, 1)
    await world.take(box.port_status(1))
    await world.bind(1, imei=device(77))
    assert await world.barred(1)
    assert await world.attached(1) == {}
    assert not (await world.attached(2))[box.target(1)].wanted


async def test_our_lock_is_remembered_as_ours_in_a_slot_never_reported_before(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(77))
    box.put(1, 1)
    await world.take(box.dev_status())
    async with world.db.connection() as connection:
        assert await ports.locked_by_us(connection, [box.target(1)]) == {box.target(1)}


async def test_a_new_sim_in_a_slot_that_we_locked_is_let_out(world: World) -> None:
    box = await world.box()
    await world.card(1, imei=device(77))
    await world.card(2)
    box.put(1, 1)
    await world.take(box.dev_status())
    box.locked.add((1, 1))
    await world.take(box.port_status(1))
    box.cards.clear()
    box.put(2, 1)
    await world.take(box.port_status(1))
    here = (await world.attached(2))[box.target(1)]
    assert here.is_open
    assert not here.wanted


async def test_an_operators_lock_is_left_alone(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    box.locked.add((1, 1))
    await world.take(box.dev_status())
    assert not (await world.attached(1))[box.target(1)].is_open
    box.put(1, 2)
    await world.take(box.port_status(1), box.port_status(2))
    assert set(await world.attached(1)) == {box.target(2)}, "nothing of ours to lift"


async def test_an_operators_lock_is_left_alone_when_a_bar_comes_and_goes(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    box.locked.add((1, 1))
    await world.take(box.dev_status())
    await world.bind(1, imei=device(77))
    here = (await world.attached(1))[box.target(1)]
    assert here.wanted
    assert not here.is_open, "locked already"
    await world.unbind(1)
    here = (await world.attached(1))[box.target(1)]
    assert not here.is_open
    assert not here.wanted


async def test_a_lock_that_an_operator_lifts_is_made_again_and_is_ours_then(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    box.locked.add((1, 1))
    await world.take(box.dev_status())
    await world.bind(1, imei=device(77))
    box.locked.clear()
    await world.take(box.port_status(1))
    assert (await world.attached(1))[box.target(1)].is_open
    box.locked.add((1, 1))
    await world.take(box.port_status(1))
    await world.unbind(1)
    assert (await world.attached(1))[box.target(1)].is_open, "to be unlocked: the second lock was ours"


async def test_policies_reach_the_slot(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    await world.take(box.dev_status())
    await world.bind(1, Policy(unknown="DENY"))  # type: ignore[arg-type]
    box.devices[1] = None
    await world.take(box.port_status(1))
    assert (await world.attached(1))[box.target(1)].wanted
    del box.devices[1]
    await world.take(box.port_status(1))
    await world.ask()
    assert not (await world.attached(1))[box.target(1)].wanted


async def test_slots_that_a_report_invents_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """None that matters is forgotten: where a SIM is locked, or is to be."""
    monkeypatch.setattr(ports, "SLOTS_KEPT", 6)
    box, other = await world.box(), await world.box("gw2")
    await world.card(1, imei=device(9))
    box.put(1, 1)
    await world.take(box.port_status(1), other.dev_status())
    for first in range(10, 40, 5):
        world.clock.turn(1)
        await world.take(box.dev_status(ports=range(first, first + 5), slots=1))
    kept = {row["port"] for row in await world.ports(box)}
    assert kept == {1, 30, *range(35, 40)}
    assert len(await world.ports(other)) == 6
    assert (await world.attached(1))[box.target(1)].wanted


async def test_another_iccid_than_the_registered_one_is_told_once_for_each_change(world: World) -> None:
    box = await world.box()
    await world.card(1)
    box.put(1, 1)
    other, third = "89860000000000099999", "89860000000000088888"

    async def conflicts() -> list[Any]:
        found = [e for e in await world.events(1) if e.type in (E.SIM_IDENTITY_CONFLICT, E.SIM_IDENTITY_RESTORED)]
        return [event.data.get("reported") for event in found]

    await world.take(box.port_status(1))
    assert await conflicts() == []
    for _ in range(3):
        await world.take(box.port_status(1, iccid=other))
        world.clock.turn(1)
    assert await conflicts() == [other]
    event = next(e for e in await world.events(1) if e.type is E.SIM_IDENTITY_CONFLICT)
    assert (event.data, event.cause.source) == ({"iccid": iccid(1), "reported": other}, "gw1")
    assert (await world.sim(1)).reported_iccid == other
    shown = await explain(world.db, world.gateways, await world.sim(1))
    assert shown.reported_iccid == other
    before = await world.written("sim"), await world.written("event")
    await world.take(box.port_status(1, iccid=other))
    assert (await world.written("sim"), await world.written("event")) == before, "the steady state writes nothing"
    await world.take(box.port_status(1, iccid=third))
    await world.take(box.port_status(1))
    assert await conflicts() == [other, third, None]
    assert (await world.sim(1)).reported_iccid is None
    await world.take(box.port_status(1, iccid=iccid(1)[:-1]))
    assert await conflicts() == [other, third, None], "a gateway that leaves out the last digit shows the same card"
