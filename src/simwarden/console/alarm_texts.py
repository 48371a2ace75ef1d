"""Sentences of alarms in the visitor's language.

The API writes them in English (`domain/alarm_words`). Where a catalogue `pages/alarms/sentences.LANGUAGE.toml` has the
kind of alarm, the console writes them from its facts; what was said to be wrong in words of an element stays as it is.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = "UNKNOWN"
"""Key of the word for a fact that is missing."""
CLEARED = "cleared"
"""Key of the reasons for which alarms are over, by the English one."""


@cache
def sentences(language: str) -> Mapping[str, Any]:
    """What a catalogue says; nothing for a language that has none, as English."""
    folder = resources.files(__package__ or "simwarden.console") / "pages" / "alarms"
    file = folder / f"sentences.{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def sentence(alarm: Mapping[str, Any], part: str, language: str) -> str:
    """One part of an alarm as the API shows it: `what`, `why`, `todo` or `clearedBecause`."""
    known = sentences(language)
    if part == "clearedBecause":
        return str(known.get(CLEARED, {}).get(alarm[part], alarm[part]))
    facts = alarm["facts"]
    template = known.get(f"{alarm['kind']}{_variant(alarm['kind'], facts)}", {}).get(part)
    if template is None:
        return str(alarm[part])
    given = {"where": _where(known, facts), **{name: value for name, value in facts.items() if value is not None}}
    return str(template).format_map(_Given(given, known[UNKNOWN]))


def _variant(kind: str, facts: Mapping[str, Any]) -> str:
    """Kinds of which there is more than one sentence."""
    if kind == "ENFORCEMENT_FAILED":
        return "-lock" if facts.get("command") == "lock" else "-unlock"
    if kind == "DELIVERIES_DEAD":
        return "-account" if "others" in facts else "-host" if facts.get("answered") is False else "-sink"
    return ""


def _where(known: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    words = known["where_slot" if facts.get("slot") else "where"]
    return str(words).format_map(_Given(facts, known[UNKNOWN]))


class _Given(dict[str, Any]):
    """Facts; what is missing is said to be unknown."""

    def __init__(self, facts: Mapping[str, Any], unknown: str) -> None:
        super().__init__(facts)
        self._unknown = unknown

    def __missing__(self, name: str) -> str:
        return self._unknown
