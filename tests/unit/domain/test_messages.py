"""Received messages as customers get them, and which of them a subscription is about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from simwarden.domain.messages import Arrived, Recipient, Wish, received
from simwarden.domain.texts import Encoding, Segment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIM = Recipient(7, "460000990000001", "acme", "+8613800000001", None)


def told(
    text: str | None, sender: str | None = "8613715266978", sim: Recipient = SIM, **carried: Any
) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.to_builtins(
        received("id", Arrived(sender, None, text, NOW, Segment(**carried)), sim)
    )
    return made


def test_a_text() -> None:
    assert told("temp? now", sent_at=NOW) == {
        "messageId": "id",
        "from": "+8613715266978",
        "to": "+8613800000001",
        "text": "temp? now",
        "keyword": "temp?",
        "encoding": "GSM7",
        "parts": 1,
        "sentAt": "2026-03-01T12:00:00Z",
        "receivedAt": "2026-03-01T12:00:00Z",
    }


def test_what_is_not_known_is_left_out() -> None:
    nameless = msgspec.structs.replace(SIM, msisdn=None)
    assert told(None, None, nameless) == {
        "messageId": "id",
        "from": "",
        "encoding": "UNKNOWN",
        "parts": 1,
        "receivedAt": "2026-03-01T12:00:00Z",
    }


def test_binary_has_no_text_and_no_keyword() -> None:
    made = told(None, encoding=Encoding.BINARY, binary=b"\x00\xff", udh=b"\x05\x04\x15\x81\x00\x00")
    assert (made["binary"], made["udh"], made["encoding"]) == ("AP8=", "BQQVgQAA", "BINARY")
    assert made.keys() & {"text", "keyword", "optOut"} == set()


def test_a_long_message_says_in_how_many_parts_it_came() -> None:
    assert told("я" * 71)["parts"] == 2
    made = told("begin", parts=3, partial=True, encoding=Encoding.UCS2)
    assert (made["parts"], made["partial"], made["encoding"]) == (3, True, "UCS2")
    assert len(told("a" * 2000)["text"]) == 1600


@pytest.mark.parametrize(
    ("sender", "shown"),
    [("ALIPAY", "ALIPAY"), ("10086", "10086"), ("+8613715266978", "+8613715266978"), ("+12122222222", "+12122222222")],
)
def test_senders_are_e164_where_they_can_be(sender: str, shown: str) -> None:
    assert told("x", sender)["from"] == shown


@pytest.mark.parametrize(
    ("wish", "wanted"),
    [
        (Wish(), True),
        (Wish("TEMP"), True),
        (Wish("tem"), False),
        (Wish(senders=("+86",)), True),
        (Wish(senders=("+1", "+861371526")), True),
        (Wish(senders=("+49",)), False),
        (Wish("temp", ("+49",)), False),
    ],
)
def test_a_wish_is_about_keyword_and_sender(wish: Wish, wanted: bool) -> None:
    assert wish.wants(received("id", Arrived("8613715266978", None, "temp 3", NOW), SIM)) is wanted


def test_a_name_is_no_number() -> None:
    assert not Wish(senders=("+1",)).wants(received("id", Arrived("1INFO", None, "x", NOW), SIM))


def test_a_wish_is_read_from_the_subscription() -> None:
    config = {"subscriptionDetail": {"keyword": "temp", "from": ["+49"], "allDevices": True}}
    assert Wish.of_config(config) == Wish("temp", ("+49",))
    assert Wish.of_config({}) == Wish()
