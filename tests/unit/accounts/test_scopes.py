"""Scopes: known ones are put in order, unknown ones refused with a list of those that exist."""

from __future__ import annotations

import pytest

from simwarden.accounts import scopes


def test_scopes_come_once_and_in_order() -> None:
    wanted = ["iot-sim-fraud-prevention:query", "iot-sim-fraud-prevention:bind", "iot-sim-fraud-prevention:query"]
    assert scopes.checked(wanted) == ("iot-sim-fraud-prevention:bind", "iot-sim-fraud-prevention:query")


def test_an_unknown_scope_is_refused_with_the_known_ones() -> None:
    with pytest.raises(scopes.UnknownScope) as caught:
        scopes.checked(["iot-sim-fraud-prevention:bind", "everything"])
    assert "no scope everything;" in caught.value.message
    assert all(scope in caught.value.message for scope in scopes.KNOWN)
