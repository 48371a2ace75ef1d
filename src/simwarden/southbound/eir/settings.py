"""The settings of the 5G-EIR."""

from __future__ import annotations

from typing import Literal

import msgspec

from simwarden.kit.quantities import Port, Positive


class EirSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the server's settings."""

    eir_host: str = "127.0.0.1"
    """Address that eir_port is on."""
    eir_port: Port = 0
    """TCP port that answers equipment checks (N5g-eir, HTTP/2 with prior knowledge and HTTP/1.1); 0: none does."""
    eir_checks: Positive = 2000
    """Equipment checks in work at once, per worker, of one element at most half of them; more are answered 503."""
    eir_unlisted: Literal["WHITELISTED", "GREYLISTED", "BLACKLISTED", "UNKNOWN"] = "WHITELISTED"
    """What is said of a device that is on no list; UNKNOWN: 404 ERROR_EQUIPMENT_UNKNOWN."""
    eir_mismatch: Literal["BLACKLISTED", "GREYLISTED"] = "BLACKLISTED"
    """What is said of a device that a SIM is barred in because it is bound to another one."""
    eir_token_keys: str | None = None
    """File with the NRF's public keys (JWK set, or PEM): then every check needs one of its access tokens."""
    eir_tls_certificate: str | None = None
    """PEM file with the certificate of eir_port and its chain; then it speaks TLS."""
    eir_tls_key: str | None = None
    """PEM file with its key."""
    eir_tls_clients: str | None = None
    """PEM file of the authority that signs its clients' certificates: who has none gets no connection."""
    eir_nrf: str | None = None
    """URL of the NRF (its apiRoot) that the EIR registers at, so that AMFs find it."""
    eir_advertised: str = ""
    """Where the NRF says that the EIR is: HOST[:PORT], parted by commas; empty: eir_host and eir_port."""
    eir_instance_id: str | None = None
    """The EIR's instance id, a UUID; None: one that is made of where it is."""


SETTINGS = EirSettings
