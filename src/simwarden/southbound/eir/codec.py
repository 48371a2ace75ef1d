"""What an equipment check asks: the query of GET /equipment-status (3GPP TS 29.511 6.1.3.2.3.1). No I/O."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import msgspec

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import parse_imei, parse_imsi, parse_msisdn
from simwarden.southbound.sbi.answers import Problem

PATH = "/n5g-eir-eic/v1/equipment-status"
LONGEST = 2048
"""Octets of a query."""
_FIELDS = 16
_NO_IMEI = re.compile(r"mac((-[0-9a-fA-F]{2}){6})(-untrusted)?|eui((-[0-9a-fA-F]{2}){8})")
_SUPI = re.compile(r"imsi-[0-9]{5,15}")


class Check(msgspec.Struct, frozen=True):
    """One check, understood."""

    imei: str | None
    """14 digits; None: the device has an identity that is no IMEI, or one of zeros."""
    imsi: str | None = None
    """None: none was given, or the subscription is named otherwise (a NAI, for instance)."""
    msisdn: str | None = None
    """With its plus sign."""


def read(query: bytes) -> Check:
    """Understand a query. Parameters that are not known are left alone (TS 29.500 5.2.9).

    Raises Problem: 414 for one that is too long, 400 with the cause for a pei that is missing or malformed, a supi or
    gpsi that is malformed, and for a parameter that is given twice.
    """
    if len(query) > LONGEST:
        raise Problem(414, "The query is too long", "URI_TOO_LONG")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_FIELDS, errors="strict")
    except ValueError:
        raise Problem(400, "The query cannot be read", "INVALID_QUERY_PARAM") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise Problem(400, f"{name[:40]} is given twice", "INVALID_QUERY_PARAM", parameters=((name[:40], "twice"),))
        given[name] = value
    pei = given.get("pei")
    if not pei:
        reason = (("pei", "missing"),)
        raise Problem(400, "pei is missing", "MANDATORY_QUERY_PARAM_MISSING", parameters=reason)
    return Check(_imei(pei), _imsi(given.get("supi")), _msisdn(given.get("gpsi")))


def _imei(pei: str) -> str | None:
    if _NO_IMEI.fullmatch(pei):
        return None
    try:
        if not pei.startswith(("imei-", "imeisv-")):
            raise InvalidIdentifier
        digits = pei.partition("-")[2]
        return None if digits.isdigit() and not digits.strip("0") else parse_imei(pei).key
    except InvalidIdentifier:
        reason = (("pei", "neither imei-, imeisv-, mac- nor eui- with its digits"),)
        raise Problem(400, "pei is malformed", "MANDATORY_QUERY_PARAM_INCORRECT", parameters=reason) from None


def _imsi(supi: str | None) -> str | None:
    if supi is None or supi.startswith(("nai-", "gci-", "gli-")):
        return None
    try:
        if not _SUPI.fullmatch(supi):
            raise InvalidIdentifier
        return parse_imsi(supi)
    except InvalidIdentifier:
        raise _wrong("supi") from None


def _msisdn(gpsi: str | None) -> str | None:
    if gpsi is None or gpsi.startswith("extid-"):
        return None
    try:
        if not gpsi.startswith("msisdn-"):
            raise InvalidIdentifier
        return parse_msisdn(gpsi.removeprefix("msisdn-"))
    except InvalidIdentifier:
        raise _wrong("gpsi") from None


def _wrong(name: str) -> Problem:
    return Problem(400, f"{name} is malformed", "OPTIONAL_QUERY_PARAM_INCORRECT", parameters=((name, "malformed"),))
