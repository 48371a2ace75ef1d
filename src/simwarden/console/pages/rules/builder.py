"""A rule as a form: the parts of the schema `RiskRule` as fields, and fields as a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simwarden.console.visit import Visit

SIGNALS = (
    "smsSent",
    "smsReceived",
    "callsMade",
    "callsReceived",
    "callMinutes",
    "receivers",
    "countries",
    "newCountries",
    "megabytes",
    "deviceChanges",
    "areaChanges",
    "silence",
)
FUNCTIONS = ("VOICE", "SMS", "DATA")
CONDITIONS = 5
UNITS = (("days", 1440), ("hours", 60), ("minutes", 1))
"""Of the window, the longest first, in minutes."""
_LONGEST = 9
"""Digits of a number; the API says which are too large."""


def rule_of(one: Callable[[str], str], many: Callable[[str], Sequence[str]]) -> dict[str, Any]:
    """`one`: the value of a field, `many`: all its values. What is no number is left to the API to refuse."""
    when = []
    for n in range(1, CONDITIONS + 1):
        if signal := one(f"signal{n}"):
            least = one(f"least{n}")
            when.append({"signal": signal, **({"atLeast": _number(least)} if least and signal != "silence" else {})})
    then: dict[str, Any] = {}
    if functions := [each for each in FUNCTIONS if each in many("bar")]:
        hours = one("hours")
        then["bar"] = {"functions": functions, **({"hours": _number(hours)} if hours else {})}
    if one("suspend"):
        then["suspend"] = True
    if tag := one("tag"):
        then["tag"] = tag
    if one("alert"):
        then["alert"] = True
    every = _number(one("every"))
    unit = dict(UNITS).get(one("unit"), 1)
    return {"when": when, "inMinutes": every * unit if isinstance(every, int) else every, "then": then}


def fields_of(rule: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the form for a rule; `bar` is a list."""
    unit, minutes = next(each for each in UNITS if rule["inMinutes"] % each[1] == 0)
    found: dict[str, Any] = {"every": rule["inMinutes"] // minutes, "unit": unit}
    for n, condition in enumerate(rule["when"], 1):
        found[f"signal{n}"] = condition["signal"]
        found[f"least{n}"] = condition.get("atLeast", "")
    then = rule["then"]
    bar = then.get("bar", {})
    found |= {"bar": bar.get("functions", []), "hours": bar.get("hours", ""), "tag": then.get("tag", "")}
    return found | {name: "yes" for name in ("suspend", "alert") if then.get(name)}


def in_words(visit: Visit, rule: Mapping[str, Any]) -> dict[str, Any]:
    """What a rule says: its conditions, its window, and what it does."""
    unit, minutes = next(each for each in UNITS if rule["inMinutes"] % each[1] == 0)
    then = rule["then"]
    does = []
    if "bar" in then:
        what = visit.words(then["bar"]["functions"])
        hours = then["bar"].get("hours")
        does.append(
            visit.t("rules.bars_for", what=what, hours=hours) if hours else visit.t("rules.bars_until", what=what)
        )
    if then.get("suspend"):
        does.append(visit.t("rules.suspends"))
    if "tag" in then:
        does.append(visit.t("rules.tags", tag=then["tag"]))
    if then.get("alert"):
        does.append(visit.t("rules.alerts"))
    return {
        "when": [_condition(visit, each) for each in rule["when"]],
        "window": visit.t(f"rules.window_{unit}", n=rule["inMinutes"] // minutes),
        "then": does,
    }


def _condition(visit: Visit, condition: Mapping[str, Any]) -> str:
    if condition["signal"] == "silence":
        return visit.t("rules.signal.silence")
    what = visit.word(condition["signal"], "rules.signal")
    return visit.t("rules.at_least", n=condition.get("atLeast", 1), what=what)


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST else text
