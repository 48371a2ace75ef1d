"""Which SIMs are eligible for anything, and which events end such an answer."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from simwarden.domain import rules
from simwarden.domain.eligibility import ENDING, ContextCode, obstacle
from simwarden.domain.errors import SimwardenError
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.rules.device import Bind
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import ALL_FUNCTIONS, Bar, BarCause, Lifecycle, Seen, Sighting, Sim

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IMSI = "460001234567890"
SIM = Sim(bucket=bucket_of(IMSI), imsi=IMSI, account_id="acc", msisdn="+8613800000001", event_count=1)
CAUSE = Cause(CauseKind.OPERATOR, "test", NOW)


def barred(*causes: BarCause) -> Sim:
    return msgspec.structs.replace(SIM, bars=tuple(Bar(cause, int(ALL_FUNCTIONS), NOW, 2) for cause in causes))


@pytest.mark.parametrize(
    ("lifecycle", "code"),
    [
        (Lifecycle.ACTIVE, None),
        (Lifecycle.PRE_ACTIVE, ContextCode.SUBSCRIBER_NOT_SUPPORTED),
        (Lifecycle.SUSPENDED, ContextCode.SUSPENDED),
        (Lifecycle.DEACTIVATED, ContextCode.SUBSCRIPTION_CANCELLED),
        (Lifecycle.DELETED, ContextCode.SUBSCRIPTION_CANCELLED),
    ],
)
def test_only_an_active_sim_is_eligible(lifecycle: Lifecycle, code: ContextCode | None) -> None:
    for sim in (SIM, barred(BarCause.SUSPENDED)):
        against = obstacle(msgspec.structs.replace(sim, lifecycle=lifecycle))
        expected = ContextCode.BARRED if code is None and sim.bars else code
        assert (against and against.code) == expected


@pytest.mark.parametrize("cause", BarCause)
def test_every_bar_but_the_customers_own_wish_is_an_obstacle(cause: BarCause) -> None:
    against = obstacle(barred(BarCause.CLOSED_BY_CUSTOMER, cause))
    if cause is BarCause.CLOSED_BY_CUSTOMER:
        assert against is None
    else:
        assert against is not None
        assert (against.code, against.message) == (ContextCode.BARRED, f"The SIM is barred: {cause}")


def test_all_causes_are_named_once() -> None:
    against = obstacle(barred(BarCause.RISK, BarCause.AREA_EXIT, BarCause.RISK))
    assert against is not None
    assert against.message == "The SIM is barred: AREA_EXIT, RISK"


def matters(sim: Sim) -> object:
    """What an answer is taken from, and what a swap changes."""
    bars = {(bar.cause, bar.functions) for bar in sim.bars if bar.cause is not BarCause.CLOSED_BY_CUSTOMER}
    device = None if sim.seen is None else sim.seen.imei
    return sim.lifecycle, bars, device, obstacle(sim)


def test_whatever_changes_what_an_answer_is_taken_from_ends_it() -> None:
    """A thief's device, the way back, and every step of the lifecycle."""
    own, other = "35209900176148", "86052105000017"
    sim = msgspec.structs.replace(SIM, seen=Seen(NOW, own))
    inputs: list[object] = [Bind()]
    devices = (other, own, other)
    inputs += [Sighting(imsi=IMSI, imei=imei, at=NOW.replace(minute=n)) for n, imei in enumerate(devices, 1)]
    inputs += [Transition(step) for step in (Step.SUSPEND, Step.RESTORE, Step.DEACTIVATE)]
    changes = 0
    for each in inputs:
        decided = rules.decide(sim, each, NOW.replace(minute=30), CAUSE)
        types = {event.type for event in decided.events}
        if matters(decided.sim) != matters(sim):
            changes += 1
            assert types & ENDING, each
        sim = decided.sim
    assert changes == 6
    with pytest.raises(SimwardenError):
        rules.decide(sim, Transition(Step.SUSPEND), NOW, CAUSE)
