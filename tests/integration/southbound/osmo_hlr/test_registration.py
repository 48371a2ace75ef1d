"""An HLR in the operator's API."""

from __future__ import annotations

from tests.integration.management.conftest import house
from tests.integration.management.house import House

__all__ = ["house"]
HLR = {"name": "hlr-1", "kind": "osmo_hlr", "commandUrl": "osmo-hlr://192.0.2.20?vty=14258"}


async def test_an_hlr_is_registered_by_its_address(house: House) -> None:
    made = await house.manage("POST", "/gateways", HLR)
    assert (made.status, made.json) == (201, {"name": "hlr-1"})
    shown = await house.manage("GET", "/gateways/hlr-1")
    assert (shown.json["kind"], shown.json["commandUrl"]) == ("osmo_hlr", HLR["commandUrl"])
    for url in (None, "http://192.0.2.20", "osmo-hlr://192.0.2.20?vty=x", "osmo-hlr://192.0.2.20:4259"):
        refused = await house.manage("PATCH", "/gateways/hlr-1", {"commandUrl": url})
        assert (refused.status, refused.json["code"]) == (400, "INVALID_ARGUMENT")
        assert "commandUrl must be osmo-hlr://HOST" in refused.json["message"]
