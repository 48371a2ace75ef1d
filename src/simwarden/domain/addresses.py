"""IP addresses as names of a SIM, in the one form in which they are stored and looked up.

A SIM with static addressing can be named by its IPv6 address, or by its public IPv4 address together with what tells it
from the others behind the same one: a port, or the private address (CAMARA DeviceIpv4Addr).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.sim import IdentifierKind, SimRef

if TYPE_CHECKING:
    from collections.abc import Iterable


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


def parse_network(text: str) -> str:
    """A network in CIDR form, or one address. Raises InvalidIdentifier."""
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        raise InvalidIdentifier(f"A network has the form 192.0.2.0/24 or 2001:db8::/48: {text[:64]!r}") from None


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is in one of these networks. An IPv4 address mapped into IPv6 counts as what it is."""
    try:
        plain = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(plain, ipaddress.IPv6Address) and plain.ipv4_mapped is not None:
        plain = plain.ipv4_mapped
    return any(plain in ipaddress.ip_network(network) for network in networks)
