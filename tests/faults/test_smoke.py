"""A few rounds with faults, each of another kind; all others by `make test-faults`."""

from __future__ import annotations

import pytest
from tests.faults import model
from tests.faults.__main__ import run
from tests.faults.model import Act, Card, Intent, Move, Seen, Should

ROUNDS = [1, 2, 5, 6, 7, 9]
"""Of seed 1 the first house's: server, postmaster, a worker and its successors die, freeze; answers are lost."""


@pytest.mark.faults_smoke
async def test_promises_hold_under_a_few_faults(capsys: pytest.CaptureFixture[str]) -> None:
    tally = await run(1, list(ROUNDS), None)
    assert (tally.passed, tally.failed) == (len(ROUNDS), []), capsys.readouterr().out


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
