"""What a message of SMPP says: alphabets, the user data header, parts of long messages, receipts. No I/O.

3GPP TS 23.038 has the alphabets, TS 23.040 9.2.3.24 the header, SMPP 3.4 5.2.19 data_coding and appendix B receipts.
"""

from __future__ import annotations

import re

import msgspec

from simwarden.domain.texts import BASIC, ESCAPE, EXTENSION, Encoding, Segment, encoding_of, parts_of
from simwarden.southbound.smpp.codec import ProtocolError, ShortMessage, Tag

_EXTENDED = {code: character for character, code in EXTENSION.items()}
_SEVEN, _ASCII, _LATIN, _UCS2 = 0, 1, 3, 8
_RECEIPT = re.compile(r"\bstat:\s*([A-Za-z]+)", re.IGNORECASE)
_STATES = {"DELIVRD": 0, "ACCEPTD": 0x20, "ENROUTE": 0x20, "UNKNOWN": 0x20}
"""TP-CommandStatus of what a receipt says; all others are failures for good."""
_FAILED = 0x46


class Piece(msgspec.Struct, frozen=True):
    """A message, or one part of a long one."""

    data_coding: int
    payload: bytes
    """The user data without its header."""
    udh: bytes | None = None
    reference: int | None = None
    """What the parts of one long message have in common; None: it is whole."""
    total: int = 1
    part: int = 1


def piece(message: ShortMessage) -> Piece:
    """What is in a message. Raises ProtocolError for a header that breaks off."""
    payload, udh = message.message, None
    if message.has_header:
        length = payload[0] if payload else 0
        if len(payload) <= length:
            raise ProtocolError("A user data header that breaks off")
        udh, payload = payload[1 : length + 1], payload[length + 1 :]
    joined = _of_header(udh) if udh else _of_options(message.options)
    if joined is None:
        return Piece(message.data_coding, payload, udh)
    return Piece(message.data_coding, payload, None, *joined)


def read(pieces: list[Piece]) -> tuple[str | None, Segment]:
    """The text of a message of one or more parts, in their order; None where it is none."""
    first = pieces[0]
    payload = b"".join(each.payload for each in pieces)
    partial = len(pieces) < first.total
    kind = first.data_coding
    if kind & 0xF0 == 0xF0:  # message class (TS 23.038 clause 4)
        kind = 4 if kind & 0x04 else _SEVEN
    elif kind & 0xC0 == 0:
        kind &= 0x0F
    text, encoding = None, Encoding.BINARY
    if kind == _SEVEN:
        text, encoding = seven_bit(payload), Encoding.GSM7
    elif kind in (_ASCII, _LATIN):
        text, encoding = payload.decode("latin-1"), Encoding.GSM7 if kind == _ASCII else Encoding.UNKNOWN
    elif kind == _UCS2:
        text, encoding = payload.decode("utf-16-be", "replace"), Encoding.UCS2
    parts = first.total if first.reference is not None else None
    if text is not None:
        return text.replace("\0", ""), Segment(encoding=encoding, parts=parts, partial=partial)
    return None, Segment(encoding=encoding, binary=payload, udh=first.udh, parts=parts or 1, partial=partial)


def seven_bit(payload: bytes) -> str:
    """The default alphabet, one character in each byte. Message centres that send Latin-1 instead show it by higher
    ones."""
    if any(byte > 0x7F for byte in payload):
        return payload.decode("latin-1")
    text, escaped = [], False
    for byte in payload:
        if escaped:
            text.append(_EXTENDED.get(byte, BASIC[byte]))
            escaped = False
        elif BASIC[byte] == ESCAPE:
            escaped = True
        else:
            text.append(BASIC[byte])
    return "".join(text)


def pack(text: str, reference: int) -> list[tuple[int, int, bytes]]:
    """A text as messages to submit: esm_class, data_coding and user data of each."""
    encoding, parts = encoding_of(text), parts_of(text)
    coding = _SEVEN if encoding is Encoding.GSM7 else _UCS2
    packed = [_eight(part) if coding == _SEVEN else part.encode("utf-16-be") for part in parts]
    if len(packed) == 1:
        return [(0, coding, packed[0])]
    header = bytes((5, 0, 3, reference & 0xFF, len(packed)))
    return [(0x40, coding, header + bytes((n,)) + data) for n, data in enumerate(packed, 1)]


def receipt_status(message: ShortMessage) -> int | None:
    """What a receipt says of a message, as TP-CommandStatus; None: nothing that can be read."""
    state = message.options.get(Tag.MESSAGE_STATE)
    if state:
        return {1: 0x20, 2: 0, 6: 0x20, 7: 0x20}.get(state[0], _FAILED)
    found = _RECEIPT.search(message.message.decode("latin-1"))
    return None if found is None else _STATES.get(found[1].upper(), _FAILED)


def _eight(text: str) -> bytes:
    return b"".join(
        bytes((0x1B, EXTENSION[each])) if each in EXTENSION else bytes((BASIC.index(each),)) for each in text
    )


def _of_header(udh: bytes) -> tuple[int, int, int] | None:
    """Reference, total and part of the concatenation element, 00 or 08."""
    at = 0
    while at + 2 <= len(udh):
        element, length = udh[at], udh[at + 1]
        data = udh[at + 2 : at + 2 + length]
        if len(data) < length:
            raise ProtocolError("An element of a user data header that breaks off")
        if element == 0x00 and length == 3:
            return _checked(data[0], data[1], data[2])
        if element == 0x08 and length == 4:
            return _checked(data[0] << 8 | data[1], data[2], data[3])
        at += 2 + length
    return None


def _of_options(options: dict[int, bytes]) -> tuple[int, int, int] | None:
    found = [options.get(tag) for tag in (Tag.SAR_REFERENCE, Tag.SAR_TOTAL, Tag.SAR_PART)]
    if not all(found):
        return None
    reference, total, part = (int.from_bytes(value or b"", "big") for value in found)
    return _checked(reference, total, part)


def _checked(reference: int, total: int, part: int) -> tuple[int, int, int] | None:
    """None where the numbers cannot be: the message is taken as a whole one (TS 23.040 9.2.3.24.1)."""
    return (reference, total, part) if 1 <= part <= total <= 255 and total > 1 else None
