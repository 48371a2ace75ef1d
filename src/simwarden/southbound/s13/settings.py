"""The settings of Diameter S13."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from simwarden.kit.quantities import Port, Positive

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?\Z")]


class S13Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the server's settings."""

    s13_host: str = "127.0.0.1"
    """Address that s13_port is on."""
    s13_port: Port = 0
    """TCP port that answers ME-DiameterIdentity-Checks (Diameter S13, usually 3868); 0: none does."""
    s13_origin_host: Name = "eir.simwarden.example"
    """DiameterIdentity of this server,"""
    s13_realm: Name = "simwarden.example"
    """and its realm."""
    s13_checks: Positive = 2000
    """Checks in work at once, per worker, of one element at most half of them; more are answered 3004 TOO_BUSY."""
    s13_watchdog_seconds: Annotated[int, msgspec.Meta(ge=6, le=600)] = 30
    """Seconds of silence after which a peer is sent a Device-Watchdog-Request (RFC 3539: Tw)."""
    s13_unlisted: Literal["WHITELISTED", "GREYLISTED", "BLACKLISTED", "UNKNOWN"] = "WHITELISTED"
    """What is said of a device that is on no list; UNKNOWN: 5422 DIAMETER_ERROR_EQUIPMENT_UNKNOWN."""
    s13_mismatch: Literal["BLACKLISTED", "GREYLISTED"] = "BLACKLISTED"
    """What is said of a device that a SIM is barred in because it is bound to another one."""


SETTINGS = S13Settings
