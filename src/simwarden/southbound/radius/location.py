"""3GPP-User-Location-Info: the cell that a device is in, as a packet gateway says it. No I/O.

3GPP TS 29.061 16.4.7.2 (attribute 22), whose types are those of TS 29.274 8.21 and TS 38.413; attribute 30 says when
that was.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simwarden.domain.cell import Cell, CellKind, InvalidCell, network_code

if TYPE_CHECKING:
    from collections.abc import Iterator

NTP_EPOCH = 2_208_988_800
"""Seconds from 1900, from which 3GPP-User-Location-Info-Time counts, to 1970."""


class LocationType(enum.IntEnum):
    """The first octet. Those of base stations (131 to 134, 138, 139) name no cell, and are read for their area."""

    CGI = 0
    SAI = 1
    RAI = 2
    TAI = 128
    ECGI = 129
    TAI_ECGI = 130
    TAI_MACRO_ENB = 132
    TAI_EXTENDED_ENB = 134
    NCGI = 135
    TAI_5GS = 136
    TAI_5GS_NCGI = 137


class MalformedLocation(ValueError):
    """The octets are too short for their type, or name no network."""


def decode_location(value: bytes) -> tuple[Cell, ...]:
    """The cell and the area that 3GPP-User-Location-Info names, the smaller one first; none for an unknown type.

    Octets behind what the type needs are left alone. Raises MalformedLocation.
    """
    if not value:
        raise MalformedLocation("A User-Location-Info has at least one octet")
    if value[0] not in _TYPES:
        return ()
    try:
        return tuple(reversed(list(_read(LocationType(value[0]), value[1:]))))
    except InvalidCell as error:
        raise MalformedLocation(error.message) from error


def location_time(seconds: int) -> datetime | None:
    """What 3GPP-User-Location-Info-Time says; None for a clock that was never set."""
    return datetime.fromtimestamp(seconds - NTP_EPOCH, UTC) if seconds > NTP_EPOCH else None


_TYPES = frozenset(LocationType)


def _read(kind: LocationType, body: bytes) -> Iterator[Cell]:
    match kind:
        case LocationType.CGI | LocationType.SAI:
            what = CellKind.CGI if kind is LocationType.CGI else CellKind.SAI
            yield Cell(what, _network(body), (_number(body, 3, 2), _number(body, 5, 2)))
        case LocationType.RAI:
            yield Cell(CellKind.RAI, _network(body), (_number(body, 3, 2), _number(body, 5, 1)))
        case LocationType.TAI | LocationType.TAI_MACRO_ENB | LocationType.TAI_EXTENDED_ENB:
            yield Cell(CellKind.TAI, _network(body), (_number(body, 3, 2),))
        case LocationType.ECGI:
            yield _ecgi(body)
        case LocationType.TAI_ECGI:
            yield Cell(CellKind.TAI, _network(body), (_number(body, 3, 2),))
            yield _ecgi(body[5:])
        case LocationType.NCGI:
            yield _ncgi(body)
        case LocationType.TAI_5GS:
            yield Cell(CellKind.TAI, _network(body), (_number(body, 3, 3),), wide=True)
        case LocationType.TAI_5GS_NCGI:
            yield Cell(CellKind.TAI, _network(body), (_number(body, 3, 3),), wide=True)
            yield _ncgi(body[6:])


def _ecgi(body: bytes) -> Cell:
    return Cell(CellKind.ECGI, _network(body), (_number(body, 3, 4) & 0xFFFFFFF,))


def _ncgi(body: bytes) -> Cell:
    """36 bits in five octets: the spare ones lead. Where these are not zero the sender has them trail."""
    number = _number(body, 3, 5)
    return Cell(CellKind.NCGI, _network(body), (number if number < 1 << 36 else number >> 4,))


def _number(body: bytes, at: int, octets: int) -> int:
    if len(body) < at + octets:
        raise MalformedLocation(f"The User-Location-Info ends {at + octets - len(body)} octets too early")
    return int.from_bytes(body[at : at + octets], "big")


def _network(body: bytes) -> str:
    """MCC and MNC from three octets, a digit in each half, the lower one first; F: the MNC has two digits."""
    _number(body, 0, 3)
    mcc = (body[0] & 15, body[0] >> 4, body[1] & 15)
    mnc = (body[2] & 15, body[2] >> 4, body[1] >> 4)
    digits = mcc + (mnc if mnc[2] != 15 else mnc[:2])
    if any(digit > 9 for digit in digits):
        raise MalformedLocation(f"The octets {body[:3].hex()} name no network")
    text = "".join(map(str, digits))
    return network_code(int(text[:3]), int(text[3:]))
