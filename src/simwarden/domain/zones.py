"""In which country the other side of a call or message has its number."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from simwarden.domain.visited import countries_of

PREFIX_DIGITS = 5
"""So many first digits of a number are kept with its country: the calling code, and what tells ranges in it apart."""
NOWHERE = "?"
"""The zone of who gives no number, or one of no country."""
_FILLING = re.compile(r"[\s().\-/]+")
_NUMBER = re.compile(r"\+?[0-9]{1,32}")
_SHORT = 6
"""Digits up to which a number without plus sign is one of the SIM's own network: emergency calls, services."""
_LONG = 10
"""Digits from which on a number without plus sign that fits no numbering plan is read with its calling code."""
_UNKNOWN_REGION = "ZZ"
_SHORTEST, _LONGEST = 2, 17
"""Digits of a number without its calling code."""


class Zone(msgspec.Struct, frozen=True, gc=False):
    """Where a number belongs."""

    country: str
    """ISO 3166-1 alpha-2; `001` for networks of no country (satellites); `?` where nothing tells."""
    prefix: str = ""
    """The first digits in international form, without plus sign; empty where the number has none."""
    number: str = ""
    """The whole number, to compare it: in international form if it has one. Not to be stored in clear."""


@lru_cache(maxsize=8192)
def zone_of(text: str | None, imsi: str) -> Zone:
    """The zone of a number as a SIM's network writes it.

    It counts even where no such number is given out, as invented numbers are typical of fraud with shared revenue. A
    number without plus sign is read as it is dialled in the SIM's home country, and if it is none there as an
    international one. Short numbers are domestic.
    """
    plain = _FILLING.sub("", text or "")
    if not _NUMBER.fullmatch(plain):
        return Zone(NOWHERE)
    home = next(iter(countries_of(imsi[:3])), None)
    domestic = Zone(home or NOWHERE, number=plain)
    if plain.startswith("+"):
        return _international(plain) or Zone(NOWHERE, number=plain)
    if len(plain) <= _SHORT:
        return domestic
    dialled = None if home is None else _read(plain, home)
    if dialled is not None and (_is_valid(dialled) or plain.startswith("0")):
        return _placed(dialled) or domestic
    abroad = _read("+" + plain, None)
    if abroad is not None and (_is_valid(abroad) or (len(plain) >= _LONG and not plain.startswith("1"))):
        return _placed(abroad) or domestic
    return domestic


def is_country(code: str) -> bool:
    """Whether numbers can belong to this country; `001` stands for networks of no country."""
    known: bool = code == "001" or code in _library().SUPPORTED_REGIONS
    return known


def _international(text: str) -> Zone | None:
    """Of a plus sign and digits. Nearly all are read at a glance, by the numbering plan of their calling code; the
    library takes twenty times as long for the same."""
    plan = _plan_of(text[1:4])
    if plan is not None:
        national = text[1 + plan.code_digits :]
        if _SHORTEST <= len(national) <= _LONGEST and (plan.prefix is None or not plan.prefix.match(national)):
            return Zone(plan.country, text[1 : 1 + PREFIX_DIGITS], text)
    read = _read(text, None)
    return None if read is None else _placed(read)


class _Plan(NamedTuple):
    """Of a calling code that one country has."""

    code_digits: int
    country: str
    prefix: re.Pattern[str] | None
    """What may stand before a number when it is dialled at home: the library knows whether it is part of this one."""


@lru_cache(maxsize=1024)
def _plan_of(begin: str) -> _Plan | None:
    """By the first digits, of which a calling code has one to three. None: it is of no country, or of several."""
    library = _library()
    for digits in range(1, len(begin) + 1):
        regions = library.COUNTRY_CODE_TO_REGION_CODE.get(int(begin[:digits])) if begin[0] != "0" else None
        if regions is not None:
            break
    else:
        return None
    if len(regions) > 1:
        return None
    plan = library.PhoneMetadata.metadata_for_region_or_calling_code(int(begin[:digits]), regions[0])
    before = plan.national_prefix_for_parsing
    return _Plan(digits, regions[0], re.compile(before) if before else None)


def _library() -> Any:
    """Numbering plans of the world. They are read when the first record comes: most installations have none."""
    import phonenumbers

    return phonenumbers


def _read(text: str, home: str | None) -> Any | None:
    library = _library()
    try:
        return library.parse(text, home)
    except library.NumberParseException:
        return None


def _is_valid(read: Any) -> bool:
    valid: bool = _library().is_valid_number(read)
    return valid


def _placed(read: Any) -> Zone | None:
    library = _library()
    country = library.region_code_for_number(read) or library.region_code_for_country_code(read.country_code)
    if country == _UNKNOWN_REGION:
        return None
    digits: str = library.format_number(read, library.PhoneNumberFormat.E164).removeprefix("+")
    return Zone(country, digits[:PREFIX_DIGITS], "+" + digits)
