"""Sentences of alarms in other languages say what the English ones say."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import simwarden
from simwarden.console import texts
from simwarden.console.alarm_texts import CLEARED, sentence, sentences
from simwarden.domain.alarm import AlarmKind
from simwarden.domain.alarm_words import words

NAMES = (
    *("imsi", "gateway", "port", "slot", "command", "attempts", "since", "reason", "reportedAt", "reportInterval"),
    *("address", "commandUrl", "iccid", "reported", "account", "subscription", "host", "work", "seconds", "waiting"),
    *("detail", "milliseconds", "limit", "function", "nrf"),
)
KNOWN = {name: f"«{name}»" for name in NAMES}
VARIANTS: list[tuple[AlarmKind, dict[str, Any]]] = [
    *((kind, {}) for kind in AlarmKind if kind is not AlarmKind.DELIVERIES_DEAD),
    (AlarmKind.ENFORCEMENT_FAILED, {"command": "lock"}),
    *((AlarmKind.DELIVERIES_DEAD, more) for more in ({}, {"answered": False}, {"others": "«others»"})),
]
OTHERS = sorted(set(texts.LANGUAGES) - {texts.DEFAULT})
PARTS = ("what", "why", "todo")


def shown(kind: AlarmKind, facts: dict[str, Any]) -> dict[str, Any]:
    english = words(kind, facts)
    return {"kind": str(kind), "facts": facts, **{part: getattr(english, part) for part in PARTS}}


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize(("kind", "more"), VARIANTS)
def test_every_alarm_is_said_with_the_same_facts(kind: AlarmKind, more: dict[str, Any], language: str) -> None:
    alarm = shown(kind, KNOWN | more)
    english = " ".join(alarm[part] for part in PARTS)
    for part in PARTS:
        said = sentence(alarm, part, language)
        assert said != alarm[part]
        assert set(re.findall("«[^»]*»", said)) <= set(re.findall("«[^»]*»", english))
        assert "{" not in said
        assert sentence(alarm, part, texts.DEFAULT) == alarm[part]
        assert sentence(shown(kind, more), part, language)


@pytest.mark.parametrize("language", OTHERS)
def test_every_end_of_an_alarm_is_said(language: str) -> None:
    found = set()
    for file in Path(simwarden.__file__).parent.rglob("*.py"):
        source = file.read_text("utf-8")
        if "clear_all(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "clear_all":
                found |= {each.value for each in node.args if isinstance(each, ast.Constant)}
    assert len(found) > 10
    assert found == set(sentences(language)[CLEARED])


def test_what_no_catalogue_knows_stays_as_the_api_says_it() -> None:
    alarm = {"kind": "NEW", "facts": {"reason": "{imsi}"}, "what": "It is so {0}", "clearedBecause": "Somebody did it"}
    assert sentence(alarm, "what", OTHERS[0]) == "It is so {0}"
    assert sentence(alarm, "clearedBecause", OTHERS[0]) == "Somebody did it"
    hostile = shown(AlarmKind.REPORTS_UNPARSED, {"gateway": "{reason.__class__}", "reason": "{gateway}"})
    assert "{reason.__class__}" in sentence(hostile, "what", OTHERS[0])
