"""Operations: each item once, whatever happens; previewed, confirmed, cancelled; results per SIM."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.integration.operations.house import CAUSE, House, imsi, named

from simwarden.domain import rules
from simwarden.domain.errors import InvalidValue, TooManyOperations
from simwarden.domain.identifiers import ALL_BUCKETS
from simwarden.domain.rules.device import Bind, Unbind
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import Function, Lifecycle
from simwarden.domain.usage import Usage
from simwarden.engine.bulk_jobs import (
    BulkJobs,
    Named,
    NotReady,
    Operation,
    OperationLimits,
    OperationNotFound,
    PreviewChanged,
    confirm_token,
)
from simwarden.engine.bulk_worker import BulkWorker
from simwarden.engine.commands.catalogue import Add
from simwarden.engine.idempotency import IdempotentRequest, ReplayedResponse, StoredResponse
from simwarden.kit.clock import now_utc
from simwarden.store import operations as store
from simwarden.store.database import Database
from simwarden.store.idempotency import CallKey
from simwarden.store.listing import SimFilter

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.domain.decision import Decision
    from simwarden.domain.events import Cause
    from simwarden.domain.sim import Sim

CLOSE_DATA = SetFunctions(FunctionState.CLOSED, int(Function.DATA))
SUSPEND = Transition(Step.SUSPEND)


@pytest.fixture
async def house(database: Database) -> House:
    made = House(database)
    await made.furnish(60, 3)
    return made


async def test_a_list_is_done_sim_by_sim_and_each_result_says_why_not(house: House) -> None:
    await house.settle(await house.begin(SUSPEND, named([2])))
    wanted = [*named([0, 1, 2, 1_000_000, 5_000_000]), Named(5, {"imsi": "x"}, None, wrong=InvalidValue("no"))]
    done = await house.settle(await house.begin(SUSPEND, wanted))
    assert (done.state, done.items, done.done, done.unchanged, done.refused, done.left) == ("COMPLETED", 6, 2, 1, 3, 0)
    items = await house.operations.items(done.id)
    assert [(item.status, item.code) for item in items] == [
        ("DONE", None),
        ("DONE", None),
        ("UNCHANGED", "INCOMPATIBLE_STATE"),
        ("REFUSED", "IDENTIFIER_NOT_FOUND"),
        ("REFUSED", "IDENTIFIER_NOT_FOUND"),
        ("REFUSED", "INVALID_ARGUMENT"),
    ]
    assert "SUSPENDED" in str(items[2].reason)
    assert items[3].reason == items[4].reason, "another account's SIM and an unknown one are answered alike"
    assert (await house.sim(0)).lifecycle is Lifecycle.SUSPENDED
    assert (await house.sim(3)).lifecycle is Lifecycle.ACTIVE
    assert (await house.sim(1_000_000)).lifecycle is Lifecycle.ACTIVE
    [event] = [event for event in await house.events() if event[0] == imsi(0)]
    assert event[1] == "LIFECYCLE_CHANGED"


async def test_a_preview_changes_nothing_and_is_confirmed_by_who_has_seen_it(house: House) -> None:
    await house.settle(await house.begin(CLOSE_DATA, named([0, 1, 2])))
    before = await house.events()
    ready = await house.settle(await house.begin(CLOSE_DATA, SimFilter(account=house.account.id), preview=True))
    assert (ready.state, ready.items, ready.unchanged, ready.refused, ready.left) == ("READY", 60, 3, 0, 57)
    assert ready.summary is not None
    assert [(line["status"], line["count"]) for line in ready.summary] == [("REQUESTED", 57), ("UNCHANGED", 3)]
    assert len(ready.summary[0]["samples"]) == 5
    assert await house.events() == before
    with pytest.raises(PreviewChanged):
        await house.operations.confirm(ready.id, "0" * 32)
    await house.operations.confirm(ready.id, confirm_token(ready))
    with pytest.raises(NotReady, match="RUNNING"):
        await house.operations.confirm(ready.id, confirm_token(ready))
    done = await house.settle(ready)
    assert (done.state, done.done, done.unchanged, done.refused, done.left) == ("COMPLETED", 57, 3, 0, 0)
    closed = Counter(imsi for imsi, kind, _ in await house.events() if kind == "FUNCTION_CLOSED")
    assert closed == Counter(imsi(number) for number in range(60))


async def test_what_a_preview_put_aside_stays_so_and_what_changed_since_is_found(house: House) -> None:
    await house.settle(await house.begin(SUSPEND, named([0])))
    ready = await house.settle(await house.begin(SUSPEND, named([0, 1, 2]), preview=True))
    assert (ready.unchanged, ready.left) == (1, 2)
    await house.settle(await house.begin(Transition(Step.RESTORE), named([0])))
    await house.settle(await house.begin(Transition(Step.DEACTIVATE), named([1])))
    await house.operations.confirm(ready.id, confirm_token(ready))
    done = await house.settle(ready)
    assert (done.done, done.unchanged, done.refused) == (1, 1, 1)
    assert (await house.sim(0)).lifecycle is Lifecycle.ACTIVE, "it was put aside by the preview"
    assert [item.status for item in await house.operations.items(done.id)] == ["UNCHANGED", "REFUSED", "DONE"]


@pytest.mark.parametrize("state", ["PREVIEWING", "READY", "RUNNING"])
async def test_a_cancelled_operation_does_nothing_any_more(house: House, state: str) -> None:
    operation = await house.begin(CLOSE_DATA, named(range(60)), preview=state != "RUNNING")
    if state == "READY":
        operation = await house.settle(operation)
    if state == "RUNNING":
        await house.worker.look()
    assert operation.state == state
    cancelled = await house.operations.cancel(operation.id)
    assert cancelled.state == "CANCELLED"
    events = await house.events()
    assert len(events) == cancelled.done
    after = await house.settle(operation)
    assert (after.state, await house.events()) == ("CANCELLED", events)
    with pytest.raises(NotReady, match="CANCELLED"):
        await house.operations.cancel(operation.id)
    with pytest.raises(NotReady, match="CANCELLED"):
        await house.operations.confirm(operation.id, confirm_token(after))


async def test_workers_that_are_stopped_anywhere_do_each_item_once(house: House) -> None:
    operation = await house.begin(CLOSE_DATA, named(range(60)))
    for milliseconds in range(3, 33, 3):
        worker = house.operate("w1")
        worker.start()
        await asyncio.sleep(milliseconds / 1000)
        assert worker._loop is not None
        worker._loop.cancel()
        await asyncio.gather(worker._loop, return_exceptions=True)
    done = await house.settle(operation)
    assert (done.state, done.done) == ("COMPLETED", 60)
    assert Counter(imsi for imsi, _, _ in await house.events()) == Counter(imsi(number) for number in range(60))


async def test_two_workers_at_once_do_each_item_once(house: House) -> None:
    one, two = house.worker, house.operate("w1")  # the same name: both believe in the same leases
    operation = await house.begin(CLOSE_DATA, named(range(60)))
    await asyncio.gather(house.settle(operation, one), house.settle(operation, two))
    done = await house.operations.get(operation.id)
    assert (done.state, done.done) == ("COMPLETED", 60)
    assert len(await house.events()) == 60


async def test_small_parts_are_done_together(house: House) -> None:
    """60 SIMs are in about fifty buckets: that is no reason for fifty transactions."""
    house.worker._pace.size = 64
    done = await house.settle(await house.begin(CLOSE_DATA, named(range(60))))
    assert (done.state, done.done) == ("COMPLETED", 60)
    assert sum(outcome.changed for outcome in house.outcomes) == 60
    assert len(house.outcomes) <= 5
    assert Counter(imsi for imsi, _, _ in await house.events()) == Counter(imsi(number) for number in range(60))


async def test_a_small_operation_does_not_wait_for_a_large_one(house: House) -> None:
    large = await house.begin(CLOSE_DATA, named(range(60)))
    small = await house.begin(SUSPEND, named([3]))
    for _ in range(3):
        await house.worker.look()
    assert (await house.operations.get(small.id)).done == 1
    assert (await house.operations.get(large.id)).left > 0


async def test_one_with_nothing_to_do_ends_while_a_large_one_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simwarden.engine.bulk_worker.FINISH_EVERY", 0.0)
    large = await house.begin(CLOSE_DATA, named(range(60)))
    await house.worker.look()
    hopeless = await house.begin(SUSPEND, named([5_000_000]))
    await house.worker.look()
    assert (await house.operations.get(hopeless.id)).state == "COMPLETED"
    assert (await house.operations.get(large.id)).left > 0


async def test_an_operation_that_fails_holds_no_other_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = BulkWorker._transact
    failing = await house.begin(CLOSE_DATA, named(range(60)))
    other = await house.begin(SUSPEND, named(range(60)))

    async def transact(self: BulkWorker, group: list[store.PartOfWork], *rest: Any, **more: Any) -> int:
        if group[0].operation_id == failing.id:
            raise KeyError("a fault of ours")
        return await plain(self, group, *rest, **more)

    monkeypatch.setattr(BulkWorker, "_transact", transact)
    monkeypatch.setattr("simwarden.engine.bulk_worker.REST", 0.2)
    for _ in range(20):
        await house.worker.look()
    assert (await house.operations.get(other.id)).state == "COMPLETED"
    assert (await house.operations.get(failing.id)).done == 0
    monkeypatch.setattr(BulkWorker, "_transact", plain)
    await asyncio.sleep(0.3)
    assert (await house.settle(failing)).done == 60


async def test_the_same_sim_twice_in_a_list_is_done_once(house: House) -> None:
    done = await house.settle(await house.begin(CLOSE_DATA, named([7, 7, 7])))
    assert (done.done, done.unchanged) == (1, 2)
    assert len(await house.events()) == 1


async def test_binding_by_list_takes_each_sims_own_device(house: House) -> None:
    wanted = [*named([0], imei="353689530707903"), *named([1], imei="12"), *named([2])]
    wanted = [Named(n, each.given, each.ref, each.data) for n, each in enumerate(wanted)]
    done = await house.settle(await house.begin(Bind(first_seen=True), wanted))
    assert [(i.status, i.code) for i in await house.operations.items(done.id)] == [
        ("DONE", None),
        ("REFUSED", "INVALID_ARGUMENT"),
        ("DONE", None),
    ]
    binding = (await house.sim(0)).binding
    assert binding is not None
    assert binding.values == ("35368953070790",)
    again = await house.settle(await house.begin(Bind(first_seen=True), wanted))
    assert (again.unchanged, again.done) == (2, 0)
    gone = await house.settle(await house.begin(Unbind(), named([0, 1])))
    assert (gone.done, gone.unchanged) == (1, 1)


async def test_sims_are_added_and_deleted(house: House) -> None:
    new = [
        Named(0, {"imsi": imsi(100)}, None, {"imsi": imsi(100), "msisdn": "+8613800009999"}),
        Named(1, {"imsi": imsi(0)}, None, {"imsi": imsi(0)}),
        Named(2, {"imsi": imsi(101)}, None, {"imsi": imsi(101), "lifecycle": "ACTIVE", "imei": "353689530707903"}),
    ]
    items = [store.NewItem(each.n, each.given, 0, str(each.given["imsi"]), each.data) for each in new]
    done = await house.settle(
        await house.operations.begin(Add(), items, CAUSE, app_key="swk_a", account_id=house.account.id, preview=False)
    )
    assert [(i.status, i.code) for i in await house.operations.items(done.id)] == [
        ("DONE", None),
        ("REFUSED", "ALREADY_EXISTS"),
        ("DONE", None),
    ]
    assert (await house.sim(100)).lifecycle is Lifecycle.PRE_ACTIVE
    assert (await house.sim(101)).binding is not None
    for step in (Step.ACTIVATE, Step.DEACTIVATE, Step.DELETE):
        assert (await house.settle(await house.begin(Transition(step), named([100])))).done == 1
    with pytest.raises(AssertionError):
        await house.sim(100)


async def test_an_item_that_spoils_its_batch_is_refused_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = rules.decide

    def spoilt(sim: Sim, given: object, now: datetime, cause: Cause) -> Decision:
        if sim.imsi == imsi(30):
            raise OverflowError("a value that cannot be stored")
        return plain(sim, given, now, cause)

    monkeypatch.setattr(rules, "decide", spoilt)
    done = await house.settle(await house.begin(CLOSE_DATA, named(range(60))))
    assert (done.state, done.done, done.refused) == ("COMPLETED", 59, 1)
    [refused] = [item for item in await house.operations.items(done.id) if item.status == "REFUSED"]
    assert (refused.imsi, refused.code) == (imsi(30), "INTERNAL")


async def test_a_repeated_call_begins_one_operation(house: House) -> None:
    once = IdempotentRequest(
        CallKey("swk_a", "k-1"), b"digest", lambda operation: StoredResponse(202, operation.id.encode())
    )
    first = await house.operations.begin(
        SUSPEND, named([0]), CAUSE, app_key="swk_a", account_id=house.account.id, preview=False, once=once
    )
    with pytest.raises(ReplayedResponse) as replayed:
        await house.operations.begin(
            SUSPEND, named([0]), CAUSE, app_key="swk_a", account_id=house.account.id, preview=False, once=once
        )
    assert replayed.value.kept.body == first.id.encode()
    assert [each.id for each in await house.operations.page()] == [first.id]


async def test_operations_are_listed_newest_first_and_are_their_clients_own(house: House) -> None:
    made = [(await house.begin(SUSPEND, named([number]))).id for number in range(5)]
    assert [each.id for each in await house.operations.page(limit=3)] == made[:1:-1]
    assert [each.id for each in await house.operations.page(before=made[2])] == made[1::-1]
    assert (await house.operations.get(made[0], app_key="swk_a")).id == made[0]
    with pytest.raises(OperationNotFound):
        await house.operations.get(made[0], app_key="swk_other")


async def test_few_sims_of_a_filter_are_found_in_few_batches(house: House) -> None:
    """Each batch is a transaction and, beside calls, a pause: 256 of them took minutes on a busy machine."""
    ready = await house.settle(await house.begin(SUSPEND, SimFilter(), preview=True))
    assert (ready.state, ready.items) == ("READY", 60)
    assert len(house.outcomes) <= 40
    done = await house.settle(await house.operations.confirm(ready.id, confirm_token(ready)))
    assert (done.state, done.done) == ("COMPLETED", 60)


async def test_an_old_preview_expires_and_old_operations_are_forgotten(house: House) -> None:
    ready = await house.settle(await house.begin(SUSPEND, SimFilter(), preview=True))
    assert ready.items == 60, "an account's filter finds its own SIMs only"
    later = now_utc() + timedelta(hours=2)
    await store.finish(house.db, later, timedelta(hours=1))
    assert (await house.operations.get(ready.id)).state == "EXPIRED"
    with pytest.raises(NotReady, match="EXPIRED"):
        await house.operations.confirm(ready.id, confirm_token(ready))
    await store.forget_old(house.db, later + timedelta(days=31), later, ALL_BUCKETS)
    with pytest.raises(OperationNotFound):
        await house.operations.get(ready.id)
    assert await house.db.fetchval("select count(*) from operation_item") == 0


async def test_an_application_may_begin_so_much_and_no_more(house: House) -> None:
    limits = OperationLimits(open=5, devices=100, unknown=10)
    usage = Usage("", "swk_a", "iot-device-management", "suspendDevices")

    async def begin(numbers: range, app_key: str = "swk_a", *, preview: bool = False) -> Operation:
        operations = BulkJobs(house.db, limits=limits)
        counted = msgspec.structs.replace(usage, account_id=house.account.id, app_key=app_key)
        account_id = house.account.id
        return await operations.begin(
            SUSPEND, named(numbers), CAUSE, app_key=app_key, account_id=account_id, preview=preview, usage=counted
        )

    strangers = range(1_000_000, 1_000_008)
    await begin(strangers)
    with pytest.raises(TooManyOperations, match="10 devices that are no SIMs of the account"):
        await begin(strangers)
    await begin(strangers, "swk_b")  # each application has its own
    await begin(strangers, preview=True)  # the operator's are not limited
    with pytest.raises(TooManyOperations, match="100 devices"):
        await begin(range(93))
    for number in range(3):
        await begin(range(number, number + 1))
    with pytest.raises(TooManyOperations, match="5 operations"):
        await begin(range(5, 6))
    counted = await house.db.fetch(
        "select app_key, sum(count)::int as n from usage_count where operation = 'suspendDevices/unknown' group by 1"
    )
    assert {row["app_key"]: row["n"] for row in counted} == {"swk_a": 16, "swk_b": 8}


async def test_after_a_refusal_long_lists_are_refused_for_a_second_without_being_looked_at(house: House) -> None:
    now = now_utc()
    operations = BulkJobs(house.db, limits=OperationLimits(unknown=10), clock=lambda: now)
    account_id = house.account.id

    async def begin(sims: list[Named], app_key: str = "swk_a") -> Operation:
        return await operations.begin(
            SUSPEND, sims, CAUSE, app_key=app_key, account_id=account_id, preview=False, usage=None
        )

    strangers, own = named(range(1_000_000, 1_000_200)), named([*range(60)] * 2)
    operations.refuse_at_once("swk_a")
    with pytest.raises(TooManyOperations, match="10 devices that are no SIMs of the account"):
        await begin(strangers)
    with pytest.raises(TooManyOperations, match="10 devices that are no SIMs of the account") as refused:
        operations.refuse_at_once("swk_a")
    assert refused.value.retry_after == 3600
    with pytest.raises(TooManyOperations):
        await begin(own)
    await begin(own[:60])  # a short list is looked at
    operations.refuse_at_once("swk_b")
    await begin(own, "swk_b")
    now += timedelta(seconds=1)
    operations.refuse_at_once("swk_a")
    await begin(own)


async def test_what_named_only_unknown_sims_is_kept_for_a_day(house: House) -> None:
    vain = await house.settle(await house.begin(SUSPEND, named(range(1_000_000, 1_000_005))))
    useful = await house.settle(await house.begin(SUSPEND, named([1, 1_000_000])))
    now = now_utc()
    await store.forget_old(house.db, now - timedelta(days=30), now - timedelta(hours=1), ALL_BUCKETS)
    assert [each.id for each in await house.operations.page()] == [useful.id, vain.id]
    await store.forget_old(house.db, now - timedelta(days=30), now + timedelta(hours=1), ALL_BUCKETS)
    assert [each.id for each in await house.operations.page()] == [useful.id]
