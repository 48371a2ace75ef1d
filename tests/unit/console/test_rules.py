"""Rules as forms and charts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest
from tests.support.documents import read_yaml

from simwarden.console.pages.rules import builder, trial

RULES: list[dict[str, Any]] = [
    {
        "when": [{"signal": "smsSent", "atLeast": 30}],
        "inMinutes": 60,
        "then": {"bar": {"functions": ["SMS"], "hours": 24}},
    },
    {
        "when": [{"signal": "receivers", "atLeast": 10}, {"signal": "megabytes", "atLeast": 5}],
        "inMinutes": 1440,
        "then": {"bar": {"functions": ["VOICE", "DATA"]}, "suspend": True, "tag": "far", "alert": True},
    },
    {"when": [{"signal": "silence"}], "inMinutes": 90, "then": {"alert": True}},
]
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_survives_the_form(rule: dict[str, Any]) -> None:
    fields = builder.fields_of(rule)
    one = {name: str(value) for name, value in fields.items() if name != "bar"}
    assert builder.rule_of(lambda name: one.get(name, ""), lambda _: fields["bar"]) == rule


def test_what_is_no_number_is_left_to_the_api_to_refuse() -> None:
    fields = {"signal1": "smsSent", "least1": "²", "every": "1e9", "unit": "days"}
    made = builder.rule_of(lambda name: fields.get(name, ""), lambda _: ["SMS", "<script>"])
    assert made == {
        "when": [{"signal": "smsSent", "atLeast": "²"}],
        "inMinutes": "1e9",
        "then": {"bar": {"functions": ["SMS"]}},
    }


def test_the_form_has_every_signal_that_the_api_has() -> None:
    document = read_yaml((resources.files("simwarden.management") / "openapi.yaml").read_text("utf-8"))
    schemas = document["components"]["schemas"]
    assert set(builder.SIGNALS) == set(schemas["RuleCondition"]["properties"]["signal"]["enum"])
    assert set(schemas["RuleActions"]["properties"]) == {"bar", "suspend", "tag", "alert"}


def met(*days: int) -> list[dict[str, Any]]:
    return [{"first": (NOW - timedelta(days=day)).isoformat()} for day in days]


def test_days_without_any_are_drawn_too_and_the_highest_bar_fills_the_drawing() -> None:
    bars = trial.days(met(0, 2, 2, 7), NOW - timedelta(days=7), NOW)
    assert [bar.count for bar in bars] == [1, 0, 0, 0, 0, 2, 0, 1]
    assert [bar.day for bar in bars[:2]] == ["2026-11-15", "2026-11-16"]
    assert max(bar.height for bar in bars) == trial.HEIGHT - trial.FOOT - 16
    assert all(re.fullmatch(r"\d\d-\d\d", bar.label) for bar in bars)
    assert bars[-1].x + bars[-1].wide == pytest.approx(trial.WIDTH, abs=1)


def test_a_month_has_a_label_for_every_fifth_day_and_none_met_has_no_bar() -> None:
    bars = trial.days([], NOW - timedelta(days=31), NOW)
    assert len(bars) == 32
    assert sum(bool(bar.label) for bar in bars) == 7
    assert {bar.height for bar in bars} == {0}
