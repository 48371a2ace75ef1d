"""A tenant draws as many circles around each of its SIMs as it can, and lets them cross the borders all the time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

from simwarden.domain.identifiers import full_imei
from simwarden.domain.locating import Site
from simwarden.kit.clock import now_utc
from simwarden.settings import Settings, master_key
from simwarden.store import sites
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((201, ""), (429, "QUOTA_EXCEEDED"), (200, "200"))
COUNTED = (
    'simwarden_subscriptions_refused_total{limit="subscriptions_per_app_and_sim"}',
    "simwarden_notify_fanned_out_total",
)
SIMS = 20
SINK = "http://127.0.0.1:9/"
"""Nobody listens there."""
TYPES = tuple(f"org.camaraproject.geofencing-subscriptions.v0.area-{name}" for name in ("entered", "left"))
HERE, THERE = Site(52.52, 13.405, 500.0), Site(48.857, 2.352, 500.0)


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Three clients subscribe, one reports: all its SIMs at the one gateway, then at the other."""
    answers = Answers()
    gateways = (target.attacker_reports, await _second_gateway(target))
    async with target.session() as session:
        turns = [0, 0, 0, 0]

        async def work(n: int) -> None:
            turns[n] += 1
            if n == 0:
                async with session.post(gateways[turns[0] % 2], json=_ports(target)) as answer:
                    await answers.of(answer)
                await asyncio.sleep(0.2)
                return
            card = target.attacker.cards[turns[n] % SIMS]
            area = {
                "areaType": "CIRCLE",
                "center": {"latitude": HERE.latitude, "longitude": HERE.longitude},
                "radius": 2_000 + turns[n] % 1_000,
            }
            body = {
                "protocol": "HTTP",
                "sink": SINK,
                "types": [TYPES[turns[n] // SIMS % 2]],
                "config": {"subscriptionDetail": {"device": {"phoneNumber": card.phone}, "area": area}},
            }
            url = f"{target.url}/geofencing-subscriptions/v0.5/subscriptions"
            async with session.post(url, json=body, headers=target.attacker.bearer) as answer:
                await answers.of(answer)

        async with clients(4, work, answers, pause=0.02):
            yield answers


def _ports(target: Target) -> list[dict[str, object]]:
    return [
        {
            "type": "port-status",
            "port": f"{place + 1}.01",
            "st": 3,
            "imei": full_imei(f"36000000{place:06}"),
            "imsi": card.imsi,
            "iccid": card.iccid,
        }
        for place, card in enumerate(target.attacker.cards[:SIMS])
    ]


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
        most = await db.fetchval(
            "select max(count) from (select count(*) from subscription where ended_at is null group by imsi) s"
        )
        crossed = await db.fetchval("select count(*) from event where type in ('GEOFENCE_ENTERED', 'GEOFENCE_LEFT')")
    assert most == 20
    assert crossed > SIMS
