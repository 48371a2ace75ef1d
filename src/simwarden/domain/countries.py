"""How phone numbers are dialled at home: country calling codes and prefixes (ITU-T E.164, E.123)."""

from __future__ import annotations

import re

import msgspec

from simwarden.domain.errors import InvalidValue

CALLING_CODES = {
    "AE": "971",
    "AR": "54",
    "AT": "43",
    "AU": "61",
    "BD": "880",
    "BE": "32",
    "BG": "359",
    "BR": "55",
    "CA": "1",
    "CH": "41",
    "CL": "56",
    "CN": "86",
    "CO": "57",
    "CY": "357",
    "CZ": "420",
    "DE": "49",
    "DK": "45",
    "DZ": "213",
    "EC": "593",
    "EE": "372",
    "EG": "20",
    "ES": "34",
    "ET": "251",
    "FI": "358",
    "FR": "33",
    "GB": "44",
    "GH": "233",
    "GR": "30",
    "HK": "852",
    "HR": "385",
    "HU": "36",
    "ID": "62",
    "IE": "353",
    "IL": "972",
    "IN": "91",
    "IQ": "964",
    "IR": "98",
    "IS": "354",
    "IT": "39",
    "JO": "962",
    "JP": "81",
    "KE": "254",
    "KR": "82",
    "KW": "965",
    "KZ": "7",
    "LB": "961",
    "LK": "94",
    "LT": "370",
    "LU": "352",
    "LV": "371",
    "MA": "212",
    "MO": "853",
    "MT": "356",
    "MX": "52",
    "MY": "60",
    "NG": "234",
    "NL": "31",
    "NO": "47",
    "NZ": "64",
    "OM": "968",
    "PE": "51",
    "PH": "63",
    "PK": "92",
    "PL": "48",
    "PT": "351",
    "QA": "974",
    "RO": "40",
    "RS": "381",
    "RU": "7",
    "SA": "966",
    "SE": "46",
    "SG": "65",
    "SI": "386",
    "SK": "421",
    "TH": "66",
    "TN": "216",
    "TR": "90",
    "TW": "886",
    "TZ": "255",
    "UA": "380",
    "US": "1",
    "UY": "598",
    "VE": "58",
    "VN": "84",
    "ZA": "27",
}
"""ISO 3166 code to calling code, for those that can be named by their letters."""
_TRUNKS = {
    "1": "1",
    "7": "8",
    "36": "06",
    **dict.fromkeys(("30", "34", "39", "45", "47", "48", "52", "65", "216", "351", "352", "354", "356"), ""),
    **dict.fromkeys(("357", "370", "371", "372", "420", "852", "853", "965", "968", "974", "57"), ""),
}
"""What is dialled before a national number, where it is not 0."""
_WITH_CODE = 11
"""Digits from which on a number that begins with the home country's code is taken to be written with it."""
_CODE = re.compile(r"\+?[1-9][0-9]{0,2}")


class InvalidCountry(InvalidValue):
    """This is not a country."""


class Country(msgspec.Struct, frozen=True):
    """A country by its calling code."""

    code: str

    def international(self, number: str) -> str:
        """A number without blanks, as it is dialled here, with plus sign and country code."""
        if number.startswith("+"):
            return number
        abroad = "011" if self.code == "1" else "00"
        if number.startswith(abroad):
            return "+" + number[len(abroad) :]
        if self.reads_with_code(number):
            return "+" + number
        return f"+{self.code}{number.removeprefix(_TRUNKS.get(self.code, '0'))}"

    def reads_with_code(self, number: str) -> bool:
        """Whether a number without plus sign is taken to be written with this country's code."""
        return number.startswith(self.code) and len(number) >= _WITH_CODE


def parse_country(text: str) -> Country:
    """A country by its ISO 3166 code (CN) or its calling code (86, +86). Raises InvalidCountry."""
    plain = text.strip()
    if _CODE.fullmatch(plain):
        return Country(plain.removeprefix("+"))
    code = CALLING_CODES.get(plain.upper())
    if code is None:
        raise InvalidCountry(f"{text[:20]!r} is no country: give a code such as CN, or a calling code such as 86")
    return Country(code)
