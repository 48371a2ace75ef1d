"""The settings of Ejoin gateways."""

from __future__ import annotations

import msgspec

from simwarden.kit.quantities import Positive


class EjoinSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the server's settings."""

    reports_per_gateway: Positive = 100
    """Requests a second with reports of one gateway, of all workers; ten times as many at once. More wait, then 429."""
    report_kib_per_gateway: Positive = 4096
    """KiB of reports a second of one gateway, over all workers; ten times as many at once. More wait, then 429."""
    open_reports_per_gateway: Positive = 256
    """Requests with reports of one gateway at once, of each worker: one for each port of the largest. More get 429."""


SETTINGS = EjoinSettings
