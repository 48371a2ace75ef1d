"""Where virtual gateways stand: along a road from Berlin to the west."""

from __future__ import annotations

from dataclasses import dataclass

RADIUS = 1000.0
"""Metres within which the cards of a gateway are."""
ROUND_TRIP = 0.02
"""Degrees by which gateways of a town that is passed again lie farther north."""


@dataclass(frozen=True, slots=True)
class GatewaySite:
    """The circle in which a gateway stands."""

    town: str
    latitude: float
    longitude: float
    radius: float = RADIUS

    def describe(self) -> dict[str, str | float]:
        """The form of the control server."""
        return {
            "town": self.town,
            "latitude": self.latitude,
            "longitude": self.longitude,
            "radius": self.radius,
        }


TOWNS = (
    GatewaySite("Berlin", 52.520, 13.405),
    GatewaySite("Potsdam", 52.391, 13.065),
    GatewaySite("Magdeburg", 52.131, 11.640),
    GatewaySite("Braunschweig", 52.269, 10.521),
    GatewaySite("Hannover", 52.376, 9.732),
    GatewaySite("Dortmund", 51.514, 7.468),
    GatewaySite("Duisburg", 51.434, 6.762),
)
"""From 27 to 150 km apart."""


def site_of(index: int) -> GatewaySite:
    """Where gateway number `index` (from 0) stands."""
    lap, town = divmod(index, len(TOWNS))
    at = TOWNS[town]
    north = (at.latitude + lap * ROUND_TRIP + 60) % 120 - 60  # however many there are, on earth
    return GatewaySite(at.town, round(north, 6), at.longitude)
