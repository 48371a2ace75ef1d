"""The settings of Ejoin gateways."""

from __future__ import annotations

import msgspec

from simwarden.kit.quantities import Positive


class EjoinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the server's settings."""

    reports_per_gateway: Positive = 100
    """Requests a second with reports of one gateway, per worker; ten times as many at once. More wait, then 429."""


SETTINGS = EjoinSettings
