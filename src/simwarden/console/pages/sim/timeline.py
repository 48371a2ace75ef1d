"""Events in words: what happened, its facts, and who or what started it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.console import texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.console.visit import Visit

_TONES = {
    "BAR_RAISED": "bad",
    "BINDING_DIFFERED": "bad",
    "ENFORCEMENT_FAILED": "bad",
    "SIM_IDENTITY_CONFLICT": "bad",
    "DEVICE_CHANGED": "warn",
    "DEVICE_UNKNOWN": "warn",
    "FUNCTION_CLOSED": "warn",
    "RULE_FIRED": "warn",
    "ENFORCEMENT_COMMANDED": "info",
    "BAR_LIFTED": "ok",
    "BINDING_RESTORED": "ok",
    "ENFORCEMENT_APPLIED": "ok",
    "FUNCTION_OPENED": "ok",
    "SIM_IDENTITY_RESTORED": "ok",
}
_HIDDEN = frozenset({"kind", "commandedAt"})
_IDENTIFIERS = frozenset({"imei", "before", "last", "values", "iccid", "reported", "network"})


class TimelineStep(msgspec.Struct, frozen=True):
    """An event, for a template."""

    n: int
    at: str
    title: str
    tone: str
    facts: list[tuple[str, str, bool]]
    """Name, value, and whether it is an identifier."""
    origin: str
    """Who or what started the chain."""
    caused_by: int | None


def step(visit: Visit, event: Mapping[str, Any]) -> TimelineStep:
    """One event in words."""
    data = event["data"]
    if event["type"] == "AREA_CHANGED":
        tone = "bad" if data.get("to") == "OUTSIDE" else "ok"
    else:
        tone = _TONES.get(event["type"], "idle")
    facts = [
        (_label(visit, name), _value(visit, value), name in _IDENTIFIERS)
        for name, value in data.items()
        if name not in _HIDDEN and value not in (None, "", [], {})
    ]
    key = f"sim.event.{event['type']}"
    title = visit.t(key) if texts.has(key) else event["type"].replace("_", " ").capitalize()
    return TimelineStep(
        event["n"], event["at"], title, tone, facts, _origin(visit, event["cause"]), event.get("causedBy")
    )


def _label(visit: Visit, name: str) -> str:
    key = f"sim.fact.{name}"
    return visit.t(key) if texts.has(key) else name.replace("_", " ")


def _value(visit: Visit, value: Any) -> str:
    match value:
        case bool():
            return visit.t("common.yes" if value else "common.no")
        case list():
            return visit.t("common.comma").join(_value(visit, each) for each in value[:12])
        case dict():
            parts = (f"{_label(visit, name)} {_value(visit, each)}" for name, each in value.items() if each is not None)
            return visit.t("common.comma").join(parts)
    return visit.word(value, "sim.value") if texts.has(f"sim.value.{value}") else visit.word(value)


def _origin(visit: Visit, cause: Mapping[str, Any]) -> str:
    said = visit.t(f"sim.origin.{cause['kind']}", source=cause["source"])
    return (
        f"{said}: {cause['message']}" if cause.get("message") and cause["kind"] in ("CALL", "REPORT", "TIME") else said
    )
