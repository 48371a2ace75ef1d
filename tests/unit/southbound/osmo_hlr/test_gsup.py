"""GSUP packets as osmo-hlr 1.5.0 and its clients exchanged them, and everything that they are not."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simwarden.southbound.osmo_hlr import gsup
from simwarden.southbound.osmo_hlr.gsup import (
    Domain,
    ElementTag,
    FrameCutter,
    LinkMessage,
    Message,
    MessageType,
    NotGsup,
)

IMSI = "460000990123698"
TBCD = "64000099103296f8"
CHECK = bytes.fromhex(f"0016ee05300108{TBCD}50080753639835707009")
UPDATE = bytes.fromhex(f"000fee05040108{TBCD}280102")


def test_a_check_of_a_device() -> None:
    (frame,) = FrameCutter().feed(CHECK)
    assert frame.is_gsup
    assert frame.raw == CHECK
    message = gsup.decode(frame.payload)
    assert (message.type, message.imsi, message.imei) == (MessageType.CHECK_IMEI_REQUEST, IMSI, "35368953070790")


def test_a_location_update() -> None:
    assert (
        gsup.encode(MessageType.UPDATE_LOCATION_REQUEST, IMSI, (ElementTag.CN_DOMAIN, bytes([Domain.CIRCUIT])))
        == UPDATE
    )
    assert gsup.decode(UPDATE[3:]).domain is Domain.CIRCUIT


def test_a_cancellation() -> None:
    told = gsup.encode(
        MessageType.LOCATION_CANCEL_REQUEST,
        IMSI,
        (ElementTag.CANCEL_TYPE, gsup.WITHDRAW),
        (ElementTag.CN_DOMAIN, b"\x02"),
    )
    assert told.hex() == f"0012ee051c0108{TBCD}060101280102"


def test_who_a_peer_is() -> None:
    (frame,) = FrameCutter().feed(gsup.identity("MSC-1"))
    assert frame.link == LinkMessage.ID_RESP
    assert gsup.name_of(frame) == "MSC-1"
    assert gsup.name_of(gsup.Frame(gsup.LINK, b"\x05\x00\x00\x00")) is None
    assert gsup.name_of(gsup.Frame(gsup.LINK, b"\x05\x00\x03\x00\x01\x02")) is None


def test_frames_come_in_pieces() -> None:
    decoder = FrameCutter()
    data = CHECK + UPDATE + gsup.link(LinkMessage.PING)
    frames = [frame for octet in data for frame in decoder.feed(bytes([octet]))]
    assert b"".join(frame.raw for frame in frames) == data
    assert decoder.waiting == 0


def test_a_frame_that_is_too_long_is_refused_before_it_comes() -> None:
    with pytest.raises(NotGsup):
        FrameCutter().feed(b"\xff\xff\xee")


@pytest.mark.parametrize("imei", ["", "07", "0853639835707009", "0000000000000000", "07ff639835707009", "020000"])
def test_imeis_that_are_none(imei: str) -> None:
    assert Message(0x30, {ElementTag.IMEI: bytes.fromhex(imei)}).imei is None


@given(st.binary(max_size=200))
def test_garbage_is_an_error_or_a_message(data: bytes) -> None:
    with contextlib.suppress(NotGsup):
        for frame in FrameCutter().feed(data):
            assert frame.raw in data
            _ = frame.link, gsup.name_of(frame)
            message = gsup.decode(frame.payload)
            _ = message.imsi, message.imei, message.domain


@given(st.text("0123456789", min_size=6, max_size=15), st.binary(max_size=40), st.integers(0, 255))
def test_what_is_encoded_is_decoded(imsi: str, value: bytes, type_: int) -> None:
    (frame,) = FrameCutter().feed(gsup.encode(type_, imsi, (0x70, value)))
    message = gsup.decode(frame.payload)
    assert (message.type, message.imsi, message.elements[0x70]) == (type_, imsi, value)
