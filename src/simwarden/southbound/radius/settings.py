"""The settings of RADIUS."""

from __future__ import annotations

from typing import Literal

import msgspec

from simwarden.kit.quantities import NotNegative, Port, Positive


class RadiusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the server's settings."""

    radius_host: str = "127.0.0.1"
    """Address that radius_port and radius_access_port are on."""
    radius_port: Port = 0
    """UDP port that takes RADIUS accounting, by custom 1813; 0: none does."""
    radius_access_port: Port = 0
    """UDP port that takes Access-Requests, by custom 1812; 0: none does."""
    radius_tls_port: Port = 0
    """TCP port on radius_host that takes both over TLS (RadSec), by custom 2083; 0: none does."""
    radius_tls_certificate: str | None = None
    """PEM file with the certificate of radius_tls_port and its chain."""
    radius_tls_key: str | None = None
    """PEM file with its key, without a password."""
    radius_tls_clients: str | None = None
    """PEM file with the authorities whose certificates a NAS must show over TLS; the secret is then `radsec`.

    None: it shows none, and its own secret proves it."""
    radius_packets: Positive = 4096
    """RADIUS packets in work at once, per worker, of one NAS at most half; more are dropped, and come again."""
    radius_unknown_sims: Literal["accept", "reject"] = "reject"
    """What an Access-Request for a SIM is answered that is not registered, or not for the account of the NAS."""
    radius_when_unavailable: Literal["drop", "reject"] = "drop"
    """What an Access-Request is answered while the database is away; drop: nothing, so it goes to another server."""
    radius_session_timeout: NotNegative = 0
    """Seconds after which a NAS is to end an admitted session (Session-Timeout); 0: it is not told to."""
    radius_interim_interval: NotNegative = 0
    """Seconds between the Interim-Updates of an admitted session (Acct-Interim-Interval); 0: the NAS's own setting."""


SETTINGS = RadiusSettings
