"""Lines that do not move: found by their number and their addresses, and always at their installation address. Pure."""

from __future__ import annotations

import ipaddress
from datetime import datetime

import msgspec

from simwarden.domain.addresses import parse_network
from simwarden.domain.errors import AlreadyExists, InvalidIdentifier, ResourceNotFound, SimwardenError
from simwarden.domain.locating import Site
from simwarden.domain.place import Place, PlaceSource

_WIDEST = {4: 16, 6: 32}
"""By version of IP, bits of the widest network that can be one line's."""


class FixedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an account."""

    number: str
    """Telephone number in E.164 form with its plus sign."""
    account_id: str
    site: Site
    """Its installation address, and how exactly that is known."""
    networks: tuple[str, ...] = ()
    """Addresses that are always its own, in CIDR form; one address is a network of one."""
    installed_at: datetime | None = None

    def place(self, now: datetime) -> Place:
        """Where it is at any time. That somebody took the line with him cannot be known."""
        return Place(self.site.latitude, self.site.longitude, self.site.radius, now, PlaceSource.ADDRESS, "")


class IsFixedLine(SimwardenError):
    """This is a fixed line: there is no SIM to do that with"""

    status, code = 422, "SERVICE_NOT_APPLICABLE"
    text = "The service is not available for the provided identifier."


class LineNotFound(ResourceNotFound):
    """No fixed line has this number."""


class LineTaken(AlreadyExists):
    """A line or a SIM with this number or address exists already."""


def parse_line_network(text: str) -> str:
    """An address, or a network, in CIDR form. Raises InvalidIdentifier for one that is too wide for one line."""
    found = ipaddress.ip_network(parse_network(text))
    if found.prefixlen < _WIDEST[found.version]:
        raise InvalidIdentifier(f"{found} is too wide for one line: at least /{_WIDEST[found.version]} is needed")
    return str(found)
