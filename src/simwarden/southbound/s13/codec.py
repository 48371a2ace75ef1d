"""Diameter messages (RFC 6733 sections 3 and 4) as bytes and as values. No I/O."""

from __future__ import annotations

import struct

import msgspec

HEADER = 20
LONGEST = 16_384
"""Octets of a message. A check has about 300."""
REQUEST, PROXIABLE, ERROR = 0x80, 0x40, 0x20
VENDOR, MANDATORY = 0x80, 0x40
TGPP = 10415
"""3GPP's vendor id."""
_VERSION = 1
_HEAD = struct.Struct("!IIIII")
_AVP = struct.Struct("!II")


class MalformedMessage(ValueError):
    """It cannot be taken apart. `result`: the Result-Code that says so."""

    def __init__(self, text: str, result: int) -> None:
        super().__init__(text)
        self.result = result


class Avp(msgspec.Struct, frozen=True):
    """One attribute-value pair."""

    code: int
    data: bytes
    vendor: int = 0
    flags: int = MANDATORY
    """Beside VENDOR, which follows from the vendor."""

    @property
    def octets(self) -> bytes:
        """As it is sent, padded."""
        flags = self.flags & ~VENDOR | (VENDOR if self.vendor else 0)
        vendor = struct.pack("!I", self.vendor) if self.vendor else b""
        length = _AVP.size + len(vendor) + len(self.data)
        return _AVP.pack(self.code, flags << 24 | length) + vendor + self.data + bytes(-length % 4)


class MessageHead(msgspec.Struct, frozen=True):
    """What stands before the AVPs of a message."""

    length: int
    flags: int
    command: int
    application: int
    hop_by_hop: int
    end_to_end: int

    @property
    def is_request(self) -> bool:
        """Else it is an answer."""
        return bool(self.flags & REQUEST)


class DiameterMessage(msgspec.Struct, frozen=True):
    """One message."""

    head: MessageHead
    avps: tuple[Avp, ...]

    def first(self, code: int, vendor: int = 0) -> Avp | None:
        """The first AVP of this kind."""
        return next((each for each in self.avps if each.code == code and each.vendor == vendor), None)


def read_head(data: bytes) -> MessageHead:
    """The first HEADER octets. Raises MalformedMessage where no end of the message can be told."""
    first, second, application, hop, end = _HEAD.unpack_from(data)
    length = first & 0xFFFFFF
    if first >> 24 != _VERSION:
        raise MalformedMessage("version", 5011)
    if length % 4 or not HEADER <= length <= LONGEST:
        raise MalformedMessage("length", 5015)
    return MessageHead(length, second >> 24, second & 0xFFFFFF, application, hop, end)


def read_avps(data: bytes, start: int = 0) -> tuple[Avp, ...]:
    """AVPs one after the other, to the end. Raises MalformedMessage."""
    found = []
    at, end = start, len(data)
    while at < end:
        if end - at < _AVP.size:
            raise MalformedMessage("avp", 5014)
        code, second = _AVP.unpack_from(data, at)
        flags, length = second >> 24, second & 0xFFFFFF
        begins = at + _AVP.size + (4 if flags & VENDOR else 0)
        if at + length > end or begins > at + length:
            raise MalformedMessage("avp", 5014)
        vendor = struct.unpack_from("!I", data, at + _AVP.size)[0] if flags & VENDOR else 0
        found.append(Avp(code, data[begins : at + length], vendor, flags & ~VENDOR))
        at += length + -length % 4
    return tuple(found)


def write(flags: int, command: int, application: int, ids: tuple[int, int], avps: tuple[Avp, ...]) -> bytes:
    """A message as it is sent. `ids`: hop-by-hop and end-to-end."""
    body = b"".join(avp.octets for avp in avps)
    return _HEAD.pack(_VERSION << 24 | HEADER + len(body), flags << 24 | command, application, *ids) + body


def number(code: int, value: int, vendor: int = 0) -> Avp:
    """An AVP of the type Unsigned32 or Enumerated."""
    return Avp(code, struct.pack("!I", value), vendor)


def group(code: int, *avps: Avp, vendor: int = 0) -> Avp:
    """An AVP of the type Grouped."""
    return Avp(code, b"".join(avp.octets for avp in avps), vendor)
