"""The settings of converged charging."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from simwarden.kit.quantities import Port, Positive


class ChfSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the server's settings."""

    chf_host: str = "127.0.0.1"
    """Address that chf_port is on."""
    chf_port: Port = 0
    """TCP port that takes charging data (Nchf, HTTP/2 with prior knowledge and HTTP/1.1); 0: none does."""
    chf_requests: Positive = 2000
    """Requests in work at once, per worker, of one element at most half of them; more are answered 503."""
    chf_unknown: Literal["GRANT", "REFUSE"] = "GRANT"
    """Sessions of SIMs that are not registered: units as for the others, or 404 USER_UNKNOWN."""
    chf_grant_octets: Annotated[int, msgspec.Meta(ge=1, le=10**15)] = 1_000_000_000
    """Octets that are granted at a time, for each rating group."""
    chf_validity_seconds: Annotated[int, msgspec.Meta(ge=60, le=604_800)] = 3600
    """Seconds that a grant holds: so often at least a session reports what it used."""
    chf_token_keys: str | None = None
    """File with the NRF's public keys (JWK set, or PEM): then every request needs one of its access tokens."""
    chf_tls_certificate: str | None = None
    """PEM file with the certificate of chf_port and its chain; then it speaks TLS."""
    chf_tls_key: str | None = None
    """PEM file with its key."""
    chf_tls_clients: str | None = None
    """PEM file of the authority that signs its clients' certificates: who has none gets no connection."""
    chf_nrf: str | None = None
    """URL of the NRF (its apiRoot) that the CHF registers at."""
    chf_advertised: str = ""
    """Where the NRF says that the CHF is: HOST[:PORT], parted by commas; empty: chf_host and chf_port."""
    chf_instance_id: str | None = None
    """The CHF's instance id, a UUID; None: one that is made of where it is."""


SETTINGS = ChfSettings
