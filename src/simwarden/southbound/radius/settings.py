"""The settings of RADIUS accounting."""

from __future__ import annotations

import msgspec

from simwarden.kit.quantities import Port, Positive


class RadiusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the server's settings."""

    radius_host: str = "127.0.0.1"
    """Address that radius_port is on."""
    radius_port: Port = 0
    """UDP port that takes RADIUS accounting, by custom 1813; 0: none does."""
    radius_packets: Positive = 4096
    """Accounting packets in work at once, per worker, half of them of one NAS; more are dropped, and come again."""


SETTINGS = RadiusSettings
