"""GSUP, by which MSC and SGSN speak with an HLR, in frames of the IPA multiplex over TCP. Without input or output.

An IPA frame: its length in two octets, a protocol, and so many octets. Protocol 0xFE is the link itself (who are you,
are you there); 0xEE with the extension 0x05 is GSUP: a message type, then information elements of tag, length and
value, an IMSI first. What a decoder cannot read is an error or is left out, never guessed.
"""

from __future__ import annotations

import enum
import struct

import msgspec

from simwarden.domain.errors import InvalidIdentifier
from simwarden.domain.identifiers import parse_imei

HEADER = struct.Struct("!HB")
LONGEST = 8192
"""Octets of a frame. A GSUP message has some hundred; one with a SMS and five vectors below 1000."""
LINK, OSMO = 0xFE, 0xEE
GSUP = 0x05
"""The extension of OSMO that is GSUP."""


class LinkMessage(enum.IntEnum):
    """What is said about the link itself."""

    PING = 0x00
    PONG = 0x01
    ID_GET = 0x04
    ID_RESP = 0x05
    ID_ACK = 0x06


class MessageType(enum.IntEnum):
    """Those that are of interest here. Request, error and result of a procedure are numbered one behind the other."""

    UPDATE_LOCATION_REQUEST = 0x04
    UPDATE_LOCATION_ERROR = 0x05
    UPDATE_LOCATION_RESULT = 0x06
    INSERT_DATA_REQUEST = 0x10
    INSERT_DATA_RESULT = 0x12
    DELETE_DATA_REQUEST = 0x14
    DELETE_DATA_ERROR = 0x15
    DELETE_DATA_RESULT = 0x16
    LOCATION_CANCEL_REQUEST = 0x1C
    LOCATION_CANCEL_ERROR = 0x1D
    LOCATION_CANCEL_RESULT = 0x1E
    CHECK_IMEI_REQUEST = 0x30
    CHECK_IMEI_ERROR = 0x31
    CHECK_IMEI_RESULT = 0x32


class ElementTag(enum.IntEnum):
    """Information elements."""

    IMSI = 0x01
    CAUSE = 0x02
    CANCEL_TYPE = 0x06
    CN_DOMAIN = 0x28
    IMEI = 0x50
    IMEI_RESULT = 0x51


class Domain(enum.IntEnum):
    """The value of CN_DOMAIN."""

    PACKET = 1
    CIRCUIT = 2


ACK, NACK = b"\x00", b"\x01"
"""Values of IMEI_RESULT."""
WITHDRAW = b"\x01"
"""Value of CANCEL_TYPE: the subscription is withdrawn, the device is to be detached (TS 29.002 7.6.3.52)."""
CONGESTION = b"\x16"
"""Value of CAUSE (TS 24.008 10.5.3.6)."""
NETWORK_FAILURE = b"\x11"


class NotGsup(Exception):
    """These octets are no frame, or no message."""


class Frame(msgspec.Struct, frozen=True):
    """One frame of the multiplex."""

    protocol: int
    payload: bytes

    @property
    def raw(self) -> bytes:
        """The octets that it is on the wire."""
        return HEADER.pack(len(self.payload), self.protocol) + self.payload

    @property
    def link(self) -> int | None:
        """The type of a message about the link; None of any other frame."""
        return self.payload[0] if self.protocol == LINK and self.payload else None

    @property
    def is_gsup(self) -> bool:
        """Whether it carries a GSUP message."""
        return self.protocol == OSMO and self.payload[:1] == bytes([GSUP])


class Message(msgspec.Struct, frozen=True):
    """A GSUP message: its type and information elements. Where one comes twice the first counts."""

    type: int
    elements: dict[int, bytes]

    @property
    def imsi(self) -> str | None:
        """Whom it is about; None when that cannot be read."""
        digits = digits_of(self.elements.get(ElementTag.IMSI, b""))
        return digits if digits is not None and 6 <= len(digits) <= 15 else None

    @property
    def imei(self) -> str | None:
        """14 digits; None when there is none that can be read."""
        value = self.elements.get(ElementTag.IMEI, b"")
        if len(value) < 2 or value[0] != len(value) - 1:
            return None
        digits = digits_of(value[1:])
        try:
            return None if digits is None else parse_imei(digits).key
        except InvalidIdentifier:
            return None

    @property
    def domain(self) -> Domain:
        """Which service it is about. Without the element packet switched is meant, as libosmocore has it."""
        value = self.elements.get(ElementTag.CN_DOMAIN)
        return Domain.CIRCUIT if value == bytes([Domain.CIRCUIT]) else Domain.PACKET


class FrameCutter:
    """Cuts a stream into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def waiting(self) -> int:
        """Octets of a frame that has begun."""
        return len(self._data)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. Raises NotGsup for one that is too long; then nothing more can be read."""
        self._data += data
        frames, at = [], 0
        while len(self._data) - at >= HEADER.size:
            length, protocol = HEADER.unpack_from(self._data, at)
            if length > LONGEST:
                raise NotGsup(f"a frame of {length} octets")
            end = at + HEADER.size + length
            if len(self._data) < end:
                break
            frames.append(Frame(protocol, bytes(self._data[at + HEADER.size : end])))
            at = end
        del self._data[:at]
        return frames


def decode(payload: bytes) -> Message:
    """The message in the payload of a GSUP frame. Raises NotGsup."""
    if len(payload) < 2 or payload[0] != GSUP:
        raise NotGsup("no message type")
    elements: dict[int, bytes] = {}
    at = 2
    while at < len(payload):
        if at + 2 > len(payload) or at + 2 + payload[at + 1] > len(payload):
            raise NotGsup("an information element that ends behind its message")
        elements.setdefault(payload[at], payload[at + 2 : at + 2 + payload[at + 1]])
        at += 2 + payload[at + 1]
    return Message(payload[1], elements)


def encode(type_: int, imsi: str, *elements: tuple[int, bytes]) -> bytes:
    """A whole frame."""
    body = bytes([GSUP, type_]) + element(ElementTag.IMSI, bcd(imsi))
    return Frame(OSMO, body + b"".join(element(*each) for each in elements)).raw


def link(type_: int, body: bytes = b"") -> bytes:
    """A whole frame about the link."""
    return Frame(LINK, bytes([type_]) + body).raw


def identity(name: str) -> bytes:
    """The answer to ID_GET, as libosmo-gsup-client makes it: unit name (1) and serial number (0) are the name."""
    parts = {
        0x08: "0/0/0",
        0x07: "00:00:00:00:00:00",
        0x02: "simwarden",
        0x03: "",
        0x04: "",
        0x05: "",
        0x01: name,
        0x00: name,
    }
    body = b""
    for tag, text in parts.items():
        value = text.encode() + b"\x00"
        body += HEADER.pack(len(value) + 1, tag) + value
    return link(LinkMessage.ID_RESP, body)


def name_of(frame: Frame) -> str | None:
    """The name that a peer gives itself in ID_RESP: its serial number, as osmo-hlr takes it, else its unit name."""
    if frame.link != LinkMessage.ID_RESP:
        return None
    found: dict[int, bytes] = {}
    data, at = frame.payload, 1
    while at + HEADER.size <= len(data):
        length, tag = HEADER.unpack_from(data, at)
        if length < 1 or at + 2 + length > len(data):
            break
        found.setdefault(tag, data[at + 3 : at + 2 + length].rstrip(b"\x00"))
        at += 2 + length
    name = found.get(0x00) or found.get(0x01) or b""
    text = name.decode("ascii", "replace")
    return text if 0 < len(text) <= 64 and text.isprintable() else None


def element(tag: int, value: bytes) -> bytes:
    """ElementTag, length and value."""
    return bytes([tag, len(value)]) + value


def bcd(digits: str) -> bytes:
    """Digits two to an octet, the first in the lower half; an odd number is filled up (TS 29.002, TBCD-STRING)."""
    if len(digits) % 2:
        digits += "f"
    return bytes(int(high, 16) << 4 | int(low, 16) for low, high in zip(digits[::2], digits[1::2], strict=True))


def digits_of(data: bytes) -> str | None:
    """The same the other way round; None for what is no digit."""
    text = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in data)
    text = text.removesuffix("f")
    return text if text.isdecimal() else None
