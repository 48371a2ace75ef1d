from __future__ import annotations

import pytest

from simwarden.simulator.errors import InvalidRequest
from simwarden.simulator.fleet import FleetPlan, build_fleet


def snapshot(plan: FleetPlan) -> list[object]:
    return [
        (server.gateway.mac, server.gateway.imeis, server.gateway.cards())
        for server in build_fleet(plan).servers.values()
    ]


def test_the_same_seed_makes_the_same_devices() -> None:
    assert snapshot(FleetPlan(seed=7)) == snapshot(FleetPlan(seed=7))
    assert snapshot(FleetPlan(seed=7)) != snapshot(FleetPlan(seed=8))


def test_all_modules_have_different_imeis() -> None:
    fleet = build_fleet(FleetPlan(gateways=5))
    imeis = [imei for server in fleet.servers.values() for imei in server.gateway.imeis]
    assert len(set(imeis)) == 5 * 32


def test_cards_fill_slot_one_of_every_port_first() -> None:
    fleet = build_fleet(FleetPlan(gateways=2, ports=4, slots=2, fill=0.75))
    first, second = (server.gateway for server in fleet.servers.values())
    assert [str(place) for place in first.cards()] == ["1.01", "2.01", "3.01", "4.01", "1.02", "2.02"]
    assert second.find(fleet.imsi("base+6")) == (1, 1)


def test_report_urls_are_one_a_gateway_or_one_with_a_placeholder() -> None:
    def urls(*given: str) -> list[str | None]:
        plan = FleetPlan(gateways=2, report_urls=given)
        return [server.reporter.url for server in build_fleet(plan).servers.values()]

    assert urls() == [None, None]
    assert urls("http://a", "http://b") == ["http://a", "http://b"]
    assert urls("http://a/{gateway}") == ["http://a/gw1", "http://a/gw2"]
    with pytest.raises(InvalidRequest, match="2 gateways need 2 report URLs"):
        urls("http://a")
