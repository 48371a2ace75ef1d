"""Why a SIM is as it is, as the management API shows it. Property names are those of `openapi.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.management import area_forms
from simwarden.management.shapes import (
    ApnState,
    EnforcedSlot,
    EventView,
    ExplanationView,
    ShownFunction,
    StandingBar,
)

if TYPE_CHECKING:
    from simwarden.engine import explain


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
        device_kept_out_by=found.device_kept_out_by,
        seen_at=found.seen_at,
        area=None if found.area is None else area_forms.limit(found.area, found.gateways),
    )


def _policy(policy: dict[str, Any]) -> dict[str, str]:
    return {"onMismatch": policy["on_mismatch"], "unknown": policy["unknown"], "resume": policy["resume"]}


def _events(steps: list[explain.ChainStep]) -> list[EventView]:
    return [
        EventView(n=each.n, type=each.type, at=each.at, cause=each.cause, data=each.data, caused_by=each.caused_by)
        for each in steps
    ]
