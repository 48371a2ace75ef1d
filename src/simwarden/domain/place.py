"""Where on earth a SIM was seen. Pure."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec


class PlaceSource(enum.StrEnum):
    """What a place is taken from."""

    SITE = "SITE"
    """The site of the gateway that the SIM is in."""
    CELL = "CELL"
    """A cell of the mobile network."""
    ADDRESS = "ADDRESS"
    """An installation address, of what does not move."""


class Place(msgspec.Struct, frozen=True):
    """A SIM was somewhere in this circle."""

    latitude: float
    """Degrees (WGS 84), -90 to 90, north positive."""
    longitude: float
    """Degrees (WGS 84), -180 to 180, east positive."""
    radius: float
    """Metres; 0: exactly there."""
    at: datetime
    """Source time."""
    source: PlaceSource
    ref: str
    """What it is taken from: a gateway's id as text, a cell's key such as `ecgi:26201-0123456`, or nothing."""
