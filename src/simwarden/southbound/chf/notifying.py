"""Where a function that charges is told to end a session. It names the address itself, so not any is believed."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from simwarden.domain.addresses import is_within

if TYPE_CHECKING:
    from simwarden.store.gateways import CommandAccess

_PORTS = {"http": 80, "https": 443}


def origin_of(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an HTTP URL; None for anything else."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or parts.username is not None:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]


def allowed_uri(uri: str, element: CommandAccess) -> bool:
    """Whether a notifyUri leads to the element itself: to its command URL's host, where it has one, else to an address
    that is one of its source addresses."""
    origin = origin_of(uri)
    if origin is None or not (uri.isascii() and uri.isprintable()):
        return False
    if element.url is not None:
        return origin == origin_of(element.url)
    try:
        ipaddress.ip_address(origin[1])
    except ValueError:
        return False
    return is_within(origin[1], element.source_addresses)
