"""Which network access server sends from which address: read from the register every few seconds."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import msgspec

from simwarden.kit.worker import Worker
from simwarden.store.gateways import GatewayRef

if TYPE_CHECKING:
    from simwarden.store.gateways import CommandAccess, Gateways

KIND = "radius"
REFRESH = 5.0
"""Seconds until a NAS that was registered, changed or deleted is known to be."""
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Nas(msgspec.Struct, frozen=True):
    """A network access server that accounting is taken from."""

    ref: GatewayRef
    secret: bytes

    def __repr__(self) -> str:
        return f"Nas({self.ref.name!r})"  # never the secret


class NasBook(Worker):
    """A packet costs no look into the database to find whose it is, so floods from unknown addresses cost nothing."""

    worker_name = "radius-nas"

    def __init__(self, elements: Gateways) -> None:
        super().__init__()
        self._elements = elements
        self._single: dict[str, Nas] = {}
        self._networks: list[tuple[_Network, Nas]] = []
        """The narrowest first."""

    async def turn(self) -> float:
        """Read the register. Raises StoreUnavailable; what was known is kept."""
        single: dict[str, Nas] = {}
        networks: list[tuple[_Network, Nas]] = []
        for element in await self._elements.of_kind(KIND):
            if element.password is None:
                continue
            nas = _nas(element, element.password)
            for network in map(ipaddress.ip_network, element.source_addresses):
                if network.num_addresses == 1:
                    single.setdefault(str(network.network_address), nas)
                else:
                    networks.append((network, nas))
        self._single, self._networks = single, sorted(networks, key=lambda item: -item[0].prefixlen)
        return REFRESH

    async def check(self) -> None:
        """Raises StoreUnavailable when the register cannot be read, and so nothing be served."""
        await self._elements.of_kind(KIND)

    def of(self, address: str) -> Nas | None:
        """The NAS that is registered with this address, or with the narrowest network around it."""
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
        return next((nas for network, nas in self._networks if parsed in network), None)


def _nas(element: CommandAccess, secret: str) -> Nas:
    return Nas(GatewayRef(element.id, element.name, 0, None), secret.encode())
