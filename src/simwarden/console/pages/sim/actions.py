"""What can be done with a SIM: which action is offered when, what it asks, and what it would change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from simwarden.console.calls import CallRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simwarden.console.visit import Visit

FUNCTIONS = ("VOICE", "SMS", "DATA")


class SimAction(msgspec.Struct, frozen=True):
    """One of the management API's actions."""

    name: str
    fields: tuple[str, ...] = ()
    """functions, device, metres or account: what has to be said."""
    danger: bool = False
    """It takes something away from the customer."""
    role: str = "actOnSim"

    def is_filled(self, given: Mapping[str, str]) -> bool:
        """Whether all is said that it asks."""
        return not self.fields or any(name in given for name in _PARAMETERS[self.fields[0]])


_PARAMETERS = {"functions": ("functions",), "device": ("device",), "metres": ("metres",), "account": ("to",)}
ALL = (
    SimAction("close", ("functions",), danger=True),
    SimAction("open", ("functions",)),
    SimAction("bind", ("device",)),
    SimAction("unbind"),
    SimAction("resume"),
    SimAction("activate"),
    SimAction("suspend", danger=True),
    SimAction("restore"),
    SimAction("deactivate", danger=True),
    SimAction("limit-area", ("metres",)),
    SimAction("unlimit-area"),
    SimAction("resume-area"),
    SimAction("release"),
    SimAction("delete", danger=True),
)
_NAMED = {each.name: each for each in ALL}
_LIFE = {"activate": ("PRE_ACTIVE",), "suspend": ("ACTIVE",), "restore": ("SUSPENDED",), "delete": ("DEACTIVATED",)}


def named(name: str) -> SimAction:
    """The action of this name. Raises CallRefused."""
    if name not in _NAMED:
        raise CallRefused(404, "NOT_FOUND", "")
    return _NAMED[name]


def offered(visit: Visit, sim: Mapping[str, Any]) -> list[SimAction]:
    """Those that mean something for this SIM now, to this person."""
    if not visit.may("actOnSim", "previewAction"):
        return []
    bars = {bar["cause"] for bar in sim["bars"]}
    has_area = "area" in sim
    wanted = {
        "open": "CLOSED_BY_CUSTOMER" in bars,
        "close": sim["lifecycle"] != "DEACTIVATED" and len(sim["off"]) < 3,
        "bind": sim["lifecycle"] != "DEACTIVATED",
        "unbind": sim["bindingState"] != "NEUTRAL",
        "resume": "IMEI_MISMATCH" in bars,
        "deactivate": sim["lifecycle"] in ("PRE_ACTIVE", "ACTIVE", "SUSPENDED"),
        "limit-area": sim["lifecycle"] != "DEACTIVATED",
        "unlimit-area": has_area,
        "resume-area": "AREA_EXIT" in bars,
        "release": bool(bars & {"RISK", "QUOTA"}),
        **{name: sim["lifecycle"] in states for name, states in _LIFE.items()},
    }
    return [each for each in ALL if wanted.get(each.name)]


def wanted(action: SimAction, given: Mapping[str, str]) -> dict[str, Any]:
    """The body of the call."""
    body: dict[str, Any] = {"action": action.name}
    if "functions" in action.fields:
        body["functions"] = [each for each in FUNCTIONS if each in given.get("functions", "").split(",")]
    if "device" in action.fields:
        how, value = given.get("device", ""), given.get("value", "").strip()
        if how == "first":
            body["firstSeen"] = True
        elif how in ("imei", "tac"):
            body[how] = value
    if "metres" in action.fields and given.get("metres", "").isdecimal():
        body["area"] = {"around": int(given["metres"][:9])}
    return body


def changes(visit: Visit, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of what is and what would be; those that stay the same too."""
    rows: list[tuple[str, str, str]] = [
        ("life", visit.word(before["lifecycle"]), visit.word(after["lifecycle"])),
        ("binding", visit.word(before["bindingState"]), visit.word(after["bindingState"])),
        ("bound", _bound(visit, before), _bound(visit, after)),
        *((each, _works(visit, before, each), _works(visit, after, each)) for each in FUNCTIONS),
        ("area", _area(visit, before), _area(visit, after)),
    ]
    return [(visit.word(name) if name in FUNCTIONS else visit.t(f"sim.{name}"), now, then) for name, now, then in rows]


def _works(visit: Visit, sim: Mapping[str, Any], function: str) -> str:
    if function not in sim["off"]:
        return visit.t("sim.works")
    causes = [bar["cause"] for bar in sim["bars"] if function in bar["functions"]]
    return visit.t("sim.off_for", why=visit.words(causes)) if causes else visit.t("sim.off")


def _bound(visit: Visit, sim: Mapping[str, Any]) -> str:
    bound = sim.get("boundTo")
    if bound is None:
        return visit.t("common.none")
    return ", ".join(bound) or visit.t("sim.first_seen")


def _area(visit: Visit, sim: Mapping[str, Any]) -> str:
    return visit.word(sim["area"]["state"]) if "area" in sim else visit.t("common.none")
