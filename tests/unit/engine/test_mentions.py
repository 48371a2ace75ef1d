from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from simwarden.domain.area import Sites
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.sim import AreaLimit, CardSlot, Policy, Seen, Sim
from simwarden.engine import mentions

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SIM = Sim(bucket=1, imsi="262011234567890", account_id="a")
PLACE = Place(52.5, 13.4, 100.0, NOW, PlaceSource.SITE, "5")


def test_every_gateway_that_a_sim_is_shown_with_is_looked_up() -> None:
    area = AreaLimit(Policy(), NOW, area=Sites((3, 4)), place=PLACE)
    sim = replace(SIM, seen=Seen(NOW, None, slot=CardSlot(2, 1, 1)), area=area)

    assert sorted(mentions.in_sims([SIM, sim])) == [2, 3, 4, 5]


def test_a_cell_is_no_gateway() -> None:
    assert list(mentions.in_place("CELL", "5")) == []


def test_events_name_the_gateway_they_came_from_and_the_site_of_a_place() -> None:
    told: list[dict[str, Any]] = [
        {"gateway": 7},
        {"gateway": "named"},
        {"source": "SITE", "ref": "8"},
        {"source": "CELL", "ref": "9"},
        {},
    ]

    assert list(mentions.in_data(told)) == [7, 8]
