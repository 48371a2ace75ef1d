"""A NAS in the operator's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.management.conftest import house
from tests.integration.management.house import House

from simwarden.southbound.radius.driver import Filters, command_address

if TYPE_CHECKING:
    from tests.unit.northbound.asgi import Reply

__all__ = ["house"]
NAS = {
    "name": "pgw-1",
    "kind": "radius",
    "password": "testing123",
    "sourceAddresses": ["192.0.2.10"],
    "commandUrl": "radius://192.0.2.10:3799",
    "reportInterval": 900,
}


async def test_a_nas_is_registered_without_a_report_url_and_its_secret_is_never_shown(house: House) -> None:
    made = await house.manage("POST", "/gateways", NAS)
    assert (made.status, made.json) == (201, {"name": "pgw-1"})
    shown = await house.manage("GET", "/gateways/pgw-1")
    assert (shown.json["kind"], shown.json["commandUrl"]) == ("radius", "radius://192.0.2.10:3799")
    assert "testing123" not in shown.body.decode()
    (access,) = await house.gateways.of_kind("radius")
    assert (access.password, access.source_addresses) == ("testing123", ("192.0.2.10/32",))
    stored = await house.db.fetchval("select password from gateway")
    assert b"testing123" not in stored
    refused = await house.manage("POST", "/gateways/pgw-1/token")
    assert (refused.status, refused.json["code"]) == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"password": None}, "password: a NAS needs the secret"),
        ({"sourceAddresses": []}, "sourceAddresses: a NAS is known by the addresses"),
        ({"commandUrl": "http://192.0.2.10"}, "commandUrl must be radius://HOST[:PORT]"),
        ({"commandUrl": "radius://192.0.2.10:0"}, "commandUrl must be radius://HOST[:PORT]"),
        ({"commandUrl": "radius://192.0.2.10:99999"}, "commandUrl must be radius://HOST[:PORT]"),
        ({"commandUrl": "radius://192.0.2.10/path"}, "commandUrl must be radius://HOST[:PORT]"),
        ({"commandUrl": "radius://192.0.2.10?barred-filter=a"}, "?barred-filter=NAME&open-filter=NAME"),
        ({"commandUrl": "radius://192.0.2.10?barred-filter=a&open-filter=b&x=c"}, "?barred-filter=NAME&open-filter"),
        ({"commandUrl": "radius://192.0.2.10?barred-filter=a&barred-filter=b"}, "?barred-filter=NAME&open-filter=NAME"),
        ({"commandUrl": "radius://192.0.2.10?barred-filter=a&open-filter=%0A"}, "1 to 253 octets long and printable"),
        ({"commandUrl": f"radius://192.0.2.10?barred-filter=a&open-filter={254 * 'b'}"}, "1 to 253 octets long"),
        ({"commandUrl": "radius://192.0.2.10?barred-filter=a&open-filter=a"}, "are two different filters"),
    ],
)
async def test_what_a_nas_needs(house: House, changes: dict[str, Any], message: str) -> None:
    refused = await house.manage("POST", "/gateways", NAS | changes)
    assert_refused(refused, message)
    await house.manage("POST", "/gateways", NAS)
    assert_refused(await house.manage("PATCH", "/gateways/pgw-1", changes), message)


def assert_refused(reply: Reply, message: str) -> None:
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
    assert message in reply.json["message"]


async def test_without_a_command_url_its_only_address_is_asked(house: House) -> None:
    alone = {"commandUrl": None, "sourceAddresses": ["192.0.2.10"]}
    several = {"name": "pgw-2", "commandUrl": None, "sourceAddresses": ["192.0.2.0/24"]}
    for changes in (alone, several):
        assert (await house.manage("POST", "/gateways", NAS | changes)).status == 201
    first, second = await house.gateways.of_kind("radius")
    assert command_address(first.url, first.source_addresses) == ("192.0.2.10", 3799, None)
    with pytest.raises(ValueError, match="no commandUrl"):
        command_address(second.url, second.source_addresses)  # it is only listened to


def test_the_filters_of_a_nas() -> None:
    url = "radius://192.0.2.10:3800?barred-filter=walled%20garden&open-filter=internet"
    assert command_address(url, ()) == ("192.0.2.10", 3800, Filters("walled garden", "internet"))
