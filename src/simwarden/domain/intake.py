"""Taking in identifiers that people wrote: what looks wrong is taken with a caution, or refused by a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.countries import Country
from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import luhn_digit, parse_iccid, parse_imei, parse_msisdn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simwarden.domain.numbering import RangeBook

_E118 = 19
"""Digits of an ICCID with check digit (ITU-T E.118). Longer ones, as China has them, end as their issuer likes."""
PLURALS = {
    "IMEI_CHECK_DIGIT": "IMEIs have a wrong check digit",
    "ICCID_CHECK_DIGIT": "ICCIDs have a wrong check digit",
    "NUMBER_WITHOUT_PLUS": "phone numbers have no plus sign",
    "OUTSIDE_RANGES": "identifiers lie outside the account's number ranges",
    "RANGE_OF_ANOTHER_ACCOUNT": "identifiers lie in number ranges of other accounts",
}
"""Every caution there is, said of several."""


class Caution(msgspec.Struct, frozen=True):
    """Something that was taken, and is probably not what was meant."""

    code: str
    """One of PLURALS."""
    message: str


class Intake(msgspec.Struct, frozen=True):
    """How identifiers are taken in here."""

    home: Country | None = None
    """The country of phone numbers without plus sign; None: they are taken to have their country code."""
    strict: bool = False
    """Refuse what is otherwise taken with a caution."""

    def number(self, text: str) -> str:
        """A phone number in E.164 form. Raises InvalidIdentifier."""
        return parse_msisdn(text, self.home)

    def cautions(
        self, *, imei: str | None = None, iccid: str | None = None, msisdn: str | None = None
    ) -> tuple[Caution, ...]:
        """What looks wrong about identifiers as they were written. Raises InvalidIdentifier (if strict, for that)."""
        found = []
        if imei:
            device = parse_imei(imei)
            if device.luhn_valid is False:
                found.append(
                    Caution(
                        "IMEI_CHECK_DIGIT",
                        f"The IMEI {imei[:40]} has a wrong check digit: {device.full} would have the right one. "
                        "Devices are compared by the 14 digits before it",
                    )
                )
        if iccid:
            card = parse_iccid(iccid)
            if len(card) == _E118 and luhn_digit(card[:-1]) != card[-1]:
                right = card[:-1] + luhn_digit(card[:-1])
                found.append(
                    Caution(
                        "ICCID_CHECK_DIGIT",
                        f"The ICCID {card} has a wrong check digit: {right} would have the right one",
                    )
                )
        if msisdn and not msisdn.startswith("+"):
            found += self._plus(msisdn)
        if found and self.strict:
            raise InvalidIdentifier(f"{found[0].message}. The setting strict_identifiers refuses that")
        return tuple(found)

    def _plus(self, text: str) -> list[Caution]:
        number = self.number(text)
        if self.home is not None and not self.home.reads_with_code(text.strip()):
            return []  # as it is dialled at home
        hint = "" if self.home else "; the setting home_country says where numbers without one are from"
        message = f"The phone number {text.strip()[:40]} has no plus sign: it is taken as {number}{hint}"
        return [Caution("NUMBER_WITHOUT_PLUS", message)]


def range_cautions(book: RangeBook, account_id: str, names: Iterable[tuple[str, str]]) -> tuple[Caution, ...]:
    """What is remarkable about where these identifiers (kind, value) of an account lie."""
    found = []
    for kind, value in names:
        if kind not in ("imsi", "iccid", "msisdn", "nai"):
            continue
        owner = book.owner(kind, value)
        if owner is not None and owner != account_id:
            message = f"The {kind} {value} lies in a number range of the account {owner}"
            found.append(Caution("RANGE_OF_ANOTHER_ACCOUNT", message))
        elif owner is None and book.limits(account_id, kind):
            message = f"The {kind} {value} lies outside the number ranges of the account"
            found.append(Caution("OUTSIDE_RANGES", message))
    return tuple(found)


class CautionTally:
    """The cautions of many rows: how many of each kind, and where the first ones are."""

    def __init__(self, samples: int = 5) -> None:
        self._samples = samples
        self._counts: dict[str, int] = {}
        self._first: dict[str, list[tuple[int, str]]] = {}

    def add(self, line: int, cautions: Sequence[Caution]) -> None:
        """Those of one row."""
        for caution in cautions:
            self._counts[caution.code] = self._counts.get(caution.code, 0) + 1
            first = self._first.setdefault(caution.code, [])
            if len(first) < self._samples:
                first.append((line, caution.message))

    def told(self) -> list[dict[str, object]]:
        """For programs: code, count, and the first ones with their lines."""
        return [
            {
                "code": code,
                "count": count,
                "first": [{"line": line, "message": message} for line, message in self._first[code]],
            }
            for code, count in self._counts.items()
        ]

    def lines(self) -> list[str]:
        """For people."""
        said = []
        for code, count in self._counts.items():
            if count <= len(self._first[code]):
                said += [f"line {line}: {message}" for line, message in self._first[code]]
            else:
                line, message = self._first[code][0]
                said.append(f"{count} {PLURALS[code]}; the first one is in line {line}: {message}")
        return said
