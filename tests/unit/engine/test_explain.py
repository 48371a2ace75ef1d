"""What events say, in words, however long ago they were written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from simwarden.cli.explaining import sentence
from simwarden.engine.explain import readable
from simwarden.management.shapes import EventView

NAMES = {1: "gw1"}
CAUSE = {"kind": "ENFORCEMENT", "source": "gw1", "message": "command"}


@pytest.mark.parametrize(
    ("data", "gateway"),
    [
        ({"gateway": 1, "gateway_name": "then", "port": 1, "slot": 1}, "gw1"),
        ({"gateway": 7, "gateway_name": "gw7", "port": 1, "slot": 1}, "gw7"),
        ({"gateway": 7, "port": 1, "slot": 1}, "number 7 (deleted)"),
        ({"gateway": "gw1", "port": 1, "slot": 1}, "gw1"),
        ({"port": 1, "slot": 1}, None),
    ],
    ids=["one shape", "deleted", "deleted, no name", "before: name only", "before: neither"],
)
def test_the_gateway_is_named(data: dict[str, Any], gateway: str | None) -> None:
    expected = {"port": 1, "slot": 1} if gateway is None else {"gateway": gateway, "port": 1, "slot": 1}
    assert readable(data, NAMES) == expected


@pytest.mark.parametrize(
    ("type_", "data", "said"),
    [
        ("ENFORCEMENT_COMMANDED", {"gateway": "gw1", "port": 1, "slot": 1, "command": "lock"}, "to lock the slot"),
        ("ENFORCEMENT_COMMANDED", {"gateway": 1, "port": 1, "slot": 1, "command": "lock"}, "to lock the slot"),
        ("ENFORCEMENT_FAILED", {"attempts": 3, "reason": "refused", "port": 1, "slot": 1}, "no effect so far"),
        ("ENFORCEMENT_FAILED", {"gateway": 1, "attempts": 3, "reason": "refused", "port": 1, "slot": 1}, "(refused)"),
        ("ENFORCEMENT_APPLIED", {"gateway": 1, "port": 1, "slot": 1, "locked": True}, "is seen locked"),
        ("ENFORCEMENT_ABANDONED", {"gateway": "gw1", "port": 1, "slot": 1, "locked": True}, "was deleted"),
    ],
)
def test_an_enforcement_event_of_any_age_is_a_sentence(type_: str, data: dict[str, Any], said: str) -> None:
    text = sentence(
        EventView(n=3, at=datetime.now(UTC), type=type_, caused_by=2, cause=CAUSE, data=readable(data, NAMES))
    )
    assert said in text
    assert "gateway gw1, port 1.01" in text


@pytest.mark.parametrize(
    ("type_", "ids", "said"),
    [
        ("GEOFENCE_LEFT", ["a"], "left the circle of 1 subscription "),
        ("GEOFENCE_ENTERED", ["a", "b"], "entered the circle of 2 subscriptions "),
    ],
)
def test_a_crossing_of_geofences_is_a_sentence(type_: str, ids: list[str], said: str) -> None:
    step = EventView(n=3, at=datetime.now(UTC), type=type_, caused_by=None, cause=CAUSE, data={"subscriptions": ids})
    assert sentence(step).startswith(said)
