"""TLS contexts by the settings: towards gateways and sinks, and of the administrators' listener."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simwarden.settings import Settings


def client_context(settings: Settings) -> ssl.SSLContext | None:
    """Whom the server trusts when it calls gateways, sinks and the receivers of alarms: the system's and `ca_file`'s.

    None: the system's alone. Raises OSError, ssl.SSLError for a file that cannot be used.
    """
    if settings.ca_file is None:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(Path(settings.ca_file).expanduser())
    return context


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """The server's own certificate, for the administrators' listener; None: it speaks plain HTTP."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(Path(settings.tls_certificate).expanduser(), Path(settings.tls_key).expanduser())
    return context
