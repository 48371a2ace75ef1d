"""Whom a request comes from, also behind reverse proxies."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from simwarden.domain.errors import SimwardenError

if TYPE_CHECKING:
    from collections.abc import Iterable

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class InvalidNetwork(SimwardenError, ValueError):
    """Not an address or network like 10.0.0.0/8."""


class Proxies:
    """The reverse proxies whose X-Forwarded-For is believed."""

    def __init__(self, trusted: str = "") -> None:
        """`trusted`: addresses and networks, parted by commas. Raises InvalidNetwork."""
        self._trusted = [_network(part.strip()) for part in trusted.split(",") if part.strip()]

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address that limits are kept for: the last one of the chain that is no proxy of ours.

        Whatever stands before it in X-Forwarded-For the client may have written itself.
        """
        if not self._trusted or not self._trusts(peer):
            return peer
        chain = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
        for text in reversed([part.strip() for part in chain.split(",")]):
            address = _plain(text)
            if address is None:
                return peer
            if not self._trusts(address):
                return address
            peer = address
        return peer

    def _trusts(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def group(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 one."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, 64), strict=False))


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidNetwork(f"{text!r} is not an address or network like 10.0.0.0/8") from error


def _plain(text: str) -> str | None:
    """An address of X-Forwarded-For without brackets and port; None when it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
