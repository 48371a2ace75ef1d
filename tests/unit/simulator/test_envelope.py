from __future__ import annotations

from typing import Any

import pytest

from simwarden.simulator.envelope import TYPES, problem

GOOD: dict[str, Any] = {
    "id": "1",
    "source": "/simwarden",
    "type": "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change",
    "specversion": "1.0",
    "time": "2026-01-01T00:00:00Z",
    "datacontenttype": "application/json",
    "data": {"a": 1},
}

NO_TYPE = f"The value of type can only be one of {', '.join(sorted(TYPES))}"


def test_a_good_event_has_no_problem() -> None:
    assert problem(GOOD) is None


def test_an_operator_may_try_the_sink() -> None:
    assert problem({**GOOD, "type": "org.simwarden.v1.subscription-test"}) is None


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("id", "Id must be specified"),
        ("type", "Type must be specified"),
        ("time", "Time must be specified"),
        ("data", "Data must be specified"),
        ("source", "Source must be specified"),
        ("specversion", "The value of specversion can only be 1.0"),
    ],
)
def test_what_is_missing_is_named_as_camara_names_it(missing: str, message: str) -> None:
    assert problem({key: value for key, value in GOOD.items() if key != missing}) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": "2026-01-01"}, "Invalid format: time"),
        ({"time": "2026-01-01T00:00:00"}, "Invalid format: time"),
        ({"id": "x" * 257}, "Invalid format: id"),
        ({"type": 7}, "Invalid format: type"),
        ({"type": "org.camaraproject.iot-sim-fraud-prevention.v0.nothing"}, NO_TYPE),
        ({"type": "org.camaraproject.another-api.v0.imei-change"}, NO_TYPE),
        ({"data": "text"}, "Invalid format: data"),
        ({"datacontenttype": "text/plain"}, "The value of datacontenttype can only be application/json"),
    ],
)
def test_wrong_forms_are_named(change: dict[str, Any], message: str) -> None:
    assert problem(GOOD | change) == message


def test_a_list_is_no_event() -> None:
    assert problem([GOOD]) is not None
