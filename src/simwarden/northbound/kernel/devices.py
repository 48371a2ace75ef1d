"""Which SIM a request is about (Commonalities 0.8, Design Guide 3.2.2 and Appendix A, cases 0 to 5)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.errors import InvalidIdentifier, SimNotFound
from simwarden.domain.fixed_line import IsFixedLine
from simwarden.domain.identifiers import parse_nai
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.northbound.kernel.bodies import NO_DEVICE
from simwarden.northbound.kernel.errors import (
    InvalidArgument,
    MissingIdentifier,
    UnnecessaryIdentifier,
    UnsupportedIdentifier,
)

if TYPE_CHECKING:
    from simwarden.domain.fixed_line import FixedLine
    from simwarden.domain.sim import Sim
    from simwarden.northbound.kernel.ports import LineFinder, SimFinder, TokenHolder

PhoneNumber = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{4,14}\Z")]
Nai = Annotated[str, Meta(min_length=1, max_length=2048, pattern=r"^[^\x00]*\Z")]
"""Anything but what no text in the database can hold."""
Ipv4 = Annotated[str, Meta(max_length=15)]
Ipv6 = Annotated[str, Meta(max_length=45)]


class Ipv4Address(msgspec.Struct, frozen=True, rename="camel"):
    """DeviceIpv4Addr: a public address with a port or with the private address behind it."""

    public_address: Ipv4 | UnsetType = UNSET
    private_address: Ipv4 | UnsetType = UNSET
    public_port: Annotated[int, Meta(ge=0, le=65535)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse an address that could name nobody, also where another identifier is the one that counts (case 0)."""
        if self.public_address is UNSET or (self.private_address is UNSET and self.public_port is UNSET):
            raise ValueError("A public address with a port or a private address is needed")


class Device(msgspec.Struct, frozen=True, rename="camel"):
    """Device: one to four identifiers of the same device."""

    phone_number: PhoneNumber | UnsetType = UNSET
    network_access_identifier: Nai | UnsetType = UNSET
    ipv4_address: Ipv4Address | UnsetType = UNSET
    ipv6_address: Ipv6 | UnsetType = UNSET


class StrictIpv4Address(Ipv4Address, frozen=True, forbid_unknown_fields=True):
    """DeviceIpv4Addr of Commonalities 0.8: nothing unknown, no port 0."""

    public_port: Annotated[int, Meta(ge=1, le=65535)] | UnsetType = UNSET


class StrictDevice(Device, frozen=True, forbid_unknown_fields=True):
    """Device of Commonalities 0.8: nothing unknown."""

    ipv4_address: StrictIpv4Address | UnsetType = UNSET


class Devices:
    """Finds the SIM that a caller means."""

    def __init__(
        self, sims: SimFinder, lines: LineFinder | None = None, *, network_access_identifiers: bool = False
    ) -> None:
        """`network_access_identifiers`: accept them, which CAMARA keeps for the future (Appendix A, NOTE 2)."""
        self._sims = sims
        self._lines = lines
        self._network_access_identifiers = network_access_identifiers

    def name(self, caller: TokenHolder, device: Device | UnsetType) -> SimRef:
        """The name by which to look for the SIM: the token's device, or one identifier of the request.

        Of several identifiers the first supported one counts; whether the others name the same device is not looked
        at, as Commonalities demands. Raises InvalidArgument (case 0), UnnecessaryIdentifier (3), MissingIdentifier
        (5), UnsupportedIdentifier (1), what `covered` raises.
        """
        candidates = [] if device is UNSET else self._candidates(device)
        if caller.device is not None:
            if device is not UNSET:
                raise UnnecessaryIdentifier
            return self.covered(caller, SimRef(IdentifierKind.MSISDN, caller.device))
        if device is UNSET:
            raise MissingIdentifier
        if not candidates:
            raise UnsupportedIdentifier
        return self.covered(caller, candidates[0])

    def covered(self, caller: TokenHolder, ref: SimRef) -> SimRef:
        """The name itself. Raises `OneSim.otherwise` where the caller may call about another SIM only."""
        if caller.only is not None and ref not in caller.only.names:
            raise caller.only.otherwise
        return ref

    async def find(self, caller: TokenHolder, ref: SimRef) -> Sim:
        """The caller's SIM of this name.

        Raises SimNotFound (case 2), for a foreign one too; IsFixedLine (case 4).
        """
        sim = await self._sims.find(caller.account_id, ref)
        return sim if sim is not None else await self.refuse(caller, ref)

    async def locate(self, caller: TokenHolder, ref: SimRef) -> Sim | FixedLine:
        """The caller's SIM or fixed line of this name. Raises SimNotFound."""
        found = await self._sims.find(caller.account_id, ref) or await self._line(caller, ref)
        if found is None:
            raise SimNotFound
        return found

    async def refuse(self, caller: TokenHolder, ref: SimRef) -> NoReturn:
        """Say why the caller has no SIM of this name. Raises SimNotFound, IsFixedLine."""
        raise SimNotFound if await self._line(caller, ref) is None else IsFixedLine

    async def _line(self, caller: TokenHolder, ref: SimRef) -> FixedLine | None:
        return None if self._lines is None else await self._lines.find(caller.account_id, ref)

    def _candidates(self, device: Device) -> list[SimRef]:
        """The supported identifiers of `device`, after all of them were found well-formed (case 0)."""
        found: list[SimRef] = []
        if device.phone_number is not UNSET:
            found.append(SimRef(IdentifierKind.MSISDN, device.phone_number))
        if device.ipv4_address is not UNSET:
            found.append(SimRef(IdentifierKind.IPV4, _ipv4_name(device.ipv4_address)))
        if device.ipv6_address is not UNSET:
            found.append(SimRef(IdentifierKind.IPV6, _ipv6(device.ipv6_address)))
        if device.network_access_identifier is not UNSET:
            if self._network_access_identifiers:
                found.append(SimRef(IdentifierKind.NAI, _nai(device.network_access_identifier)))
        elif not found:
            raise InvalidArgument(NO_DEVICE)
        return found


def counted(device: Device | UnsetType, ref: SimRef) -> Device | UnsetType:
    """The identifier that counted, for an answer to a request that named several (DeviceResponse); else none."""
    if device is UNSET or len(msgspec.to_builtins(device)) == 1:
        return UNSET
    if ref.kind is IdentifierKind.MSISDN:
        return Device(phone_number=device.phone_number)
    if ref.kind is IdentifierKind.IPV4:
        return Device(ipv4_address=device.ipv4_address)
    if ref.kind is IdentifierKind.IPV6:
        return Device(ipv6_address=device.ipv6_address)
    return Device(network_access_identifier=device.network_access_identifier)


def as_written(device: Device | UnsetType) -> dict[str, Any] | None:
    """A device as plain JSON values with the client's own property names; None when there is none."""
    return None if device is UNSET else msgspec.to_builtins(device)


def _ipv4_name(given: Ipv4Address) -> str:
    """`public/private`, else `public:port`: the private address holds for the whole session, a port for a flow."""
    if given.public_address is UNSET:
        raise InvalidArgument("Invalid format: ipv4Address")
    public = _ipv4(given.public_address)
    if given.private_address is not UNSET:
        return f"{public}/{_ipv4(given.private_address)}"
    if given.public_port is UNSET:
        raise InvalidArgument("Invalid format: ipv4Address")
    return f"{public}:{given.public_port}"


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise InvalidArgument("Invalid format: ipv4Address") from error


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError as error:
        raise InvalidArgument("Invalid format: ipv6Address") from error
    if address.scope_id is not None:
        raise InvalidArgument("Invalid format: ipv6Address")
    return address.compressed


def _nai(text: str) -> str:
    try:
        return parse_nai(text)
    except InvalidIdentifier as error:
        raise InvalidArgument("Invalid format: networkAccessIdentifier") from error
