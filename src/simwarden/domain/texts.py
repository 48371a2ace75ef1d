"""Texts of short messages: alphabets, how many messages a text takes, its first word, words that opt out. Pure.

3GPP TS 23.038 6.2.1 has the alphabet of 7 bits and its extension; TS 23.040 9.2.3.24 takes 6 bytes of each part for the
header that joins long messages.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The alphabet of 7 bits, each character at its code; 0x1B announces one of the extension."""
EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
"""Characters that take two places, with the code of the second one."""
ESCAPE = "\x1b"
_SEPTETS = 160, 153
_UNITS = 70, 67
"""Places of a message that is whole, and of a part of one."""
KEYWORD = 30
"""Most characters of a keyword."""


class Encoding(enum.StrEnum):
    """In which alphabet a message travels."""

    GSM7 = "GSM7"
    UCS2 = "UCS2"
    BINARY = "BINARY"
    UNKNOWN = "UNKNOWN"


class OptOut(enum.StrEnum):
    """What a message of one word asks for."""

    STOP = "STOP"
    START = "START"
    HELP = "HELP"


class Segment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a carrier says of a message beyond its text."""

    encoding: Encoding | None = None
    """None: it does not tell."""
    binary: bytes | None = None
    """The user data of a message that is no text, without its header."""
    udh: bytes | None = None
    """The user data header (TS 23.040 9.2.3.24), without its length; not of long messages that were joined."""
    parts: int | None = None
    """How many messages of the network it came in."""
    partial: bool = False
    """Some of them never came."""
    sent_at: datetime | None = None
    """The message centre's own time stamp."""
    uplink: bool = False
    """The SIM sent it, to the platform: what a customer receives of it is its own."""


STOP_WORDS = frozenset(
    {
        *(
            "ARRET",
            "CANCEL",
            "END",
            "OPT-OUT",
            "OPTOUT",
            "QUIT",
            "REMOVE",
            "REVOKE",
            "STOP",
            "STOP ALL",
            "STOPALL",
            "TD",
        ),
        "UNSUBSCRIBE",
    }
)
"""Words that opt out where an account has none of its own: those of AWS, Telnyx and Twilio."""
START_WORDS = frozenset({"START", "UNSTOP"})
HELP_WORDS = frozenset({"HELP"})


def encoding_of(text: str) -> Encoding:
    """The smaller of the two alphabets that a text can be sent in."""
    return Encoding.GSM7 if all(_septets(each) for each in text) else Encoding.UCS2


def parts_of(text: str) -> list[str]:
    """A text as it is cut into messages; one that is empty takes one. No character is cut, also none of two places."""
    if encoding_of(text) is Encoding.GSM7:
        return _cut(text, _septets, *_SEPTETS)
    return _cut(text, lambda each: 1 if ord(each) < 0x10000 else 2, *_UNITS)


def _septets(character: str) -> int:
    """Places of a character in the alphabet of 7 bits; 0: it has none."""
    if character in EXTENSION:
        return 2
    return 1 if character in BASIC and character != ESCAPE else 0


def _cut(text: str, places: Callable[[str], int], whole: int, part: int) -> list[str]:
    sizes = [places(each) for each in text]
    if sum(sizes) <= whole:
        return [text]
    found, begin, used = [], 0, 0
    for at, size in enumerate(sizes):
        if used + size > part:
            found.append(text[begin:at])
            begin, used = at, 0
        used += size
    return [*found, text[begin:]]


def keyword_of(text: str) -> str | None:
    """The first word; None where there is none, or a longer one than a keyword may be."""
    words = text.split(maxsplit=1)
    return words[0] if words and len(words[0]) <= KEYWORD else None


def opt_out_of(text: str, stop: Collection[str] = STOP_WORDS) -> OptOut | None:
    """What a text asks for that is one of the words, whole but for blanks around it; upper and lower case count alike.

    `stop`: words that opt out, in upper case.
    """
    word = text.strip().upper()
    for words, meaning in ((stop, OptOut.STOP), (START_WORDS, OptOut.START), (HELP_WORDS, OptOut.HELP)):
        if word in words:
            return meaning
    return None
