"""PDUs as they travel, and what messages say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.smsc import deliver_sm

from simwarden.domain.texts import BASIC, EXTENSION, Encoding, Segment
from simwarden.southbound.smpp import codec, content
from simwarden.southbound.smpp.codec import CommandId, Decoder, Pdu, ProtocolError, ShortMessage, Tag
from simwarden.southbound.smpp.driver import address

TEXT = bytes.fromhex("74656d703f")  # temp?
DELIVER = bytes.fromhex(
    "0000003d 00000005 00000000 00000001"  # header: 61 bytes, deliver_sm, OK, 1
    "00 01 01 38363133383030303030303031 00 01 01 33363031 00"  # 8613800000001 to 3601
    "00 00 00 00 00 00 00 00 00 05 74656d703f"  # esm_class to sm_length, temp?
    "0204 0002 0007"  # user_message_reference
)


def deliver(**fields: object) -> ShortMessage:
    given = {"source": "8613800000001", "destination": "3601", "message": TEXT} | fields
    return ShortMessage(**given)  # type: ignore[arg-type]


def test_a_delivery_reads_as_it_was_written_down() -> None:
    [pdu] = Decoder().feed(DELIVER)
    assert (pdu.command, pdu.status, pdu.sequence) == (CommandId.DELIVER_SM, 0, 1)
    message = codec.read_message(pdu.body)
    assert message == deliver(options={Tag.USER_MESSAGE_REFERENCE: b"\0\7"})
    assert codec.encode(deliver_sm(1, message)) == DELIVER
    assert codec.encode(codec.answer(pdu)) == bytes.fromhex("00000011 80000005 00000000 00000001 00")


def test_a_bind_names_who_we_are() -> None:
    pdu = codec.bind_transceiver(1, "meters", "s3cret")
    assert pdu.body == b"meters\0s3cret\0\0\x34\0\0\0"


def test_pieces_of_a_stream_are_cut_into_pdus() -> None:
    decoder, found = Decoder(), []
    stream = DELIVER + codec.encode(Pdu(CommandId.ENQUIRE_LINK, 0, 2)) + DELIVER
    for at in range(0, len(stream), 7):
        found += decoder.feed(stream[at : at + 7])
    assert [pdu.command for pdu in found] == [CommandId.DELIVER_SM, CommandId.ENQUIRE_LINK, CommandId.DELIVER_SM]


@pytest.mark.parametrize("length", [0, 15, codec.LONGEST + 1, 2**32 - 1])
def test_a_length_that_cannot_be_ends_the_connection(length: int) -> None:
    with pytest.raises(ProtocolError):
        Decoder().feed(length.to_bytes(4, "big"))


@given(st.binary(max_size=120))
def test_garbage_is_refused(body: bytes) -> None:
    for raw in (body, deliver_sm(1, deliver()).body[: len(body)], DELIVER[16:] + body):
        try:
            content.piece(codec.read_message(raw))
        except ProtocolError:
            continue


def test_a_long_message_travels_as_payload() -> None:
    message = deliver(message=b"a" * 300)
    back = codec.read_message(codec.submit_sm(1, message).body)
    assert back.message == message.message
    assert back.options == {}


def part(header: str, payload: bytes = b"x", **fields: object) -> content.Piece:
    return content.piece(deliver(esm_class=0x40, message=bytes.fromhex(header) + payload, **fields))


def test_parts_are_recognised() -> None:
    assert part("050003a70201") == content.Piece(0, b"x", None, 0xA7, 2, 1)
    assert part("06080400a70302").reference == 0xA7
    assert part("09040200000003a70202").part == 2  # behind another element
    options = {Tag.SAR_REFERENCE: b"\0\7", Tag.SAR_TOTAL: b"\3", Tag.SAR_PART: b"\2"}
    assert content.piece(deliver(options=options)) == content.Piece(0, TEXT, None, 7, 3, 2)
    for wrong in ("050003a70200", "050003a70203", "050003a70101", "050003a70001"):
        assert part(wrong).reference is None
    assert part("06050415810000").udh == bytes.fromhex("050415810000")  # ports
    for broken in ("05", "0500", "030003a7"):
        with pytest.raises(ProtocolError):
            content.piece(deliver(esm_class=0x40, message=bytes.fromhex(broken)))


@pytest.mark.parametrize(
    ("coding", "payload", "text", "encoding"),
    [
        (0, b"\x00temp\x1b\x65", "@temp€", Encoding.GSM7),
        (0, "Grüße".encode("latin-1"), "Grüße", Encoding.GSM7),
        (1, b"temp", "temp", Encoding.GSM7),
        (3, "ü".encode("latin-1"), "ü", Encoding.UNKNOWN),
        (8, "я🔋".encode("utf-16-be"), "я🔋", Encoding.UCS2),
        (0xF1, b"temp", "temp", Encoding.GSM7),
    ],
)
def test_texts(coding: int, payload: bytes, text: str, encoding: Encoding) -> None:
    assert content.read([content.Piece(coding, payload)]) == (text, Segment(encoding=encoding))


def test_what_is_no_text() -> None:
    for coding in (2, 4, 0xF5):
        text, carried = content.read([content.Piece(coding, b"\1\2", b"\5\0")])
        assert (text, carried) == (None, Segment(encoding=Encoding.BINARY, binary=b"\1\2", udh=b"\5\0", parts=1))


def test_a_character_may_be_cut_between_parts() -> None:
    data = "я🔋".encode("utf-16-be")
    pieces = [content.Piece(8, data[:4], None, 1, 2, 1), content.Piece(8, data[4:], None, 1, 2, 2)]
    assert content.read(pieces) == ("я🔋", Segment(encoding=Encoding.UCS2, parts=2))
    text, carried = content.read(pieces[:1])
    assert carried == Segment(encoding=Encoding.UCS2, parts=2, partial=True)
    assert text is not None
    assert text.startswith("я")


@given(st.text(alphabet=st.sampled_from([*BASIC.replace("\x1b", ""), *EXTENSION, "я", "🔋"]), max_size=500))
def test_what_is_packed_reads_as_before(text: str) -> None:
    pieces = []
    for esm_class, coding, data in content.pack(text, 300):
        assert len(data) <= (160 if coding == 0 else 140)
        message = deliver(esm_class=esm_class, data_coding=coding, message=data)
        pieces.append(content.piece(codec.read_message(codec.submit_sm(1, message).body)))
    assert content.read(pieces)[0] == text


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        (b"id:1 sub:001 dlvrd:001 done date:2603011200 stat:DELIVRD err:000 text:", {}, 0),
        (b"id:1 stat:UNDELIV err:001", {}, 0x46),
        (b"id:1 stat:ENROUTE", {}, 0x20),
        (b"whatever", {}, None),
        (b"", {Tag.MESSAGE_STATE: b"\2"}, 0),
        (b"", {Tag.MESSAGE_STATE: b"\5"}, 0x46),
    ],
)
def test_receipts(text: bytes, options: dict[int, bytes], status: int | None) -> None:
    message = deliver(esm_class=4, message=text, options=options)
    assert message.is_receipt
    assert content.receipt_status(message) == status


def test_where_a_message_centre_is() -> None:
    assert address("smpp://smsc.example") == ("smsc.example", 2775, False)
    assert address("smpps://smsc.example:9000") == ("smsc.example", 9000, True)
    for wrong in (None, "http://smsc.example", "smpp://", "smpp://a:0", "smpp://a:b", "smpp://u:p@a", "smpp://a/b"):
        with pytest.raises(ValueError, match="smpp://HOST"):
            address(wrong)
