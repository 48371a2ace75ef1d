"""A few rounds with faults, each of another kind; all others by `make test-faults`."""

from __future__ import annotations

import pytest
from tests.faults import model
from tests.faults.__main__ import run
from tests.faults.model import Card, Move, Seen

ROUNDS = [0, 1, 2, 3, 5, 11]
"""Of seed 1 the first house's: a worker, the server, PostgreSQL, the gateways and the sink die, freeze or misbehave."""


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
    bound = {"1": A, "2": A}
    assert model.check_locks(cards, bound, {("gw1", "2.01")}) == []
    assert len(model.check_locks(cards, bound, {("gw1", "1.01")})) == 2
    assert model.check_locks(cards, {"1": None, "2": None}, set()) == []


def test_only_what_was_acknowledged_in_time_must_have_been_told() -> None:
    moves = [Move("1", Card("gw1", "1.01", B), 10), Move("1", Card("gw2", "1.01", A), 20)]
    seen = [Seen("1", "gw1", "1.01", B, 25), Seen("1", "gw2", "1.01", A, 30)]
    assert model.acknowledged_moves(moves, seen) == moves[1:]
    assert model.expected_changes(A, moves[1:]) == []
    assert model.expected_changes(A, moves) == [B, A]


def test_messages_are_stored_once() -> None:
    assert model.check_witnesses(["a"], ["a", "b"], {"a", "b", "c"}) == []
    assert len(model.check_witnesses(["a"], ["b", "b", "x"], {"a", "b"})) == 3
