"""Why a SIM is as it is, as the management API shows it. Property names are those of `openapi.yaml`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from simwarden.management.views import Camel, EventView

if TYPE_CHECKING:
    from simwarden.engine import explain


class StandingBar(Camel, frozen=True):
    """StandingBar."""

    cause: str
    since: datetime
    event: int


class ShownFunction(Camel, frozen=True, omit_defaults=False):
    """FunctionState."""

    function: str
    requested: bool
    effective: bool
    bars: list[StandingBar]
    since: datetime | None
    enforcement: str | None


class ApnState(Camel, frozen=True, omit_defaults=False):
    """ApnState."""

    apn: str
    since: datetime
    event: int
    enforcement: str | None


class EnforcedSlot(Camel, frozen=True):
    """EnforcedSlot."""

    gateway: str
    current: bool
    wanted: str
    seen: str
    status: str
    attempts: int
    port: int | None = None
    slot: int | None = None
    target: str | None = None
    last_error: str | None = None
    note: str | None = None


class ExplanationView(Camel, frozen=True):
    """Explanation."""

    imsi: str
    binding_state: str
    lifecycle: str
    functions: list[ShownFunction]
    closed_apns: list[ApnState]
    places: list[EnforcedSlot]
    chain: list[EventView]
    history: list[EventView]
    states: list[EventView]
    iccid: str | None = None
    phone_number: str | None = None
    reported_iccid: str | None = None
    lifecycle_since: datetime | None = None
    bound_to: list[str] | None = None
    policy: dict[str, str] | None = None
    device: str | None = None
    device_unknown: bool = False
    seen_at: datetime | None = None


def explanation(found: explain.Explanation) -> ExplanationView:
    """An explanation."""
    return ExplanationView(
        imsi=found.imsi,
        binding_state=found.state,
        lifecycle=found.lifecycle,
        functions=[
            ShownFunction(
                function=each.function,
                requested=each.requested,
                effective=each.effective,
                bars=[StandingBar(cause=str(bar.cause), since=bar.since, event=bar.event) for bar in each.bars],
                since=each.since,
                enforcement=each.enforcement and str(each.enforcement),
            )
            for each in found.functions
        ],
        closed_apns=[
            ApnState(
                apn=each.apn, since=each.since, event=each.event, enforcement=each.enforcement and str(each.enforcement)
            )
            for each in found.closed_apns
        ],
        places=[
            EnforcedSlot(**{name: getattr(each, name) for name in EnforcedSlot.__struct_fields__})
            for each in found.places
        ],
        chain=_events(found.chain),
        history=_events(found.history),
        states=_events(found.life),
        iccid=found.iccid,
        phone_number=found.msisdn,
        reported_iccid=found.reported_iccid,
        lifecycle_since=found.lifecycle_since,
        bound_to=found.bound_to or None,
        policy=None if found.policy is None else _policy(found.policy),
        device=found.device,
        device_unknown=found.device_unknown,
        seen_at=found.seen_at,
    )


def _policy(policy: dict[str, Any]) -> dict[str, str]:
    return {"onMismatch": policy["on_mismatch"], "unknown": policy["unknown"], "resume": policy["resume"]}


def _events(steps: list[explain.Step]) -> list[EventView]:
    return [
        EventView(n=each.n, type=each.type, at=each.at, cause=each.cause, data=each.data, caused_by=each.caused_by)
        for each in steps
    ]
