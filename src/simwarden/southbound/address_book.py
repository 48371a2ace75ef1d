"""Which registered network element an address belongs to: read from the register every few seconds.

A request costs no look into the database to find whose it is, so floods from unknown addresses cost nothing.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Generic, TypeVar

from simwarden.kit.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.store.gateways import CommandAccess, Gateways

REFRESH = 5.0
"""Seconds until an element that was registered, changed or deleted is known to be."""
E = TypeVar("E")
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class AddressBook(Worker, Generic[E]):
    """The elements of one kind."""

    def __init__(self, elements: Gateways, kind: str, made: Callable[[CommandAccess], E | None]) -> None:
        """`made`: what is kept of an element; None: it is not served."""
        super().__init__()
        self.worker_name = f"{kind}-addresses"
        self._elements = elements
        self._kind = kind
        self._made = made
        self._single: dict[str, E] = {}
        self._networks: list[tuple[_Network, E]] = []
        """The narrowest first."""

    async def turn(self) -> float:
        """Read the register. Raises StoreUnavailable; what was known is kept."""
        single: dict[str, E] = {}
        networks: list[tuple[_Network, E]] = []
        for access in await self._elements.of_kind(self._kind):
            element = self._made(access)
            if element is None:
                continue
            for network in map(ipaddress.ip_network, access.source_addresses):
                if network.num_addresses == 1:
                    single.setdefault(str(network.network_address), element)
                else:
                    networks.append((network, element))
        self._single, self._networks = single, sorted(networks, key=lambda item: -item[0].prefixlen)
        return REFRESH

    async def check(self) -> None:
        """Raises StoreUnavailable when the register cannot be read, and so nothing be served."""
        await self._elements.of_kind(self._kind)

    def of(self, address: str) -> E | None:
        """The element that is registered with this address, or with the narrowest network around it."""
        found = self._single.get(address)
        if found is not None:
            return found
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return None
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
        if mapped is not None:  # the socket listens to both kinds of addresses
            return self.of(str(mapped))
        return next((element for network, element in self._networks if parsed in network), None)
