"""Identifiers of SIMs and devices: read what people and networks write, refuse what cannot be one.

3GPP TS 23.003 defines IMSI (clause 2.2), MSISDN (3.3) and IMEI/IMEISV (6.2); ITU-T E.118 the ICCID; 3GPP TS 29.571
the `imei-`/`imeisv-` prefixes of a PEI.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

import msgspec

from simwarden.domain.countries import Country
from simwarden.domain.errors import InvalidIdentifier

BUCKETS = 256
"""Parts into which rows are sharded, by `bucket_of` their key."""
ALL_BUCKETS = list(range(BUCKETS))
"""For statements that look at every bucket."""
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_NOISE = re.compile(r"[\s\-./]")
_ICCID = re.compile(r"89[0-9]{16,20}")
_MSISDN = re.compile(r"\+?[1-9][0-9]{4,14}")
_APN = re.compile(r"(?=.{1,100}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_NAI = re.compile(r"[^@\s\x00-\x1f]{1,255}@[^@\s\x00-\x1f]{1,253}")


class Imei(msgspec.Struct, frozen=True):
    """A device identity, reduced to what is compared: TAC (8 digits) and serial number (6 digits)."""

    key: str
    """The 14 digits that identify the device (TS 23.003 6.2.1 without check digit)."""
    software_version: str | None = None
    """The two digits that an IMEISV carries behind the 14 (TS 23.003 6.2.2)."""
    luhn_valid: bool | None = None
    """Whether the 15th digit is the right check digit; None when none was given. Reported, never enforced."""

    @property
    def tac(self) -> str:
        """Type Allocation Code: the device model, 8 digits."""
        return self.key[:8]

    @property
    def full(self) -> str:
        """The 15 digit form with the computed check digit, as people and CAMARA write it."""
        return self.key + luhn_digit(self.key)


def luhn_digit(digits: str) -> str:
    """The check digit for `digits`, as IMEIs (TS 23.003 annex B) and ICCIDs (ITU-T E.118) have it."""
    plain = digits.encode("ascii")[::-1]
    total = sum(plain[::2].translate(_DOUBLED)) + sum(plain[1::2]) - 48 * len(plain)
    return str(-total % 10)


def parse_imei(text: str) -> Imei:
    """Read an IMEI of 14 or 15 digits or an IMEISV of 16.

    Blanks and hyphens are dropped, as are the prefixes `imei-` and `imeisv-` of a PEI (TS 29.571 5.4.2).
    Raises InvalidIdentifier for anything else, an all-zero value included (devices send it for "none").
    """
    plain = text.strip().lower()
    wanted: tuple[int, ...] = (14, 15, 16)
    for prefix, lengths in (("imeisv-", (16,)), ("imei-", (14, 15))):
        if plain.startswith(prefix):
            plain, wanted = plain[len(prefix) :], lengths
            break
    digits = _NOISE.sub("", plain)
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in wanted:
        raise InvalidIdentifier(f"An IMEI has 14 or 15 digits, an IMEISV 16; this has not: {text[:40]!r}")
    if not digits.strip("0"):
        raise InvalidIdentifier("An IMEI of zeros identifies no device")
    if len(digits) == 15:
        return Imei(digits[:14], luhn_valid=luhn_digit(digits[:14]) == digits[14])
    return Imei(digits[:14], software_version=digits[14:] or None)


def full_imei(key: str) -> str:
    """The 15 digit form of a 14 digit IMEI key."""
    return key + luhn_digit(key)


def parse_tac(text: str) -> str:
    """A Type Allocation Code: 8 digits. Raises InvalidIdentifier."""
    digits = _NOISE.sub("", text.strip())
    if not (digits.isascii() and digits.isdigit()) or len(digits) != 8:
        raise InvalidIdentifier(f"A TAC has 8 digits; this has not: {text[:40]!r}")
    return digits


def parse_imsi(text: str) -> str:
    """An IMSI: 6 to 15 digits, MCC first (TS 23.003 2.2). Raises InvalidIdentifier."""
    digits = text.strip()
    if digits.lower().startswith("imsi-"):
        digits = digits[5:]
    if not (digits.isascii() and digits.isdigit()) or not 6 <= len(digits) <= 15:
        raise InvalidIdentifier(f"An IMSI has 6 to 15 digits; this has not: {text[:40]!r}")
    return digits


def parse_iccid(text: str) -> str:
    """An ICCID: 18 to 22 digits beginning with 89 (ITU-T E.118); a filler F is dropped. Raises InvalidIdentifier."""
    if _ICCID.fullmatch(text):
        return text
    digits = _NOISE.sub("", text.strip()).upper().rstrip("F")
    if not _ICCID.fullmatch(digits):
        raise InvalidIdentifier(f"An ICCID has 18 to 22 digits and begins with 89; this does not: {text[:40]!r}")
    return digits


def parse_msisdn(text: str, home: Country | None = None) -> str:
    """A phone number in E.164 form; returned with its plus sign. Raises InvalidIdentifier.

    `home`: the country of numbers that are written without a plus sign, as people dial them there.
    """
    plain = text if _MSISDN.fullmatch(text) else re.sub(r"[\s\-()]", "", text.strip())
    if home is not None:
        plain = home.international(plain)
    if not _MSISDN.fullmatch(plain):
        raise InvalidIdentifier(f"A phone number has 5 to 15 digits with its country code; this has not: {text[:40]!r}")
    return plain if plain.startswith("+") else f"+{plain}"


def parse_nai(text: str) -> str:
    """A network access identifier `user@realm` (RFC 7542). Raises InvalidIdentifier."""
    plain = text.strip()
    if not _NAI.fullmatch(plain):
        raise InvalidIdentifier(f"A network access identifier has the form user@realm; this has not: {text[:40]!r}")
    return plain.lower()


def parse_apn(text: str) -> str:
    """An access point name in lower case: labels of letters, digits and hyphens, at most 100 characters in all
    (3GPP TS 23.003 9.1). Raises InvalidIdentifier."""
    plain = text.strip().lower()
    if not _APN.fullmatch(plain):
        raise InvalidIdentifier(f"An access point name has 1 to 100 letters, digits, hyphens and dots: {text[:40]!r}")
    return plain


@lru_cache(maxsize=8192)  # a batch asks for each of its SIMs some ten times
def bucket_of(imsi: str) -> int:
    """The bucket (0 to 255) in which every row about this SIM lives: CRC-32 of the IMSI, lowest byte."""
    return zlib.crc32(imsi.encode("ascii")) & 0xFF
