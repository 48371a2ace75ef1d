"""TLS on the server itself: what Granian is given."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simwarden.edge.tls import client_context
from simwarden.settings import InvalidSettings

if TYPE_CHECKING:
    from simwarden.settings import Settings


def arguments(settings: Settings) -> dict[str, Any]:
    """Granian's arguments: none without a certificate. TLS 1.2 is the least, as CAMARA asks.

    Raises InvalidSettings when certificate and key cannot be read, or do not belong together, or ca_file is no use.
    """
    try:
        client_context(settings)
    except (OSError, ssl.SSLError) as error:
        raise InvalidSettings(f"ca_file: {settings.ca_file} cannot be used: {error}") from None
    if settings.tls_certificate is None or settings.tls_key is None:
        return {}
    from granian.constants import SSLProtocols

    certificate, key = (Path(path).expanduser() for path in (settings.tls_certificate, settings.tls_key))
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise InvalidSettings(f"{name}: {path} cannot be read: {error.strerror}") from None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _no_password)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidSettings(
            f"tls_certificate and tls_key cannot be used: {certificate} must hold the certificate with its chain and "
            f"{key} its key, both PEM, the key without a password ({error})"
        ) from None
    return {"ssl_cert": certificate, "ssl_key": key, "ssl_protocol_min": SSLProtocols.tls12}


def _no_password() -> str:
    raise ValueError("the key has a password")
