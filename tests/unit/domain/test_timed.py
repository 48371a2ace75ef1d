"""Bars that end by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from simwarden.domain.decision import SimMutation
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.rules.timed import Expire, expire
from simwarden.domain.sim import ALL_FUNCTIONS, BarCause, Function, Sim

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
SOON, LATER = NOW + timedelta(minutes=30), NOW + timedelta(hours=1)
CAUSE = Cause(CauseKind.TIME, "engine", NOW, "bar expired")


def barred() -> Sim:
    """Three bars: voice until soon, SMS until later, and one without an end."""
    change = SimMutation(Sim(bucket=1, imsi="460000990000001", account_id="acme"), NOW, CAUSE)
    change.raise_bar(BarCause.RISK, Function.VOICE, SOON)
    change.raise_bar(BarCause.RISK, Function.SMS, LATER)
    change.raise_bar(BarCause.IMEI_MISMATCH)
    return change.decision().sim


@pytest.mark.parametrize(
    ("at", "lifted", "due"),
    [(NOW, [], SOON), (SOON, [Function.VOICE], LATER), (LATER, [Function.VOICE, Function.SMS], None)],
)
def test_bars_are_lifted_at_their_end_and_not_before(
    at: datetime, lifted: list[Function], due: datetime | None
) -> None:
    before = barred()
    assert before.due_at == SOON
    decision = expire(before, Expire(), at, CAUSE)
    assert [(event.type, event.data) for event in decision.events] == [
        (EventType.BAR_LIFTED, {"bar": "RISK", "functions": int(function)}) for function in lifted
    ]
    assert decision.sim.due_at == due
    assert len(decision.sim.bars) == 3 - len(lifted)
    assert decision.sim.functions_off == ALL_FUNCTIONS, "the other cause stays"
    assert expire(decision.sim, Expire(), at, CAUSE).events == ()
