"""Cells of mobile networks, and areas of cells, by one key each. Pure.

3GPP TS 23.003 defines their identities: CGI (4.3.1), LAI and RAI (4.4), SAI (12.5), TAI (19.4.2.3), ECGI (19.6), NCGI
(19.6A). A key is the kind, the network, and the numbers in hexadecimal digits as TS 29.571 5.4.4 writes them:
`ecgi:26201-0123456`.
"""

from __future__ import annotations

import enum
import re

import msgspec

from simwarden.domain.errors import InvalidValue


class InvalidCell(InvalidValue):
    """This is not the key of a cell."""


class CellKind(enum.StrEnum):
    """What is identified."""

    CGI = "cgi"
    """A cell of GSM or UMTS: location area (16 bits) and cell identity (16)."""
    SAI = "sai"
    """A service area of UMTS: location area (16 bits) and service area code (16)."""
    RAI = "rai"
    """A routing area: location area (16 bits) and routing area code (8)."""
    TAI = "tai"
    """A tracking area, of LTE (16 bits) or 5G (24)."""
    ECGI = "ecgi"
    """A cell of LTE (28 bits)."""
    NCGI = "ncgi"
    """A cell of 5G (36 bits)."""


_BITS: dict[CellKind, tuple[tuple[int, ...], ...]] = {
    CellKind.CGI: ((16, 16),),
    CellKind.SAI: ((16, 16),),
    CellKind.RAI: ((16, 8),),
    CellKind.TAI: ((16,), (24,)),
    CellKind.ECGI: ((28,),),
    CellKind.NCGI: ((36,),),
}
"""The numbers of each kind, by their lengths; where there are several forms, the key's digits tell them apart."""
_NETWORK = re.compile(r"([0-9]{3})([0-9]{2,3})")
_HEX = re.compile(r"[0-9a-f]+")


class Cell(msgspec.Struct, frozen=True):
    """A cell, or an area of cells."""

    kind: CellKind
    network: str
    """MCC (3 digits) and MNC: see `network_code`."""
    numbers: tuple[int, ...]
    wide: bool = False
    """A tracking area of 5G, whose code has 24 bits."""

    @property
    def key(self) -> str:
        """Under which it is stored and compared."""
        bits = _BITS[self.kind][int(self.wide)]
        digits = "-".join(f"{number:0{size // 4}x}" for number, size in zip(self.numbers, bits, strict=True))
        return f"{self.kind}:{self.network}-{digits}"


def network_code(mcc: int, mnc: int) -> str:
    """MCC and MNC as keys have them: the MNC without leading zeros beyond two digits.

    Public tables of cells say the MNC as a number, and networks say it with two or three digits. Within a country the
    number alone is unique. Raises InvalidCell.
    """
    if not (0 <= mcc <= 999 and 0 <= mnc <= 999):
        raise InvalidCell(f"MCC and MNC are 0 to 999, not {mcc} and {mnc}")
    return f"{mcc:03}{mnc:02}"


def parse_cell(text: str) -> Cell:
    """A cell by its key, in any case. Raises InvalidCell, saying what is wrong."""
    kind_text, colon, rest = text.strip().lower().partition(":")
    network_text, *digits = rest.split("-")
    if not colon or kind_text not in _KINDS:
        raise InvalidCell(f"A cell is written KIND:NETWORK-NUMBERS, KIND one of {', '.join(_KINDS)}: {text[:60]!r}")
    kind = CellKind(kind_text)
    found = _NETWORK.fullmatch(network_text)
    if found is None:
        raise InvalidCell(f"A cell's network is MCC and MNC, 5 or 6 digits: {text[:60]!r}")
    lengths = tuple(len(part) for part in digits)
    for wide, bits in enumerate(_BITS[kind]):
        if lengths == tuple(size // 4 for size in bits) and all(_HEX.fullmatch(part) for part in digits):
            return Cell(
                kind,
                network_code(int(found[1]), int(found[2])),
                tuple(int(part, 16) for part in digits),
                bool(wide),
            )
    forms = " or ".join("-".join(str(size // 4) for size in bits) for bits in _BITS[kind])
    raise InvalidCell(f"Behind its network {kind} has {forms} hexadecimal digits: {text[:60]!r}")


_KINDS = tuple(str(kind) for kind in CellKind)
