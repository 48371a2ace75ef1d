"""Which SIM a client means: `tel:`, `ipport:`, `operatortoken:` (CAMARA's profile, "Format of login_hint")."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from simwarden.domain.errors import SimwardenError, StoreUnavailable
from simwarden.domain.sim import IdentifierKind, SimRef

if TYPE_CHECKING:
    from simwarden.accounts.server import AuthorizationServer
    from simwarden.store.accounts import Application

MAX_LENGTH = 4096
"""Characters."""
_TEL = re.compile(r"tel:(\+[1-9][0-9]{4,14})")
_IPV4 = re.compile(r"ipport:([0-9.]{7,15})(?::([0-9]{1,5}))?")
_IPV6 = re.compile(r"ipport:\[([0-9a-fA-F:.]{2,45})\](?::([0-9]{1,5}))?")


class InvalidHint(Exception):
    """The hint has none of the forms that there are."""


class UnknownSim(Exception):
    """The account has no SIM with a phone number that the hint names."""


async def phone_number(server: AuthorizationServer, application: Application, hint: str) -> str:
    """The phone number of the SIM that a hint names, of the application's account.

    A foreign SIM and an unknown one both raise UnknownSim. Raises InvalidHint, StoreUnavailable.
    """
    for ref in await _names(server, hint):
        if (found := await number_of(server, application, ref)) is not None:
            return found
    raise UnknownSim


async def number_of(server: AuthorizationServer, application: Application, ref: SimRef) -> str | None:
    """The phone number of the account's SIM of this name; None: there is none, or it has no number."""
    find = server.find_virtual if application.sandbox else server.find
    try:
        sim = None if find is None else await find(application.account_id, ref)
    except StoreUnavailable:
        raise
    except SimwardenError:  # a virtual SIM whose number means an error
        return None
    return None if sim is None else sim.msisdn


def of_address(address: str, port: int | None) -> list[SimRef]:
    """The names of a SIM that is behind an address: by its port, where one is known, or having it for itself.

    Raises InvalidHint.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError as error:
        raise InvalidHint from error
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if isinstance(found, ipaddress.IPv6Address):
        return [SimRef(IdentifierKind.IPV6, found.compressed)]
    names = [SimRef(IdentifierKind.IPV4, f"{found}:{port}")] if port else []
    return [*names, SimRef(IdentifierKind.IPV4, f"{found}/{found}")]


async def _names(server: AuthorizationServer, hint: str) -> list[SimRef]:
    if len(hint) > MAX_LENGTH:
        raise InvalidHint
    if number := _TEL.fullmatch(hint):
        return [SimRef(IdentifierKind.MSISDN, number[1])]
    if address := _IPV4.fullmatch(hint) or _IPV6.fullmatch(hint):
        port = int(address[2]) if address[2] else None
        if port is not None and not 1 <= port <= 65535:
            raise InvalidHint
        return of_address(address[1], port)
    if hint.startswith("operatortoken:"):
        token = hint.removeprefix("operatortoken:")
        opened = None if server.operator_tokens is None else await server.operator_tokens.phone_number(token)
        return [] if opened is None else [SimRef(IdentifierKind.MSISDN, opened)]
    raise InvalidHint
