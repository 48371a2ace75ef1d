"""UserLocation: the cell that a device is in, as a function of the 5G core says it (3GPP TS 29.571 5.4.4.7). No I/O."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec

from simwarden.domain.cell import InvalidCell, parse_cell

BELIEVED = (2000, 9999)
"""Years of times: those before are of clocks that were never set, and the last one may not exist in every time zone."""
_DIGITS = re.compile(r"[0-9]{3}")
_MNC = re.compile(r"[0-9]{2,3}")
_FORMS: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "nrLocation": (("ncgi", "ncgi", ("nrCellId",)), ("tai", "tai", ("tac",))),
    "eutraLocation": (("ecgi", "ecgi", ("eutraCellId",)), ("tai", "tai", ("tac",))),
    "utraLocation": (("cgi", "cgi", ("lac", "cellId")), ("sai", "sai", ("lac", "sac")), ("rai", "rai", ("lac", "rac"))),
    "geraLocation": (("cgi", "cgi", ("lac", "cellId")), ("sai", "sai", ("lac", "sac")), ("rai", "rai", ("lac", "rac"))),
}
"""Of each radio access: the attributes that name cells and areas, smaller ones first; the kind of key; the numbers."""


def cells_of(where: dict[str, Any]) -> tuple[tuple[str, ...], datetime | None]:
    """Keys of the cell and the area around it, the cell first, and when the device was there, where that is said.

    What has another form counts as missing.
    """
    for name, forms in _FORMS.items():
        place = where.get(name)
        if not isinstance(place, dict):
            continue
        keys = [key for attribute, kind, numbers in forms if (key := _key(place.get(attribute), kind, numbers))]
        if keys:
            return tuple(keys[:2]), _at(place.get("ueLocationTimestamp"))
    return (), None


def network_of(plmn: object) -> str | None:
    """MCC and MNC of a PlmnId as five or six digits."""
    if not isinstance(plmn, dict):
        return None
    mcc, mnc = plmn.get("mcc"), plmn.get("mnc")
    if not (isinstance(mcc, str) and _DIGITS.fullmatch(mcc) and isinstance(mnc, str) and _MNC.fullmatch(mnc)):
        return None
    return mcc + mnc


def _key(place: object, kind: str, names: tuple[str, ...]) -> str | None:
    network = network_of(place.get("plmnId")) if isinstance(place, dict) else None
    if network is None or not isinstance(place, dict):
        return None
    try:
        return parse_cell(f"{kind}:{network}-{'-'.join(str(place.get(name, '')) for name in names)}").key
    except InvalidCell:
        return None


def _at(value: object) -> datetime | None:
    try:
        found: datetime = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return found if found.tzinfo is not None and BELIEVED[0] <= found.year < BELIEVED[1] else None
