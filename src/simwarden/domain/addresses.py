"""IP addresses as names of a SIM, in the one form in which they are stored and looked up.

A SIM with static addressing can be named by its IPv6 address, or by its public IPv4 address together with what tells it
from the others behind the same one: a port, or the private address (CAMARA DeviceIpv4Addr).
"""

from __future__ import annotations

import ipaddress

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.sim import IdentifierKind, SimRef


def parse_ipv4(text: str) -> SimRef:
    """`PUBLIC:PORT` or `PUBLIC/PRIVATE`. Raises InvalidIdentifier."""
    plain = text.strip()
    public, slash, private = plain.partition("/")
    if slash:
        return SimRef(IdentifierKind.IPV4, f"{_ipv4(public, text)}/{_ipv4(private, text)}")
    public, _, port = plain.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise InvalidIdentifier(
            f"PUBLIC:PORT, port 1 to 65535, or PUBLIC/PRIVATE is needed; this is not: {text[:60]!r}"
        )
    return SimRef(IdentifierKind.IPV4, f"{_ipv4(public, text)}:{int(port)}")


def parse_ipv6(text: str) -> SimRef:
    """An IPv6 address without a zone, in any spelling. Raises InvalidIdentifier."""
    try:
        address = ipaddress.IPv6Address(text.strip())
    except ValueError:
        address = None
    if address is None or address.scope_id is not None:
        raise InvalidIdentifier(f"This is no IPv6 address: {text[:60]!r}")
    return SimRef(IdentifierKind.IPV6, address.compressed)


def _ipv4(part: str, text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(part))
    except ValueError:
        raise InvalidIdentifier(f"This is no IPv4 address: {part[:20]!r} in {text[:60]!r}") from None
