"""When a SIM can become another account's, and what leaves with it: nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from simwarden.domain import rules
from simwarden.domain.errors import IllegalTransition, IncompatibleState, NothingToChange
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.rules.hand_over import HandOverSim
from simwarden.domain.sim import ALL_FUNCTIONS, Bar, BarCause, Lifecycle
from simwarden.engine.provision import new_sim

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CAUSE = Cause(CauseKind.OPERATOR, "swk_x", NOW)
SIM = new_sim("acc_a", imsi="460000990000001", msisdn="+8613800138000")


@pytest.mark.parametrize("lifecycle", [Lifecycle.ACTIVE, Lifecycle.PRE_ACTIVE])
def test_a_sim_leaves_as_one_that_is_deleted(lifecycle: Lifecycle) -> None:
    sim = msgspec.structs.replace(SIM, lifecycle=lifecycle)
    decision = rules.decide(sim, HandOverSim("acc_b"), NOW, CAUSE)
    assert decision.sim.lifecycle is Lifecycle.DELETED
    [event] = decision.events
    assert event.type is EventType.LIFECYCLE_CHANGED
    assert event.data == {"from": str(lifecycle), "to": "DELETED", "handedOver": True}


def test_what_is_that_accounts_already_stays_as_it_is() -> None:
    with pytest.raises(NothingToChange):
        rules.decide(SIM, HandOverSim("acc_a"), NOW, CAUSE)


@pytest.mark.parametrize("lifecycle", [Lifecycle.SUSPENDED, Lifecycle.DEACTIVATED])
def test_a_sim_that_is_stopped_stays(lifecycle: Lifecycle) -> None:
    with pytest.raises(IllegalTransition):
        rules.decide(msgspec.structs.replace(SIM, lifecycle=lifecycle), HandOverSim("acc_b"), NOW, CAUSE)


def test_a_sim_that_is_held_back_stays() -> None:
    bar = Bar(BarCause.IMEI_MISMATCH, int(ALL_FUNCTIONS), NOW, 1)
    for change in ({"bars": (bar,)}, {"closed_apns": ("iot",)}):
        with pytest.raises(IncompatibleState, match=r"IMEI_MISMATCH|closed APNs"):
            rules.decide(msgspec.structs.replace(SIM, **change), HandOverSim("acc_b"), NOW, CAUSE)
