"""Number ranges: which IMSIs, ICCIDs, phone numbers and realms are an account's own."""

from __future__ import annotations

import enum
import re
from bisect import bisect_right
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import AlreadyExists, InvalidValue, ResourceNotFound, SimwardenError

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIGITS = re.compile(r"\+?([0-9]{1,22})")
_REALM = re.compile(r"[^@\s\x00-\x1f]{1,253}")
_END = ":"
"""The character behind 9: what begins with a number lies before the number with this behind it."""


class InvalidRange(InvalidValue):
    """This is not a number range."""


class RangeTaken(AlreadyExists):
    """This range overlaps one that stands already."""


class RangeNotFound(ResourceNotFound):
    """The account has no such range."""


class OutsideRanges(SimwardenError):
    """This account cannot register a SIM with these identifiers."""

    status, code = 422, "SERVICE_NOT_APPLICABLE"


class RangeKind(enum.StrEnum):
    """What a range holds; the names are those of the identifiers of a SIM."""

    IMSI = "imsi"
    ICCID = "iccid"
    MSISDN = "msisdn"
    """Phone numbers with their country code."""
    NAI = "nai"
    """The network access identifiers of one realm."""


class NumberRange(msgspec.Struct, frozen=True, order=True):
    """Every number of a kind that begins with digits from `first` to `last`, both of one length.

    A prefix is a range whose `first` and `last` are the same. Of kind NAI both are the realm, which must match whole.
    """

    kind: RangeKind
    first: str
    """Digits; phone numbers without their plus sign."""
    last: str

    @property
    def beyond(self) -> str:
        """The text before which all numbers of the range lie, in the order of their digits."""
        return self.last + _END

    @property
    def text(self) -> str:
        """As people write it, and as `parse_range` reads it."""
        plus = "+" if self.kind is RangeKind.MSISDN else "@" if self.kind is RangeKind.NAI else ""
        return f"{plus}{self.first}" if self.first == self.last else f"{plus}{self.first}-{plus}{self.last}"

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"

    def overlaps(self, other: NumberRange) -> bool:
        """Whether a number can lie in both."""
        if self.kind is not other.kind:
            return False
        if self.kind is RangeKind.NAI:
            return self.first == other.first
        return self.first < other.beyond and other.first < self.beyond

    def covers(self, other: NumberRange) -> bool:
        """Whether every number of `other` lies in this one."""
        if self.kind is not other.kind:
            return False
        if self.kind is RangeKind.NAI:
            return self.first == other.first
        return self.first <= other.first and other.beyond <= self.beyond

    def without(self, part: NumberRange) -> list[NumberRange]:
        """What is left of this range when `part`, which it covers, is cut out: nothing, one range or two."""
        if self.kind is RangeKind.NAI:
            return []
        digits = len(part.first)
        below = self.first.ljust(digits, "0"), str(int(part.first) - 1).zfill(digits)
        above = str(int(part.last) + 1).zfill(digits), self.last.ljust(digits, "9")
        return [NumberRange(self.kind, first, last) for first, last in (below, above) if int(first) <= int(last)]


def parse_range(kind: str, text: str) -> NumberRange:
    """A prefix (`4600001`), FIRST-LAST (`4600001-4600009`), or for kind nai a realm. Raises InvalidRange."""
    try:
        of = RangeKind(kind.lower())
    except ValueError:
        known = ", ".join(RangeKind)
        raise InvalidRange(f"A number range is of one of the kinds {known}; {kind[:20]!r} is none of them") from None
    plain = text.strip()
    if of is RangeKind.NAI:
        realm = plain.removeprefix("@").lower()
        if not _REALM.fullmatch(realm):
            raise InvalidRange(f"A range of network access identifiers is a realm; this is not: {text[:40]!r}")
        return NumberRange(of, realm, realm)
    ends = [_DIGITS.fullmatch(end.strip()) for end in plain.split("-")]
    if len(ends) > 2 or not all(ends):
        raise InvalidRange(f"A number range is a prefix of digits or FIRST-LAST; this is not: {text[:60]!r}")
    digits = [end[1] for end in ends if end]
    first, last = digits[0], digits[-1]
    if len(first) != len(last):
        raise InvalidRange(f"FIRST and LAST of a number range have the same length; here {len(first)} and {len(last)}")
    if first > last:
        raise InvalidRange(f"FIRST of a number range comes before LAST; {first} is behind {last}")
    if of is RangeKind.ICCID and not (first.startswith("89"[: len(first)]) and last.startswith("89"[: len(last)])):
        raise InvalidRange("Every ICCID begins with 89 (ITU-T E.118), so must its ranges")
    if of is RangeKind.MSISDN and first.startswith("0"):
        raise InvalidRange("A range of phone numbers begins with a country code, which has no leading zero (E.164)")
    return NumberRange(of, first, last)


class RangeBook:
    """Number ranges and whose they are, to be asked for single numbers."""

    def __init__(self, ranges: Iterable[tuple[str, NumberRange]]) -> None:
        """`ranges`: account and range. Those of different accounts do not overlap."""
        self._realms: dict[str, str] = {}
        self._limited: set[tuple[str, RangeKind]] = set()
        spans: dict[RangeKind, list[tuple[str, str, str]]] = {}
        for account_id, each in ranges:
            self._limited.add((account_id, each.kind))
            if each.kind is RangeKind.NAI:
                self._realms[each.first] = account_id
            else:
                spans.setdefault(each.kind, []).append((each.first, each.beyond, account_id))
        self._firsts: dict[RangeKind, list[str]] = {}
        self._spans: dict[RangeKind, list[tuple[str, str, str]]] = {}
        for kind, found in spans.items():
            merged: list[tuple[str, str, str]] = []
            for first, beyond, account_id in sorted(found):
                if merged and merged[-1][2] == account_id and first < merged[-1][1]:
                    merged[-1] = (merged[-1][0], max(merged[-1][1], beyond), account_id)
                else:
                    merged.append((first, beyond, account_id))
            self._spans[kind] = merged
            self._firsts[kind] = [first for first, _, _ in merged]

    def __bool__(self) -> bool:
        return bool(self._limited)

    def owner(self, kind: str, value: str) -> str | None:
        """The account whose range holds this identifier in canonical form; None: nobody's."""
        of = RangeKind(kind)
        if of is RangeKind.NAI:
            return self._realms.get(value.rpartition("@")[2])
        number = value.removeprefix("+")
        at = bisect_right(self._firsts.get(of, []), number) - 1
        if at < 0:
            return None
        _, beyond, account_id = self._spans[of][at]
        return account_id if number < beyond else None

    def limits(self, account_id: str, kind: str) -> bool:
        """Whether the account has ranges of this kind at all."""
        return (account_id, RangeKind(kind)) in self._limited

    def outside(self, account_id: str, names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of these identifiers (kind, value): those that lie in no range of the account."""
        return [(kind, value) for kind, value in names if self.owner(kind, value) != account_id]
