"""Hotzones that were found on the map, through the management API."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simwarden.domain.hexagons import hexagon_of
from simwarden.domain.hotspot import Counted, Hotspot, Window
from simwarden.domain.locating import Site
from simwarden.kit.clock import now_utc
from simwarden.store import hotspots, sites
from simwarden.store.gateways import Gateways

if TYPE_CHECKING:
    from tests.integration.management.house import House

    from simwarden.store.vault import Vault

PATH = "/hotzones/discovered"


async def test_what_is_hot_and_what_was_a_day_ago_is_listed(house: House, vault: Vault) -> None:
    assert (await house.manage("GET", PATH)).json == {"hotzones": []}
    gateways = Gateways(house.db, vault)
    ids = [
        (await gateways.add(name, kind="ejoin", command_url=None, username=None, password=None))[0]
        for name in ("hot-2", "hot-1")
    ]
    now = now_utc()
    async with house.db.transaction() as connection:
        await sites.set_sites(connection, dict.fromkeys(("hot-1", "hot-2"), Site(52.52, 13.405, 500.0)), now)
    for n, type_ in enumerate(("RULE_FIRED", "RULE_FIRED", "BINDING_DIFFERED"), 1):
        await house.db.execute(
            "insert into fraud_sign (bucket, imsi, n, at, type, gateway_id) values ($1, $2, 1, $3, $4, $5)",
            *(n, f"46000000000000{n}", now - timedelta(minutes=n), type_, ids[n % 2]),
        )
    spot = Hotspot(
        place="52.52000,13.40500",
        window=Window.HOUR,
        since=now - timedelta(hours=3),
        counted=Counted(40, 3, 0.004, 1e-8),
        at=now - timedelta(hours=2),
    )
    await hotspots.save(house.db, spot)
    for days in (0.9, 1.1):
        ended = now - timedelta(days=days)
        over = Hotspot(
            place="1.00000,-2.00000", window=Window.DAY, since=ended, counted=spot.counted, at=ended, ended_at=ended
        )
        await hotspots.save(house.db, over)
    reply = await house.manage("GET", PATH)
    hot, was = reply.json["hotzones"]
    assert (hot["gateways"], hot["latitude"], hot["longitude"]) == (["hot-1", "hot-2"], 52.52, 13.405)
    assert (hot["windowHours"], hot["sims"], hot["simsWithSign"], hot["probability"]) == (1, 40, 3, 1e-8)
    assert hot["signs"] == [{"type": "BINDING_DIFFERED", "sims": 1}, {"type": "RULE_FIRED", "sims": 2}]
    assert hot.keys().isdisjoint({"coolingSince", "endedAt"})
    assert (was["gateways"], was["windowHours"], was["signs"], was["longitude"]) == ([], 24, [], -2.0)
    assert was["endedAt"]


async def test_a_hexagon_is_listed_with_its_index_and_centre(house: House) -> None:
    now = now_utc()
    await house.db.execute("insert into cell values ('ecgi:46000-0000001', 52.52, 13.40, 500)")
    await house.db.execute(
        "insert into fraud_sign (bucket, imsi, n, at, type, cell) values (1, $1, 1, $2, 'RULE_FIRED', $3)",
        *("460000000000001", now - timedelta(minutes=1), "ecgi:46000-0000001"),
    )
    counted = Counted(40, 3, 0.004, 1e-8)
    await hotspots.save(
        house.db, Hotspot(place=hexagon_of(52.52, 13.40), window=Window.HOUR, since=now, counted=counted, at=now)
    )
    [hot] = (await house.manage("GET", PATH)).json["hotzones"]
    assert (hot["hexagon"], hot["gateways"]) == ("861f1d48fffffff", [])
    assert (round(hot["latitude"], 2), round(hot["longitude"], 2)) == (52.52, 13.37)
    assert hot["signs"] == [{"type": "RULE_FIRED", "sims": 1}]


async def test_what_is_refused(house: House) -> None:
    reply = await house.manage("GET", f"{PATH}?place=x")
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
