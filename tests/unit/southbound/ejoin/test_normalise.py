"""Single values: every row of the table of damages and dialects, every form of a port."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from simwarden.southbound.ejoin import normalise
from simwarden.southbound.ejoin.codec import Counter, DeviceStatus, Message, PortStatus, Unknown, decode
from simwarden.southbound.ejoin.normalise import Memo, Position, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable


def only(body: object) -> Message:
    messages = decode(json.dumps(body).encode()).messages
    assert len(messages) == 1
    return messages[0]


def port(**fields: object) -> PortStatus:
    message = only({"type": "port-status", "port": "1.02"} | fields)
    assert isinstance(message, PortStatus)
    return message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1.02", Position(1, 2)),
        ("1.2", Position(1, 2)),
        (1.02, Position(1, 2)),
        (1.1, Position(1, 10)),
        ("1.10", Position(1, 10)),
        ("1.1", Position(1, 1)),
        (1.2, Position(1, 20)),
        ("2B", Position(2, 2)),
        ("2b", Position(2, 2)),
        ("6A", Position(6, 1)),
        ("5", Position(5)),
        (5, Position(5)),
        (5.0, Position(5)),
        ("32.04", Position(32, 4)),
        (32.04, Position(32, 4)),
        ("1. 02", Position(1, 2)),
        ("1.sp128.016", Position(1, None, "sp128", 16)),
        ("12.sp256.101", Position(12, None, "sp256", 101)),
    ],
)
def test_every_form_of_a_port(given: object, expected: Position) -> None:
    assert normalise.position(given) == expected


@pytest.mark.parametrize(
    "given", ["", "A", "0", "0.01", "1.02.3", "1AB", "99999", "-1", "１", 1.234, 0, -1.1, 1e300, True, None, [], {}]
)
def test_what_is_no_port(given: object) -> None:
    with pytest.raises(Unreadable):
        normalise.position(given)


@pytest.mark.parametrize(
    "kind", ["port-status", "port—status", "port_status", "Port-Status", "port status", "PORT–STATUS"]
)
def test_spellings_of_a_type(kind: str) -> None:
    assert isinstance(only({"type": kind, "port": "1.02"}), PortStatus)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("dev—status", "DeviceStatus"),
        ("dev-Status", "DeviceStatus"),
        ("recv—sms", "ReceivedSms"),
        ("reve-sms", "ReceivedSms"),
        ("revesms", "ReceivedSms"),
        ("received-sms", "ReceivedSms"),
        ("sent-sms", "SentSms"),
        ("status-report", "SmsTaskStatus"),
        ("sms-sent-status", "SmsTaskStatus"),
        ("edr", "CallDetailRecord"),
        ("cdr", "CallDetailRecord"),
        ("port-statu", "Unknown"),
    ],
)
def test_types_and_what_the_document_calls_them(kind: str, name: str) -> None:
    assert type(only({"type": kind, "port": "1.02"})).__name__ == name


def test_spellings_of_keys_in_a_port_object() -> None:
    report = port(
        **{
            "Bal": "0. 00",
            "tot dur": "0/-1",
            "smsctl tot": "3/100",
            "men_ day": "2/5",
            "dataflow 24hour s": "1.5",
            "dataflow lhour": "0.25",
        }
    ).report
    assert report.balance == "0.00"
    assert report.counters == {
        "tot_dur": Counter(0, None),
        "men_day": Counter(2, 5),
        "smsctl_tot": Counter(3, 100),
        "dataflow_24hours": "1.5",
        "dataflow_1hour": "0.25",
    }
    assert report.extra is None
    assert port(**{"dataflow_24hour(s)": "7"}).report.counters == {"dataflow_24hours": "7"}
    message = only({"Type": "port-status", "Port": "2B"})
    assert isinstance(message, PortStatus)
    assert (message.report.port, message.report.slot) == (2, 2)


@pytest.mark.parametrize(("key", "value"), [("max-slot", 4), ("max-slots", 4), ("max_slots", "4"), ("max—slot", "4")])
def test_spellings_of_the_number_of_slots(key: str, value: object) -> None:
    message = only({"type": "dev-status", key: value, "max—ports": "32"})
    assert isinstance(message, DeviceStatus)
    assert (message.max_slots, message.max_ports) == (4, 32)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"st": 3}, (3, None)),
        ({"st": "3"}, (3, None)),
        ({"st": "3 OK"}, (3, "OK")),
        ({"st": 3.0}, (3, None)),
        ({"status": "3 OK"}, (3, "OK")),
        ({"status": 12}, (12, None)),
        ({"st": ""}, (None, None)),
        ({"st": "locked"}, (None, "locked")),
        ({}, (None, None)),
    ],
)
def test_status_is_a_number_a_text_or_under_another_key(
    fields: dict[str, object], expected: tuple[int | None, str | None]
) -> None:
    report = port(**fields).report
    assert (report.status, report.status_text) == expected
    assert report.extra is None


def test_the_documented_key_wins_and_the_other_is_kept() -> None:
    for fields in ({"st": 3, "status": "8 locked"}, {"status": "8 locked", "st": 3}):
        report = port(**fields).report
        assert report.status == 3
        assert report.extra == {"status": "8 locked"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0/-1", Counter(0, None)),
        ("12/300", Counter(12, 300)),
        ('”70/-1"', Counter(70, None)),
        ("0/=1l", Counter(0, None)),
        ("1/-17", Counter(1, None)),
        ("1 / 2", Counter(1, 2)),
        ("", None),
    ],
)
def test_counters(given: str, expected: Counter | None) -> None:
    assert normalise.counter(given) == expected


@pytest.mark.parametrize(
    ("given", "expected"), [(1548407333, 1548407333), ("1548407333", 1548407333), (0, None), ("", None), ("0", None)]
)
def test_times(given: object, expected: int | None) -> None:
    assert normalise.epoch(given) == expected


@pytest.mark.parametrize("given", [-1, 2**33, 2**70, "tomorrow", 1.5, True, [1]])
def test_what_is_no_time(given: object) -> None:
    with pytest.raises(Unreadable):
        normalise.epoch(given)


@pytest.mark.parametrize(
    ("read", "given", "expected"),
    [
        (normalise.money, "0. 00", "0.00"),
        (normalise.money, 100, "100.00"),
        (normalise.money, 1.5, "1.50"),
        (normalise.money, "-3.5", "-3.50"),
        (normalise.money, -0.0, "0.00"),
        (normalise.money, "", None),
        (normalise.ip, "192. 168. 1. 44", "192.168.1.44"),
        (normalise.ip, "fe80::1", "fe80::1"),
        (normalise.mac, "00-30-f1-00-6d-b1", "0030f1006db1"),
        (normalise.mac, "00:30:F1:00:6D:B1", "0030f1006db1"),
        (normalise.iccid, "8986004219178289954F", "8986004219178289954"),
        (normalise.iccid, 89860042191782899541, "89860042191782899541"),
        (normalise.digits, " 3536 8953", "35368953"),
        (normalise.digits, 353689530707903, "353689530707903"),
        (normalise.phone, "+86 139 0000 0000", "+8613900000000"),
        (normalise.flag, "1", True),
        (normalise.flag, False, False),
        (normalise.code, "201 Caller Hangup", (201, "Caller Hangup")),
        (normalise.code, "0 ", (0, None)),
        (normalise.operator, "46000 CHINA MOBILE", ("46000", "CHINA MOBILE")),
        (normalise.operator, "310260 T-Mobile", ("310260", "T-Mobile")),
        (normalise.operator, "0 CHINA MOBILE", (None, "CHINA MOBILE")),
        (normalise.operator, "0", (None, None)),
        (normalise.operator, 46001, ("46001", None)),
        (normalise.operator, "3 Ireland", (None, "3 Ireland")),
        (normalise.operator, "", (None, None)),
        (normalise.text, "a\0b\ud800", "ab�"),
        (normalise.text, "x" * 5000, "x" * 4096),
    ],
)
def test_values(read: Callable[[object], object], given: object, expected: object) -> None:
    assert read(given) == expected


@pytest.mark.parametrize("given", ["00-30-f1-00-6d-bl", "00-30-f1-00-6d", "00-30-f1-00-6d-b1-00", "gg30f1006db1"])
def test_a_mac_that_is_not_twelve_hex_digits_is_kept_but_not_believed(given: str) -> None:
    message = only({"type": "dev-status", "mac": given})
    assert isinstance(message, DeviceStatus)
    assert message.mac is None
    assert message.extra == {"mac": given}


@pytest.mark.parametrize("name", ["imei", "imsi", "iccid"])
@pytest.mark.parametrize("given", ["n/a", "35368953070790X", "３５３", "9" * 23, 1.5, True, ["1"]])
def test_an_identifier_that_is_no_digits_is_kept_but_not_believed(name: str, given: object) -> None:
    report = port(**{name: given}).report
    assert getattr(report, name) is None
    assert report.extra == {name: given}


@pytest.mark.parametrize("name", ["imei", "imsi", "iccid", "sn", "bal", "opr", "sim"])
@pytest.mark.parametrize("given", ["", " ", None])
def test_empty_is_none(name: str, given: object) -> None:
    assert port(**{name: given}) == port()


def test_unknown_keys_are_kept() -> None:
    extra = port(rsrp=-101, nested={"a": [1, None]}, big=2**70, password="hunter2", etms_pwd="x").report.extra
    assert extra == {
        "rsrp": -101,
        "nested": {"a": [1, None]},
        "big": str(2**70),
        "password": "***",
        "etms_pwd": "***",
    }


def test_an_unknown_type_is_a_message() -> None:
    assert only({"type": "new-thing", "a": 1}) == Unknown("new-thing", {"type": "new-thing", "a": 1})
    assert only({"a": 1}) == Unknown(None, {"a": 1})
    assert only({"type": 7}) == Unknown(None, {"type": 7})


def test_a_port_status_without_a_port_is_unknown() -> None:
    assert only({"type": "port-status", "port": "?"}) == Unknown("port-status", {"type": "port-status", "port": "?"})


def test_memory_is_bounded() -> None:
    calls: list[str] = []

    def read(value: str) -> int:
        calls.append(value)
        return len(value)

    memo = Memo(read)
    assert (memo["a"], memo["a"], calls) == (1, 1, ["a"])
    assert memo["x" * 100] == 100
    assert "x" * 100 not in memo
    for number in range(3 * Memo.LIMIT):
        assert memo[str(number)] == len(str(number))
        assert len(memo) <= Memo.LIMIT
