"""Packets of a known form are read as `codec.decode` reads them, or not at all."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from simwarden.southbound.radius import codec
from simwarden.southbound.radius.codec import Attribute, Code, InvalidPacket, Vendor3gpp
from simwarden.southbound.radius.shapes import PacketShape, PacketShapes

INTERIM = codec.encode_request(
    Code.ACCOUNTING_REQUEST,
    7,
    [
        codec.integer(Attribute.ACCT_STATUS_TYPE, 3),
        codec.attribute(Attribute.CLASS, b""),
        codec.attribute(Attribute.CLASS, b"second"),
        codec.attribute(26, struct.pack("!I", 9) + b"of another vendor"),
        codec.vendor_attribute(Vendor3gpp.IMSI, b"460000990123698"),
        codec.attribute(26, struct.pack("!I", codec.VENDOR_3GPP) + b"\x15\x03\x06\x01\x03\x00\x12\x02"),
    ],
    b"secret",
)


def attributes() -> st.SearchStrategy[bytes]:
    """Encoded ones, of few types and lengths, so that many are alike."""
    values = st.binary(max_size=3)
    plain = st.builds(codec.attribute, st.sampled_from([1, 25, 33, 44]), values)
    nested = st.lists(st.builds(codec.attribute, st.sampled_from([1, 20, 22]), values), max_size=3).map(b"".join)
    vendor = st.builds(struct.pack, st.just("!I"), st.sampled_from([codec.VENDOR_3GPP, 9]))
    return st.lists(plain | st.builds(lambda who, what: codec.attribute(26, who + what), vendor, nested)).map(b"".join)


def packet(body: bytes, identifier: int = 1) -> bytes:
    return struct.pack("!BBH", 4, identifier, 20 + len(body)) + bytes(range(16)) + body


@given(attributes(), attributes(), st.data())
def test_what_is_read_is_what_the_codec_reads(body: bytes, other: bytes, data: st.DataObject) -> None:
    first = packet(body)
    shape = PacketShape(first)
    assert shape.read(first) == codec.decode(first)
    changed = bytearray(first)
    changed[data.draw(st.integers(0, len(first) - 1))] = data.draw(st.integers(0, 255))
    alike = packet(other, 2)
    for octets in [bytes(changed), *([alike] if len(alike) == len(first) else [])]:
        read = shape.read(octets)
        try:
            assert read in (None, codec.decode(octets))
        except InvalidPacket:
            assert read is None


def test_whichever_octet_is_another_it_is_read_alike_or_not_at_all() -> None:
    shape, found = PacketShape(INTERIM), 0
    for at, octet in enumerate(INTERIM):
        for other in {octet ^ 1, octet ^ 2, octet ^ 128, 0, 255} - {octet}:
            changed = INTERIM[:at] + bytes([other]) + INTERIM[at + 1 :]
            read = shape.read(changed)
            if read is not None:
                found += 1
                assert read == codec.decode(changed)
    assert found > 100


def test_a_sender_has_one_form_of_each_length_and_no_other_has_it() -> None:
    shapes = PacketShapes(most=2)
    assert shapes.read(1, INTERIM) is None
    shapes.learn(1, codec.decode(INTERIM))
    assert shapes.read(1, INTERIM) == codec.decode(INTERIM)
    assert shapes.read(2, INTERIM) is None
    shapes.learn(1, codec.decode(packet(b"")))
    shapes.learn(2, codec.decode(INTERIM))  # there is room for two: those before are forgotten
    assert shapes.read(1, INTERIM) is None
    assert shapes.read(2, INTERIM) is not None
