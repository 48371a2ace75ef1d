"""What the operator sees of doubted reports, and which reports he wants to be taken from a gateway."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simwarden.domain.doubt import Doubt, DoubtKind
from simwarden.domain.identifiers import full_imei
from simwarden.domain.reports import PortObservation
from simwarden.domain.sim import CardSlot
from simwarden.store import doubts, ports

if TYPE_CHECKING:
    from tests.integration.management.house import House

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def test_doubts_are_listed_page_by_page(house: House) -> None:
    await house.manage("POST", "/gateways", {"name": "north"})
    id_ = await house.gateways.id_of("north")
    made = [
        Doubt(
            gateway_id=id_, kind=DoubtKind.JUMP, at=NOW, message=f"port-status seq {n}", imsi="460001", port=n, slot=1
        )
        for n in range(1, 4)
    ]
    async with house.db.transaction() as connection:
        await doubts.add(connection, [(doubt, doubt.port) for doubt in made])
    first = (await house.manage("GET", "/gateways/north/doubts?limit=2")).json
    assert [(row["kind"], row["port"], row["count"]) for row in first["doubts"]] == [("JUMP", 3, 3), ("JUMP", 2, 2)]
    rest = (await house.manage("GET", f"/gateways/north/doubts?limit=2&cursor={first['nextCursor']}")).json
    assert [row["message"] for row in rest["doubts"]] == ["port-status seq 1"]
    assert "nextCursor" not in rest
    assert (await house.manage("GET", "/gateways/south/doubts")).status == 404


async def test_imeis_have_their_check_digit(house: House) -> None:
    """In the lists of slots and of doubts as everywhere else: as it is printed on the device."""
    await house.manage("POST", "/gateways", {"name": "north"})
    id_ = await house.gateways.id_of("north")
    key = "35368953070790"
    seen = PortObservation(port=1, slot=1, status=3, imei=key, imsi="460001")
    doubt = Doubt(gateway_id=id_, kind=DoubtKind.LATE, at=NOW, message="port-status seq 1", imsi="460001", imei=key)
    async with house.db.transaction() as connection:
        await ports.save_ports(connection, [(CardSlot(id_, 1, 1), seen, 1, NOW)])
        await doubts.add(connection, [(doubt, 1)])
    [port] = (await house.manage("GET", "/gateways/north")).json["ports"]
    assert port["imei"] == full_imei(key)
    [doubted] = (await house.manage("GET", "/doubts?gateway=north")).json["doubts"]
    assert doubted["imei"] == full_imei(key)


async def test_a_gateway_is_pinned_to_an_account_and_to_networks(house: House) -> None:
    account = house.account
    made = await house.manage(
        "POST", "/gateways", {"name": "north", "account": account.name, "sourceAddresses": ["192.0.2.9/24"]}
    )
    assert made.status == 201
    shown = (await house.manage("GET", "/gateways/north")).json
    assert (shown["account"], shown["sourceAddresses"]) == (account.id, ["192.0.2.0/24"])
    changed = (await house.manage("PATCH", "/gateways/north", {"sourceAddresses": None})).json
    assert "sourceAddresses" not in changed
    assert changed["account"] == account.id
    assert "account" not in (await house.manage("PATCH", "/gateways/north", {"account": None})).json
    for body, says in (({"sourceAddresses": ["nowhere"]}, "192.0.2.0/24"), ({"account": "nobody"}, "nobody")):
        refused = await house.manage("PATCH", "/gateways/north", body)
        assert refused.status in (400, 404)
        assert says in refused.json["message"]
