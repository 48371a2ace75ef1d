"""Radio access of a session, by the words of 3GPP TS 29.571 5.4.3.2, and its generation of mobile network. Pure."""

from __future__ import annotations

_BY_NUMBER = {
    1: "UTRA",
    2: "GERA",
    3: "WLAN",
    4: "GAN",
    5: "UTRA",  # HSPA evolution
    6: "EUTRA",
    7: "VIRTUAL",
    8: "NBIOT",
    9: "LTE-M",
    10: "NR",  # as in TS 29.274 8.17
    51: "NR",
    52: "NR_U",
    53: "TRUSTED_WLAN",
    54: "TRUSTED_N3GA",
    55: "WIRELINE",
    56: "WIRELINE_CABLE",
    57: "WIRELINE_BBF",
}
_GENERATIONS = {
    "GERA": "2G",
    "UTRA": "3G",
    "EUTRA": "4G",
    "EUTRA_U": "4G",
    "NBIOT": "4G",
    "LTE-M": "4G",
    "NR": "5G",
    "NR_U": "5G",
    "NR_REDCAP": "5G",
}


def radio_of(number: int) -> str | None:
    """What 3GPP-RAT-Type says (TS 29.061 16.4.7.2, attribute 21); None for a number that means none of 3GPP's."""
    return _BY_NUMBER.get(number)


def generation_of(radio: str | None) -> str | None:
    """`2G`, `3G`, `4G` or `5G`; None for fixed lines, WLAN, satellites' own radios and what is not known."""
    return _GENERATIONS.get(radio or "")
