"""A few rounds with faults, each of another kind; all others by `make test-faults`."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from tests.faults import model, record_model
from tests.faults.__main__ import Tally, run, until_told
from tests.faults.model import Act, Card, Intent, Move, Seen, Should
from tests.faults.record_model import Told

ROUNDS = [1, 2, 5, 6, 7, 9]
"""Of seed 1 the first house's: server, postmaster, a worker and its successors die, freeze; answers are lost."""


@pytest.mark.faults_smoke
async def test_promises_hold_under_a_few_faults(capsys: pytest.CaptureFixture[str]) -> None:
    tally = await run(Tally(1), list(ROUNDS), None)
    assert (tally.passed, tally.failed) == (len(ROUNDS), []), capsys.readouterr().out


async def test_the_first_signal_ends_it_in_order() -> None:
    cleaned = []

    async def work() -> Tally:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(60)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.05)
            cleaned.append(True)
        return Tally(1)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell's job in the background has it
    try:
        assert await until_told(work())
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(signal.SIGINT, before)
    assert cleaned == [True]


A, B = "353689530707903", "353689530707911"


def event(n: int, before: str, imei: str) -> dict[str, object]:
    return {"n": n, "type": "DEVICE_CHANGED", "parent": None, "data": {"before": before, "imei": imei}}


def delivery(name: str, imei: str, status: int | None) -> dict[str, object]:
    data = {"subscriptionId": "s1", "imei": imei}
    return {"status": status, "body": {"id": name, "type": model.IMEI_CHANGE, "data": data}}


def test_the_model_sees_a_gap_a_loss_and_a_lie() -> None:
    good = [event(1, A, B), event(2, B, A)]
    assert model.check_events("1", 2, good, A, [B, A], {A, B}) == []
    assert model.check_events("1", 3, good, A, [B, A], {A, B})
    assert model.check_events("1", 1, good[:1], A, [B, A], {A, B})
    assert model.check_events("1", 1, [event(1, B, B)], A, [], {A, B})
    assert model.check_events("1", 2, good, A, [], {A})


def test_the_model_expects_every_move_but_a_return_that_was_not_proved() -> None:
    moves = [
        Move("1", Card("gw1", slot, imei), at)
        for at, (slot, imei) in enumerate([("1.01", B), ("1.02", A), ("1.01", B)])
    ]
    assert model.expected_changes(A, moves) == [B, A, B]
    bound = model.bound_to([{"type": "BINDING_CREATED", "data": {"values": [A[:14]]}}, event(1, A, B)])
    assert bound == {A[:14]}
    assert model.expected_changes(A, moves, bound) == [B]


def test_the_model_sees_a_delivery_lost_out_of_order_or_changed() -> None:
    lanes, events = {"s1": "1"}, {"1": [event(1, A, B), event(2, B, A)]}
    good = [delivery("x1", B, 500), delivery("x1", B, 204), delivery("x2", A, 204), delivery("x1", B, 204)]
    assert model.check_deliveries(lanes, events, good) == []
    waiting = model.check_deliveries(lanes, events, good[:2])
    assert [item.final for item in waiting] == [False]
    for bad in (
        [delivery("x2", A, 204), delivery("x1", B, 204)],
        [delivery("x1", B, None), delivery("x2", A, 204), delivery("x1", B, 204)],
        [delivery("x1", B, 204), delivery("x1", A, 204)],
        [delivery("x1", B, 204), delivery("x1b", B, 204), delivery("x2", A, 204)],
    ):
        assert any(item.final for item in model.check_deliveries(lanes, events, bad)), bad


def test_the_model_sees_a_slot_that_should_be_locked_and_one_that_should_not() -> None:
    cards = {"1": Card("gw1", "1.01", A), "2": Card("gw1", "2.01", B)}
    bound = {"1": Should(A), "2": Should(A)}
    assert model.check_locks(cards, bound, {("gw1", "2.01")}) == []
    assert len(model.check_locks(cards, bound, {("gw1", "1.01")})) == 2
    assert model.check_locks(cards, {"1": Should(None), "2": Should(None)}, set()) == []
    closed = {"1": Should(A, frozenset({"VOICE", "SMS", "DATA"})), "2": Should(None, lifecycle="SUSPENDED")}
    assert model.check_locks(cards, closed, {("gw1", "1.01"), ("gw1", "2.01")}) == []
    assert model.check_locks(cards, closed | {"1": Should(A, frozenset({"DATA"}))}, {("gw1", "2.01")}) == []


def test_only_what_was_acknowledged_in_time_must_have_been_told() -> None:
    moves = [Move("1", Card("gw1", "1.01", B), 10), Move("1", Card("gw2", "1.01", A), 20)]
    seen = [Seen("1", "gw1", "1.01", B, 25), Seen("1", "gw2", "1.01", A, 30)]
    assert model.acknowledged_moves(moves, seen) == moves[1:]
    assert model.expected_changes(A, moves[1:]) == []
    assert model.expected_changes(A, moves) == [B, A]


def test_messages_are_stored_once() -> None:
    assert model.check_witnesses(["a"], ["a", "b"], {"a", "b", "c"}) == []
    assert len(model.check_witnesses(["a"], ["b", "b", "x"], {"a", "b"})) == 3


def caused(n: int, name: str, kind: str = "FUNCTION_CLOSED", **data: str) -> dict[str, object]:
    cause = {"kind": "CALL", "source": "swk_a", "reference": name}
    return {"n": n, "type": kind, "parent": None, "cause": cause, "data": data or {"function": "DATA"}}


def intents(**done: list[str] | None) -> dict[str, Intent]:
    return {
        name: Intent("swk_a", "api", "close", frozenset({"1", "2"}), None if imsis is None else frozenset(imsis))
        for name, imsis in done.items()
    }


def test_what_an_act_leads_to() -> None:
    active, closed = Should(A), Should(A, frozenset({"SMS"}))
    assert Act("close", frozenset({"SMS"})).to(active) == closed
    assert Act("close", frozenset({"SMS"})).to(closed) is None
    assert Act("open", frozenset({"SMS", "DATA"})).to(closed) == active
    assert Act("bind").to(Should(B, named=True), A) is None
    assert Act("unbind").to(Should(B, named=True)) == Should(None)
    assert Act("unbind").to(active, B) == Should(None)
    verdicts = [Act(verb).verdict(active) for verb in ("suspend", "restore", "activate")]
    assert verdicts == ["DONE", "UNCHANGED", "UNCHANGED"]
    assert Act("restore").verdict(Should(A, lifecycle="DEACTIVATED")) == "REFUSED"
    assert (active.off(A), active.off(B), closed.off(None)) == (0, 7, 2)


def test_the_model_sees_a_change_lost_made_twice_or_never_asked_for() -> None:
    events = {"1": [caused(1, "x")], "2": [caused(1, "x")]}
    assert model.check_causes(intents(x=["1", "2"]), events) == []
    assert model.check_causes(intents(x=None), {"1": [caused(1, "x")], "2": []}) == []
    for asked, told in (
        (intents(x=["1"]), events),
        (intents(x=["1", "2"]), {"1": [caused(1, "x")], "2": []}),
        (intents(x=["1", "2"]), events | {"1": [caused(1, "x"), caused(2, "x")]}),
        (intents(x=None), events | {"1": [caused(1, "x"), caused(2, "x")]}),
        (intents(y=["1", "2"]), events),
    ):
        assert any(item.final for item in model.check_causes(asked, told)), (asked, told)


def test_the_model_sees_usage_lost_counted_twice_or_made_up() -> None:
    events = {"1": [caused(1, "x")], "2": [caused(1, "x"), caused(2, "unknown")]}
    key = ("swk_a", "api", "close")
    made = ("swk_a", "iot-sim-fraud-prevention-subscriptions", "subscribeFraudPrevention")
    for asked in (intents(x=["1", "2"]), intents(x=None)):
        assert model.check_usage(asked, events, {"swk_a": 3}, {key: 2, made: 3}) == []
        for wrong in ({key: 1, made: 3}, {key: 3, made: 3}, {key: 2}, {key: 2, made: 3, ("swk_b", "api", "close"): 1}):
            assert len(model.check_usage(asked, events, {"swk_a": 3}, wrong)) == 1
    strangers = {"x": Intent("swk_a", "api", "close", frozenset({"1", "2"}), unknown=1)}
    apart = ("swk_a", "api", "close/unknown")
    assert model.check_usage(strangers, events, {}, {key: 2, apart: 1}) == []
    assert len(model.check_usage(strangers, events, {}, {key: 2})) == 1
    operators = {"x": Intent("", "manage", "previewBulk", frozenset({"1", "2"}))}
    assert model.check_usage(operators, events, {}, {}) == []
    sims: list[dict[str, str | None]] = [{"binding": "{}", "area": None}, {"binding": None, "area": None}]
    assert model.check_services(sims, {"BINDING": 1}) == []
    assert len(model.check_services(sims, {"BINDING": 2, "AREA": 1})) == 2


def test_the_model_sees_reads_counted_that_were_not_made() -> None:
    assert model.check_reads({"query": 3}, {"query": 2}, {"query": 3}, killed=False) == []
    assert model.check_reads({"query": 3}, {"query": 2}, {"query": 1}, killed=True) == []
    assert [item.final for item in model.check_reads({"query": 3}, {"query": 2}, {"query": 1}, killed=False)] == [False]
    assert [item.final for item in model.check_reads({"query": 3}, {}, {"query": 4}, killed=True)] == [True]


def test_the_model_sees_a_history_that_cannot_be() -> None:
    life = [("ACTIVE", "SUSPENDED"), ("SUSPENDED", "ACTIVE")]
    steps = [caused(n, "x", "LIFECYCLE_CHANGED", **{"from": a, "to": b}) for n, (a, b) in enumerate(life)]
    assert model.check_switches("1", [caused(1, "x"), caused(2, "x", "FUNCTION_OPENED"), *steps]) == []
    assert model.check_switches("1", [caused(1, "x"), caused(2, "x")])
    assert model.check_switches("1", [caused(1, "x", "FUNCTION_OPENED")])
    assert model.check_switches("1", steps[1:])


def test_the_model_counts_records_anew() -> None:
    sms = Told("1", "inbound", "+49", "DE", text="a")
    call = [Told("1", "inbound", "+49", "DE", call="x", answer=a, end=e) for a, e in ((0, 0), (5, 65), (5, 0))]
    told = [sms, sms, *call]
    good = [(("1", "SMS", "inbound", "DE"), 1, 0), (("1", "CALL", "inbound", "DE"), 1, 60)]
    assert record_model.check_days(told, good) == []
    for bad in (good[:1], [*good, (("1", "SMS", "inbound", "KH"), 1, 0)], [(good[0][0], 2, 0), good[1]]):
        assert record_model.check_days(told, bad)
    assert record_model.check_use({"1": [100, 103, 2, 4]}, {"1": 7}) == []
    assert record_model.check_use({"1": [100, 103]}, {})
    limit = {"much": 3}
    assert record_model.check_rules({("much", "1"): 3, ("much", "2"): 2}, {("much", "1"): 1}, limit, 1) == []
    assert len(record_model.check_rules({("much", "1"): 3, ("much", "2"): 2}, {("much", "2"): 1}, limit, 1)) == 2


def handed(id_: str, text: str, status: int | None = 204) -> dict[str, object]:
    data = {"subscriptionId": "s1", "messageId": id_, "text": text}
    return {"status": status, "body": {"id": f"e-{id_}", "type": "sms-received", "data": data}}


def test_the_model_sees_a_message_lost_taken_in_twice_or_out_of_order() -> None:
    acknowledged, stored = {"a": "1", "b": "1"}, [("1", "x1", "a"), ("1", "x2", "b")]
    good = [handed("x1", "a", 500), handed("x1", "a"), handed("x2", "b"), handed("x1", "a")]
    assert record_model.check_handed_on(acknowledged, (), stored, good, "s1") == []
    assert [one.final for one in record_model.check_handed_on(acknowledged, (), stored, good[:2], "s1")] == [False]
    for rows, came in (
        (stored, [handed("x2", "b"), handed("x1", "a")]),
        (stored, [handed("x1", "b"), handed("x2", "b")]),
        (stored[:1], good),
        ([*stored, ("1", "x3", "b")], [*good, handed("x3", "b")]),
    ):
        assert any(one.final for one in record_model.check_handed_on(acknowledged, (), rows, came, "s1")), came
    again = [*stored, ("1", "x3", "b")]
    assert record_model.check_handed_on(acknowledged, ["b"], again, [*good, handed("x3", "b")], "s1") == []


def test_the_model_sees_a_call_told_twice_or_never() -> None:
    def told(id_: str, peer: str) -> dict[str, object]:
        return {
            "status": 204,
            "body": {"data": {"subscriptionId": "s2", "recordId": id_, "direction": "INBOUND", "from": peer}},
        }

    ended = {"x": "+49", "y": "+49"}
    assert record_model.check_calls_told(ended, [told("r1", "+49"), told("r1", "+49"), told("r2", "+49")], "s2") == []
    assert [one.final for one in record_model.check_calls_told(ended, [told("r1", "+49")], "s2")] == [False]
    assert record_model.check_calls_told({}, [told("r1", "+49")], "s2")[0].final
