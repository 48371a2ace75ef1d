from __future__ import annotations

from itertools import pairwise

from simwarden.domain.locating import checked_site
from simwarden.domain.shape import distance
from simwarden.simulator.fleet import FleetPlan, build_fleet
from simwarden.simulator.sites import TOWNS, site_of


def test_every_gateway_of_a_fleet_stands_somewhere_else() -> None:
    fleet = build_fleet(FleetPlan(gateways=40, ports=1, slots=1))
    sites = [server.site for server in fleet.servers.values()]
    assert None not in sites
    assert len(set(sites)) == 40


def test_sites_are_on_earth_however_many_there_are() -> None:
    for index in (0, 1, 6, 7, 5000, 99_999):
        site = site_of(index)
        assert checked_site(site.latitude, site.longitude, site.radius)


def test_the_next_town_is_out_of_sight() -> None:
    for one, next_one in pairwise(TOWNS):
        apart = distance(one.latitude, one.longitude, next_one.latitude, next_one.longitude)
        assert 20_000 < apart < 200_000
