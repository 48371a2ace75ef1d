"""A tenant draws as many circles around each of its SIMs as it can, and lets them cross the borders all the time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tests.attacks.subscribing import COUNTED, EXPECTS, SIMS, most_of_one_sim, ports, subscribing

from simwarden.domain.locating import Site
from simwarden.kit.clock import now_utc
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store import sites
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.attackers import Answers
    from tests.attacks.target import Target

__all__ = ["COUNTED", "EXPECTS"]
TYPES = tuple(f"org.camaraproject.geofencing-subscriptions.v0.area-{name}" for name in ("entered", "left"))
HERE, THERE = Site(52.52, 13.405, 500.0), Site(48.857, 2.352, 500.0)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Each report shows all its SIMs at the other one of two gateways."""
    gateways = (target.attacker_reports, await _second_gateway(target))

    def wanted(n: int) -> tuple[str, dict[str, Any]]:
        center = {"latitude": HERE.latitude, "longitude": HERE.longitude}
        return TYPES[n // SIMS % 2], {"area": {"areaType": "CIRCLE", "center": center, "radius": 2_000 + n % 1_000}}

    def report(n: int) -> tuple[str, list[dict[str, object]]]:
        return gateways[n % 2], ports(target, "36000000")

    async with subscribing(target, "/geofencing-subscriptions/v0.5", wanted, report) as answers:
        yield answers


async def _second_gateway(target: Target) -> str:
    """Register it, and say where both stand; returns its report URL."""
    async with target.database() as db:
        vault = Vault(master_key(Settings(data_dir=str(target.directory / "data"))))
        _, token = await Gateways(db, vault).add(
            "attacker-gw-2", kind="ejoin", command_url=None, username=None, password=None
        )
        async with db.transaction() as connection:
            found = {"attacker-gw": HERE, "attacker-gw-2": THERE}
            assert await sites.set_sites(connection, found, now_utc()) == set()
    return f"{target.url}/southbound/ejoin/{token}"


async def check(target: Target, answers: Answers) -> None:
    """No SIM has more than the limit, and its circles were crossed."""
    del answers
    async with target.database() as db:
        crossed = await db.fetchval("select count(*) from event where type in ('GEOFENCE_ENTERED', 'GEOFENCE_LEFT')")
    assert await most_of_one_sim(target) == 20
    assert crossed > SIMS
