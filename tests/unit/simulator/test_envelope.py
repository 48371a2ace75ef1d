from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from simwarden import northbound
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

NO_TYPE = f"The value of type can only be one of {', '.join(sorted(TYPES))}, or that of another CAMARA API"
DOCUMENTED = sorted(
    {
        type_
        for path in Path(northbound.__path__[0]).glob("*/openapi.yaml")
        for type_ in re.findall(
            r"\borg\.(?:camaraproject|simwarden)\.[a-z0-9.-]*\.v[0-9]+\.[a-z-]+[a-z](?![\w.:-])", path.read_text()
        )
    }
)
"""Every type of event that our documents name."""


def test_a_good_event_has_no_problem() -> None:
    assert problem(GOOD) is None


@pytest.mark.parametrize("type_", DOCUMENTED)
def test_the_events_of_all_our_apis_are_taken(type_: str) -> None:
    assert problem({**GOOD, "type": type_}) is None


def test_the_documents_name_events_of_several_apis() -> None:
    apis = {type_.split(".")[2] for type_ in DOCUMENTED}
    assert apis >= {"iot-sim-fraud-prevention", "sim-swap-subscriptions", "geofencing-subscriptions"}


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
        ({"type": "org.camaraproject.another-api.imei-change"}, NO_TYPE),
        ({"type": "org.camaraproject.another-api.v0.imei-change.more"}, NO_TYPE),
        ({"type": "com.example.another-api.v0.imei-change"}, NO_TYPE),
        ({"data": "text"}, "Invalid format: data"),
        ({"datacontenttype": "text/plain"}, "The value of datacontenttype can only be application/json"),
    ],
)
def test_wrong_forms_are_named(change: dict[str, Any], message: str) -> None:
    assert problem(GOOD | change) == message


def test_a_list_is_no_event() -> None:
    assert problem([GOOD]) is not None
