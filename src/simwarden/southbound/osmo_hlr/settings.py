"""The settings of osmo-hlr."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from simwarden.kit.quantities import Port, Positive, Seconds

Rate = Annotated[int, Meta(ge=0, le=10_000)]


class OsmoHlrSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the server's settings."""

    osmo_hlr_poll_rate: Rate = 200
    """Subscribers a second that an HLR is asked for, one after the other of all SIMs; 0: it is not asked."""
    osmo_hlr_poll_seconds: Seconds = 30.0
    """Seconds from the beginning of one round through all SIMs to the next, where one takes less."""
    osmo_hlr_update_minutes: Annotated[int, Meta(ge=0, le=100_000)] = 0
    """Minutes until a device that is still there must register again (periodic location update); 0: not known."""
    osmo_hlr_batch: Positive = 50
    """Subscribers that are asked for, or commanded, in one connection to an HLR."""
    osmo_hlr_gsup_host: str = "127.0.0.1"
    """Address that osmo_hlr_gsup_port is on."""
    osmo_hlr_gsup_port: Port = 0
    """TCP port at which MSC and SGSN connect in the place of their HLR (GSUP), by custom 4222; 0: none does."""
    osmo_hlr_gsup_peers: Positive = 128
    """MSC and SGSN that are connected at once, per worker, of one HLR at most half of them; more are hung up."""
    osmo_hlr_checks: Positive = 256
    """Checks of devices under way at once, per MSC; more are answered with congestion."""
    osmo_hlr_deny_undecided: bool = False
    """A device that cannot be checked, because the database is away, is refused; else the HLR takes it."""


SETTINGS = OsmoHlrSettings
