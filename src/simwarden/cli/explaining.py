"""Why a SIM is as it is, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.cli.printing import human
from simwarden.cli.shapes import limit_fields
from simwarden.management.shapes import EnforcedSlot, EventView, ExplanationView, ShownFunction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_BINDING = {
    "NEUTRAL": "not bound to a device",
    "ARMED": "bound to the first device that will be seen",
    "LOCKED": "bound, and in a device that matches",
    "DIFFERED": "bound, and in another device",
}
_BARS = {
    "IMEI_MISMATCH": "the SIM is not in the device that it is bound to",
    "AREA_EXIT": "the SIM is outside its area",
    "CLOSED_BY_CUSTOMER": "closed by the customer or the operator",
    "SUSPENDED": "the SIM is suspended",
    "RISK": "a risk was found",
    "QUOTA": "its quota is used up",
}
_OFF = {
    "APPLIED": "is off",
    "PENDING": "is to be off; the network has not confirmed that yet",
    "FAILED": "is to be off, but may still work: the gateway did not lock the SIM",
    "NOT_SEPARABLE": "is to be off, but still works: what can be acted upon can only stop more than that",
    None: "is to be off, but nothing can be done in the network: no gateway has the SIM",
}
_ON = {
    "PENDING": "may work; the network has not confirmed yet that the lock is lifted",
    "FAILED": "may work, but does not: the gateway did not lift its lock",
}
_POLICY = {
    ("onMismatch", "ENFORCE"): "barred in another device",
    ("onMismatch", "ALERT"): "in another device only told of",
    ("unknown", "ALLOW"): "allowed while the device is unknown",
    ("unknown", "DENY"): "barred while the device is unknown",
    ("resume", "AUTO"): "opened by itself when it is back",
    ("resume", "MANUAL"): "opened by a person (`simwarden sim resume`) when it is back",
}
_STATUS = {"APPLIED": "as it is to be", "PENDING": "not confirmed yet", "FAILED": "failed, still tried"}


def read(answer: Any) -> ExplanationView:
    """The answer of the API."""
    return msgspec.convert(answer, ExplanationView)


def lines(told: ExplanationView, *, whole: bool = False) -> Iterator[str]:
    """The lines to print. `whole`: the whole history, not only the newest chain."""
    fields = {
        "SIM": "  ".join(part for part in (told.imsi, told.phone_number, told.iccid) if part),
        "Card": told.reported_iccid
        and f"the gateway reports the ICCID {told.reported_iccid}; another one is registered",
        "Life": told.lifecycle + (f", since {human(told.lifecycle_since)}" if told.lifecycle_since else ""),
        "Binding": f"{told.binding_state}: {_BINDING.get(told.binding_state, '')}",
        "Bound to": human(told.bound_to) if told.bound_to else None,
        "Policy": ", ".join(_POLICY.get(each, " ".join(each)) for each in (told.policy or {}).items()),
        "In device": _device(told),
        **limit_fields(told.area),
    }
    width = max(len(name) for name in fields)
    yield from (f"{name:<{width}}  {value}" for name, value in fields.items() if value)
    yield ""
    yield from (f"{_name(each.function):<5} {_function(told, each)}" for each in told.functions)
    for apn in told.closed_apns:
        yield f"APN {apn.apn}: closed since {human(apn.since)} (event {apn.event}); no gateway can close single APNs"
    yield from (_place(place) for place in told.places)
    if whole:
        yield "\nStates"
        for each in told.states:
            state = each.data.get("to") or each.data.get("lifecycle")
            yield f"  {each.n:>4}  {human(each.at)}  {state}  [{_origin(each)}]"
    yield "\nHistory" if whole else "\nHow it came to this"
    steps = told.history if whole else told.chain
    yield from (f"  {step.n:>4}  {human(step.at)}  {sentence(step)}" for step in steps)


def _device(told: ExplanationView) -> str:
    if told.seen_at is None:
        return "never seen"
    if told.device_unknown:
        last = f"; the last one known is {told.device}" if told.device else ""
        return f"unknown since its newest sighting, {human(told.seen_at)}: the IMEI is missing or unreadable{last}"
    listed = " and ".join(told.device_kept_out_by)
    note = f"; the device is on the list {listed}: refused there where an element asks" if listed else ""
    return f"{told.device}, seen {human(told.seen_at)}{note}"


def _name(function: str) -> str:
    return {"VOICE": "Voice", "DATA": "Data"}.get(function, function)


def _function(told: ExplanationView, each: ShownFunction) -> str:
    at = None if each.enforcement is None else str(each.enforcement)
    if each.effective:
        since = f" since {human(each.since)}" if each.since else ""
        return _ON.get(at or "", f"works{since}")
    reasons = [f"{_BARS.get(bar.cause, bar.cause)}, since {human(bar.since)} (event {bar.event})" for bar in each.bars]
    if told.lifecycle != "ACTIVE" and not any(bar.cause == "SUSPENDED" for bar in each.bars):
        reasons.append(f"the SIM is {told.lifecycle}")
    return f"{_OFF.get(at, _OFF[None])}. Why: {'; '.join(reasons)}"


def _place(place: EnforcedSlot) -> str:
    text = f"At gateway {place.gateway}, {target_name(_facts(place))}: to be {place.wanted}, seen {place.seen}"
    text += f" ({_STATUS.get(place.status, place.status)})"
    if place.last_error:
        text += f". Attempt {place.attempts}: {place.last_error.rstrip('.')}"
    if place.target and place.separates:
        text += f". Separates {' from '.join(place.separates)}"
    if place.device:
        text += f". Shows it in device {place.device}"
    if place.goes_on:
        text += f". Still goes on: {', '.join(place.goes_on)}"
    return text + (f". {place.note[0].upper()}{place.note[1:]}" if place.note else "")


def _facts(place: EnforcedSlot) -> dict[str, int | str]:
    if place.port is None:
        return {"target": place.target or ""}
    return {"port": place.port, "slot": place.slot or 0}


def target_name(facts: Mapping[str, Any]) -> str:
    """What can be acted upon, as people say it: a slot as its gateway numbers it, or what its element calls it."""
    if "port" not in facts:
        return str(facts["target"])
    return f"port {facts['port']}" + (f".{facts['slot']:02}" if facts.get("slot") else "")


def sentence(step: EventView) -> str:
    """One event, and what led to it."""
    return f"{_said(step)}  [{_origin(step)}{f', from event {step.caused_by}' if step.caused_by else ''}]"


def _said(step: EventView) -> str:
    data = step.data
    gateway = data.get("gateway") or step.cause["source"]
    at = f"gateway {gateway}" + (f", {target_name(data)}" if "port" in data or "target" in data else "")
    match step.type:
        case "SIM_ADDED":
            return f"registered as {data['lifecycle']}" if data.get("lifecycle") else "registered"
        case "SIM_IDENTITY_CONFLICT":
            return f"the gateway reports the ICCID {data['reported']}; {data['iccid']} is registered"
        case "SIM_IDENTITY_RESTORED":
            return "the gateway reports the registered ICCID again"
        case "DEVICE_SEEN":
            return f"seen in device {data['imei']}"
        case "DEVICE_CHANGED":
            other = f", where {data['against']} showed it" if data.get("against") else ""
            return f"in device {data['imei']}" + (f", before in {data['before']}{other}" if data.get("before") else "")
        case "DEVICE_UNKNOWN":
            return "its device is unknown" + (f", the last one was {data['last']}" if data.get("last") else "")
        case "BINDING_CREATED" | "BINDING_REPLACED" | "BINDING_ARMED" | "BINDING_LEARNT":
            return _bound(step)
        case "BINDING_REMOVED":
            return "unbound"
        case "BINDING_DIFFERED":
            return "that is another device than the one it is bound to"
        case "BINDING_RESTORED":
            return "that is a device it is bound to"
        case "AREA_LIMITED" | "AREA_LEARNT":
            return f"limited to {data.get('name') or _area(data['area'])}"
        case "AREA_ARMED":
            return f"to be limited to {data['radius']} m around the first place at which it is seen"
        case "AREA_UNLIMITED":
            return "may be anywhere"
        case "AREA_CHANGED":
            return ("left its area" if data["to"] == "OUTSIDE" else "is back in its area") + _where(data)
        case "GEOFENCE_ENTERED" | "GEOFENCE_LEFT":
            count, verb = len(data["subscriptions"]), "entered" if step.type == "GEOFENCE_ENTERED" else "left"
            return f"{verb} the circle of {count} subscription{'s' if count > 1 else ''}"
        case "BAR_RAISED":
            names = ("rule", "limit", "counted", "until")
            facts = ", ".join(f"{name} {human(data[name])}" for name in names if name in data)
            facts = facts or (_where(data).lstrip(", ") if "source" in data else "")
            return f"barred: {_BARS.get(data['bar'], data['bar'])}" + (f" ({facts})" if facts else "")
        case "BAR_LIFTED":
            return f"bar lifted ({data['bar']})"
        case "FUNCTION_CLOSED" | "FUNCTION_OPENED":
            verb = "closed" if step.type == "FUNCTION_CLOSED" else "opened"
            return f"{verb}: {human(data.get('functions') or data.get('function'))}"
        case "APN_CLOSED" | "APN_OPENED":
            return f"APN {data.get('apn')} {'closed' if step.type == 'APN_CLOSED' else 'opened'}"
        case "REACHABILITY_CHANGED":
            before = data.get("reach_before")
            return f"reachable: {data['reach']}" + (f", before {before}" if before else "")
        case "ROAMING_CHANGED":
            if not data["roaming"]:
                return f"at home in network {data['network']}"
            return f"roams in {'/'.join(data['countryName']) or 'no country'}, network {data['network']}"
        case "NETWORK_TYPE_CHANGED":
            return f"connected by {data['network_type']}, before {data['network_type_before']}"
        case "LIMITS_CHANGED":
            limits = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in data["limits"].items())
            return f"limits: {limits or 'none'}"
        case "DATA_USED":
            return f"used {data['percent']} % of the {data['allowance']} MiB of its data allowance of {data['month']}"
        case "RULE_FIRED":
            counted = ", ".join(f"{name} {count}" for name, count in data["counted"].items())
            return f"met the rule {data['rule']} (version {data['version']}): {counted} in {data['minutes']} minutes"
        case "MESSAGE_RECORDED":
            return f"message recorded ({data['record']['kind']})"
        case "CALL_ENDED":
            return f"call ended ({data['record']['state']})"
        case "USAGE_REACHED":
            return f"used {human(data['used'])} on {data['day']}"
        case "LIFECYCLE_CHANGED":
            return f"{data.get('from')} becomes {data.get('to')}"
        case "ENFORCEMENT_COMMANDED":
            return f"command to {data.get('command')} the slot: {at}"
        case "ENFORCEMENT_APPLIED":
            return f"the slot is seen {'locked' if data.get('locked') else 'open'}: {at}"
        case "ENFORCEMENT_FAILED":
            why = data.get("error") or data.get("reason")
            return f"the command has no effect so far: {at}" + (f" ({why})" if why else "")
        case "ENFORCEMENT_ABANDONED":
            return f"the gateway was deleted, nobody watches the slot any more: {at}"
    facts = ", ".join(f"{name} {human(value)}" for name, value in data.items() if value not in (None, [], ""))
    return f"{step.type} {facts}".rstrip()


def _area(area: Mapping[str, Any]) -> str:
    match area["kind"]:
        case "circle":
            return f"{area['radius']:g} m around {area['latitude']:g}, {area['longitude']:g}"
        case "polygon":
            return f"a polygon of {area['points']} points"
    return f"{area['count']} {area['kind']}"


def _where(data: Mapping[str, Any]) -> str:
    """What a place was taken from, and how far from the border it is."""
    said = f", seen by {'the site of gateway' if data.get('source') == 'SITE' else data.get('source', '').lower()}"
    said += f" {data['ref']}" if data.get("ref") else ""
    return said + (f", {data['distance']} m from the border" if "distance" in data else "")


def _bound(step: EventView) -> str:
    values: list[Any] = step.data.get("values") or ([step.data["imei"]] if step.data.get("imei") else [])
    if step.type == "BINDING_ARMED" or not values:
        return "to be bound to the first device seen"
    devices = f"any device of the model {values[0]}" if step.data.get("kind") == "TAC" else f"device {human(values)}"
    return f"bound to {devices}" + (", replacing what bound it" if step.type == "BINDING_REPLACED" else "")


def _origin(step: EventView) -> str:
    cause = step.cause
    kind = {
        "REPORT": "report of",
        "CALL": "call of",
        "OPERATOR": "operator",
        "ENFORCEMENT": "command to",
        "TIME": "the",
    }
    by = f"{kind.get(cause['kind'], cause['kind'])} {cause['source']}"
    if cause["kind"] == "ENFORCEMENT":
        return by
    if cause.get("message"):
        by += f": {cause['message']}"
    return by + (f" ({cause['reference']})" if cause.get("reference") else "")
