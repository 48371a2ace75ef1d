"""The codec against packets that FreeRADIUS 3.2.1 took, against broken ones, and against anything at all."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.southbound.radius import codec
from simwarden.southbound.radius.codec import Attribute, Code, InvalidPacket, Vendor3gpp

SECRET = b"testing123"
ULI = bytes.fromhex("8264f000123464f00000012345")
DISCONNECT = bytes.fromhex(
    "2807006719b95f991aa272e350c8618ffe82ee2b501285e4ea03ccce4cfcd00f5f297f4a8f69010f383631333731353236363937382c1230"
    "4130423043304430303030303030311a17000028af01113436303030303939303132333639381a09000028af130301"
)
DISCONNECT_ACK = bytes.fromhex("29070014bc664706e92114fa3160b3cc2112f92f")
INTERIM = bytes.fromhex(
    "0409007c6d94318616efcbfa062b8d9e4d2042bd2806000000032c12304130423043304430303030303030312a06400000003406000000011a"
    "17000028af01113436303030303939303132333639381a18000028af1412333533363839353330373037393030311a15000028af160f8264f0"
    "00123464f00000012345"
)
ACCOUNTING_RESPONSE = bytes.fromhex("05090014ae8978ae1a12872a71f6d79708825889")


def packet(*attributes: bytes, length: int | None = None) -> bytes:
    body = b"".join(attributes)
    size = 20 + len(body) if length is None else length
    return bytes((4, 1)) + size.to_bytes(2, "big") + bytes(16) + body


def test_a_disconnect_request_as_freeradius_took_it() -> None:
    attributes = [
        codec.attribute(Attribute.USER_NAME, b"8613715266978"),
        codec.attribute(Attribute.ACCT_SESSION_ID, b"0A0B0C0D00000001"),
        codec.vendor_attribute(Vendor3gpp.IMSI, b"460000990123698"),
        codec.vendor_attribute(Vendor3gpp.TEARDOWN_INDICATOR, b"\x01"),
    ]
    assert codec.encode_request(Code.DISCONNECT_REQUEST, 7, attributes, SECRET) == DISCONNECT
    read = codec.decode(DISCONNECT)
    assert codec.is_authentic_request(read, SECRET)
    assert not codec.is_authentic_request(read, b"another")
    assert read.text(Attribute.USER_NAME) == "8613715266978"
    assert read.vendor[Vendor3gpp.IMSI] == b"460000990123698"
    assert codec.encode_response(Code.DISCONNECT_ACK, read, SECRET) == DISCONNECT_ACK
    assert codec.is_authentic_response(codec.decode(DISCONNECT_ACK), read.authenticator, SECRET)


def test_an_interim_update_as_freeradius_took_it() -> None:
    attributes = [
        codec.integer(Attribute.ACCT_STATUS_TYPE, 3),
        codec.attribute(Attribute.ACCT_SESSION_ID, b"0A0B0C0D00000001"),
        codec.integer(42, 1073741824),
        codec.integer(52, 1),
        codec.vendor_attribute(Vendor3gpp.IMSI, b"460000990123698"),
        codec.vendor_attribute(Vendor3gpp.IMEISV, b"3536895307079001"),
        codec.vendor_attribute(22, ULI),
    ]
    assert codec.encode_request(Code.ACCOUNTING_REQUEST, 9, attributes, SECRET, prove=False) == INTERIM
    read = codec.decode(INTERIM)
    assert codec.is_authentic_request(read, SECRET)
    assert (read.code, read.identifier) == (Code.ACCOUNTING_REQUEST, 9)
    assert read.integer(Attribute.ACCT_STATUS_TYPE) == 3
    assert read.vendor[22] == ULI
    assert read.vendor[Vendor3gpp.IMEISV] == b"3536895307079001"
    assert codec.encode_response(Code.ACCOUNTING_RESPONSE, read, SECRET) == ACCOUNTING_RESPONSE
    assert codec.is_authentic_response(codec.decode(ACCOUNTING_RESPONSE), read.authenticator, SECRET)


@pytest.mark.parametrize("at", range(len(INTERIM)))
def test_an_octet_that_was_changed_makes_a_packet_a_forged_one(at: int) -> None:
    forged = bytearray(INTERIM)
    forged[at] ^= 1
    try:
        read = codec.decode(bytes(forged))
    except InvalidPacket:
        return
    assert not codec.is_authentic_request(read, SECRET)


def test_the_proof_is_looked_at_where_it_stands() -> None:
    """A Message-Authenticator need not come first in what others send."""
    good = codec.decode(DISCONNECT)
    attributes = [codec.attribute(1, b"x"), codec.attribute(Attribute.MESSAGE_AUTHENTICATOR, bytes(16))]
    wrong = codec.decode(codec.encode_request(Code.DISCONNECT_REQUEST, 1, attributes, SECRET, prove=False))
    assert codec.is_authentic_request(good, SECRET)
    assert not codec.is_authentic_request(wrong, SECRET)
    short = [codec.attribute(Attribute.MESSAGE_AUTHENTICATOR, b"x")]
    assert not codec.is_authentic_request(
        codec.decode(codec.encode_request(Code.DISCONNECT_REQUEST, 1, short, SECRET, prove=False)), SECRET
    )


def test_an_answer_with_a_proof_is_bound_to_its_question() -> None:
    asked = codec.decode(DISCONNECT)
    answer = codec.encode_response(Code.DISCONNECT_NAK, asked, SECRET, [codec.integer(101, 503)], prove=True)
    read = codec.decode(answer)
    assert codec.is_authentic_response(read, asked.authenticator, SECRET)
    assert not codec.is_authentic_response(read, bytes(16), SECRET)
    assert not codec.is_authentic_response(read, asked.authenticator, b"another")
    assert read.integer(Attribute.ERROR_CAUSE) == 503


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "short"),
        (bytes(19), "short"),
        (packet(length=19), "length"),
        (packet(length=4097) + bytes(4097), "length"),
        (packet(length=21), "short"),
        (packet(b"\x01"), "attribute"),
        (packet(b"\x01\x00"), "attribute"),
        (packet(b"\x01\x01"), "attribute"),
        (packet(b"\x01\x04a"), "attribute"),
        (packet(b"\x1a\x05\x00\x00\x28"), "vendor"),
        (packet(b"\x1a\x07\x00\x00\x28\xaf\x01"), "vendor"),
        (packet(b"\x1a\x08\x00\x00\x28\xaf\x01\x01"), "vendor"),
        (packet(b"\x1a\x08\x00\x00\x28\xaf\x01\x03"), "vendor"),
        (packet(*[b"\x19\x02"] * 257), "too_many"),
        (packet(*[b"\x1a\xfe\x00\x00\x28\xaf" + b"\x01\x02" * 124] * 3), "too_many"),
    ],
)
def test_a_broken_packet_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidPacket) as refused:
        codec.decode(data)
    assert refused.value.reason == reason


def test_padding_is_cut_off_and_the_longest_packet_is_read() -> None:
    assert codec.decode(INTERIM + b"\0" * 9) == codec.decode(INTERIM)
    longest = packet(*[codec.attribute(25, bytes(253))] * 15, codec.attribute(25, bytes(249)))
    assert len(longest) == 4096
    assert codec.decode(longest).attributes[25] == bytes(253)
    with pytest.raises(ValueError, match="4097"):
        codec.encode_request(Code.ACCOUNTING_REQUEST, 1, [longest[20:], b"x"], SECRET, prove=False)


def test_other_vendors_are_left_alone_and_the_first_value_counts() -> None:
    read = codec.decode(packet(b"\x1a\x07\x00\x00\x00\x09\x63", codec.attribute(1, b"a"), codec.attribute(1, b"b")))
    assert read.attributes == {1: b"a"}
    assert read.vendor == {}


@pytest.mark.parametrize(("type_", "value"), [(44, b"a\0b"), (44, b"\xff"), (40, b"\x01"), (40, b"\0\0\0\0\1")])
def test_a_value_of_the_wrong_form_is_refused(type_: int, value: bytes) -> None:
    read = codec.decode(packet(codec.attribute(type_, value)))
    with pytest.raises(InvalidPacket) as refused:
        _ = read.text(type_) if type_ == 44 else read.integer(type_)
    assert refused.value.reason == "value"


def test_what_no_attribute_can_hold_is_refused_when_it_is_written() -> None:
    with pytest.raises(ValueError, match="254"):
        codec.attribute(1, bytes(254))
    with pytest.raises(ValueError, match="248"):
        codec.vendor_attribute(1, bytes(248))


@given(st.binary(max_size=300))
def test_anything_at_all_is_read_or_refused(data: bytes) -> None:
    try:
        read = codec.decode(data)
    except InvalidPacket:
        return
    assert not codec.is_authentic_request(read, SECRET)


@given(st.binary(max_size=300))
def test_any_attributes_are_read_or_refused(body: bytes) -> None:
    try:
        read = codec.decode(packet(body))
    except InvalidPacket:
        return
    for type_ in read.attributes:
        for reader in (read.text, read.integer):
            with contextlib.suppress(InvalidPacket):
                reader(type_)


_ANY = st.dictionaries(st.integers(1, 255).filter(lambda n: n not in (26, 80)), st.binary(max_size=60), max_size=20)


@given(_ANY, st.dictionaries(st.integers(0, 255), st.binary(max_size=60), max_size=10), st.binary(), st.booleans())
def test_what_was_written_is_read_and_proved(
    attributes: dict[int, bytes], vendor: dict[int, bytes], secret: bytes, prove: bool
) -> None:
    parts = [codec.attribute(type_, value) for type_, value in attributes.items()]
    parts += [codec.vendor_attribute(type_, value) for type_, value in vendor.items()]
    read = codec.decode(codec.encode_request(Code.ACCOUNTING_REQUEST, 5, parts, secret, prove=prove))
    assert codec.is_authentic_request(read, secret)
    assert {t: v for t, v in read.attributes.items() if t != 80} == attributes
    assert read.vendor == vendor
    answer = codec.decode(codec.encode_response(Code.ACCOUNTING_RESPONSE, read, secret, parts, prove=prove))
    assert codec.is_authentic_response(answer, read.authenticator, secret)
