"""What subscribers are told of an event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simwarden.domain.allowance import EXCEEDED, MARKS
from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.domain.standing import NOT_CONNECTED, Reach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.domain.standing import Remembered

_CORRELATOR = re.compile(r"[a-zA-Z0-9\-_:;./<>{}]{1,256}")

SHORT_MESSAGE = "short_message"
"""In the data of a delivery: the id of the received message to be sent, whose text lies sealed elsewhere."""
CONTENT = "record_place"
"""In the data of a delivery: where the text and the numbers of the record are that it tells of, sealed."""
_GEOFENCES = frozenset({EventType.GEOFENCE_ENTERED, EventType.GEOFENCE_LEFT})
_RECORDS = frozenset({EventType.MESSAGE_RECORDED, EventType.CALL_ENDED})
_OF_SOME = _GEOFENCES | _RECORDS | {EventType.SMS_RECEIVED, EventType.HOTZONE_ANOMALY, EventType.USAGE_REACHED}
"""Events that say for which subscriptions they are, of those that wait for their type."""


def concerns(event: Event, subscription_id: str) -> bool:
    """Whether a subscription that waits for events of this type is to be sent this one."""
    return event.type not in _OF_SOME or subscription_id in event.data["subscriptions"]


def data_of(event: Event) -> dict[str, Any]:
    """The data of the CloudEvent, without the subscription's id and device."""
    if event.type is EventType.DEVICE_CHANGED:
        return {"imei": event.data["imei"]}
    if event.type is EventType.AREA_CHANGED:
        return {"area": event.data["circle"]}
    if event.type is EventType.SMS_RECEIVED:
        return {SHORT_MESSAGE: event.data[SHORT_MESSAGE]}
    if event.type in _GEOFENCES:
        return {}
    if event.type is EventType.HOTZONE_ANOMALY:
        told_of = ("anomalyDate", "checkType", "checkTarget", "riskLevel", "fraudHotZone")
        return {name: event.data[name] for name in told_of if name in event.data}
    if event.type in _RECORDS:
        return dict(event.data["record"])
    if event.type is EventType.USAGE_REACHED:
        return {name: event.data[name] for name in ("day", "meter", "used")}
    return dict(event.data)


_OF_RULE = ("rule", "version", "counted", "minutes")
_TYPE = "connectedNetworkType"
_REACH = {
    str(Reach.DATA): "reachability-data",
    str(Reach.SMS): "reachability-sms",
    str(Reach.DISCONNECTED): "reachability-disconnected",
}
_VOLUME = {mark: "data-exceeded" if mark == EXCEEDED else f"data-{mark}-percent" for mark in MARKS}


def told(event: Event, kind: str, subscription_id: str = "") -> dict[str, Any] | None:
    """The data of the CloudEvent of this type, as `data_of` has it; None: the event is told by another type.

    With text and numbers of a record for those subscriptions that get them.

    Of how a SIM can be reached and roams, CAMARA tells each change by types of its own.
    """
    if event.type is EventType.REACHABILITY_CHANGED:
        return {} if _name(kind) == _REACH[event.data["reach"]] else None
    if event.type is EventType.ROAMING_CHANGED:
        return _of_roaming(event.data, _name(kind))
    if event.type is EventType.NETWORK_TYPE_CHANGED:
        return {_TYPE: event.data["network_type"]}
    if event.type is EventType.DATA_USED:
        return {} if _name(kind) == _VOLUME[event.data["percent"]] else None
    if event.type is EventType.RULE_FIRED:
        return {name: event.data[name] for name in _OF_RULE} if event.data["alert"] else None
    if event.type in _RECORDS and subscription_id in event.data["content"]:
        return data_of(event) | {CONTENT: event.data["place"]}
    return data_of(event)


def initially(kind: str, stand: Remembered) -> dict[str, Any] | None:
    """What a subscription of this type is told at once of how its SIM stands (CAMARA initialEvent); None: nothing."""
    name = _name(kind)
    if name in _REACH.values():
        return {} if stand.reach is not None and name == _REACH[stand.reach] else None
    if name == "network-type-changed":
        return {_TYPE: stand.generation or NOT_CONNECTED}
    if name in _VOLUME.values():
        reached = 0 if stand.volume is None else stand.volume.percent
        return {} if any(name == _VOLUME[mark] for mark in MARKS if mark <= reached) else None
    return None if stand.roams is None else _of_roaming({**stand.roams.told, "switched": True}, name)


def _name(kind: str) -> str:
    """What stands behind API and version in a type of CloudEvents."""
    return kind.rpartition(".")[2]


def _of_roaming(data: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    country = {key: data[key] for key in ("countryCode", "countryName") if key in data}
    if not data["switched"]:
        return country if name == "roaming-change-country" else None
    if name == "roaming-status":
        return {"roaming": data["roaming"], **country}
    return {} if name == ("roaming-on" if data["roaming"] else "roaming-off") else None


def correlator_of(event: Event) -> str | None:
    """The x-correlator of the call that caused the event, if a call did."""
    return correlator_of_cause(event.cause)


def correlator_of_cause(cause: Cause) -> str | None:
    """The x-correlator of a call; None for every other cause."""
    if cause.kind is CauseKind.CALL and cause.reference and _CORRELATOR.fullmatch(cause.reference):
        return cause.reference
    return None


_BY_NUMBER = ("org.camaraproject.sim-swap-subscriptions.",)
"""Beginnings of the event types whose data names the SIM by `phoneNumber`; that of all others has a `device`."""


def naming(kind: str, device: dict[str, Any] | None) -> dict[str, Any]:
    """The properties that name the SIM in the data of a CloudEvent of this type."""
    if device is None:
        return {}
    return dict(device) if kind.startswith(_BY_NUMBER) else {"device": device}
