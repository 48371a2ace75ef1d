"""Scopes as the page of an application shows them."""

from __future__ import annotations

from simwarden.console.pages.applications.page import by_api


def test_scopes_stand_by_api_and_are_found_by_any_part() -> None:
    scopes = ["sim-swap:check", "geofencing:read", "sim-swap:retrieve-date", "openid"]
    assert by_api(scopes, "") == [
        ("geofencing", ["read"]),
        ("openid", ["openid"]),
        ("sim-swap", ["check", "retrieve-date"]),
    ]
    assert by_api(scopes, " SWAP:r") == [("sim-swap", ["retrieve-date"])]
    assert by_api(scopes, "nothing") == []
