"""What must hold for any bytes: one kind of error, storable output, and two ways that agree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from simwarden.southbound.ejoin import fastpath
from simwarden.southbound.ejoin.codec import (
    Decoded,
    DeviceStatus,
    PortStatus,
    Undecodable,
    decode,
    decode_plain_sms,
    decode_tolerant,
    idempotency_key,
)
from simwarden.southbound.ejoin.fields import COUNTERS, TRAFFIC
from simwarden.southbound.ejoin.sms_messages import ReceivedSms

if TYPE_CHECKING:
    from collections.abc import Iterator

# The first text drawn builds a table of all characters, which takes a second or two.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = st.one_of(
    st.integers(-2, 40),
    st.integers(-(2**80), 2**80),
    st.sampled_from([2**63, -(2**63), 2**63 - 1, 1.1, 1.02, 1.0, 0.0, -0.0, 1e300, float("nan"), float("inf")]),
)
WORDS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "3",
            "3 OK",
            "1.02",
            "2B",
            "1.sp128.016",
            "0/-1",
            "5/10",
            "0.00",
            "12.5",
            "46000 CHINA MOBILE",
            "0 X",
            "353689530707903",
            "8986004219178289954F",
            "+8613900000000",
            "00-30-f1-00-6d-b1",
            "192.168.1.44",
            "x" * 5000,
            "9" * 30,
            "a\0b",
            "\ud800",
            "\u00b2",
            "\u0663",
            "\u00a0",
            "1 ",
            "MT",
            "eWFx",
        ]
    ),
    st.text(max_size=12),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=8) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=8
)
PORT_KEYS = (
    *("port", "sim", "seq", "st", "status", "imei", "iccid", "imsi", "sn", "opr", "bal", "sig"),
    *("active", "inserted", "slot_active", "led", "network"),
    *COUNTERS,
    *TRAFFIC,
    "dataflow_url",
)
PORTS = st.builds(
    lambda position, fields: {"port": position} | fields,
    st.sampled_from(["1.02", "2B", 1.1, 3, "x", ""]),
    st.dictionaries(st.sampled_from(PORT_KEYS), st.one_of(WORDS, NUMBERS, SCALARS), max_size=10),
)
FLAGS = st.sampled_from([0, 1, "0", "1", "", "true"])
COUNTER = st.one_of(
    st.sampled_from(["", "0/-1", "5/10", "x/1", "-1/0"]), st.builds("{}/{}".format, st.integers(), NUMBERS)
)
MEGABYTES = st.one_of(st.sampled_from(["", "0", "1.50", " 2", "+3"]), st.decimals(allow_nan=False, places=3).map(str))
DIGITS = st.one_of(st.from_regex(r"[0-9]{0,23}F?", fullmatch=True), st.sampled_from(["", " 12 3", "\u0663"]))
WELL_SPELT = st.fixed_dictionaries(
    {"port": st.sampled_from(["1.02", "1.2", "2B", 1.1, 1.02, 3, "1.sp128.016", "32.04", "5"])},
    optional={
        "sim": st.text(max_size=6),
        "seq": st.integers(-1, 2**63),
        "st": st.one_of(st.integers(-1, 20), st.sampled_from(["3", "3 OK", "", "x", " 12"])),
        "imei": DIGITS,
        "iccid": DIGITS,
        "imsi": DIGITS,
        "sn": st.sampled_from(["", "+8613900000000", "139 0000 0000"]),
        "opr": st.sampled_from(["46000 CHINA MOBILE", "0 X", "0", "", "46000", "3 Ireland", "460 X"]),
        "bal": st.one_of(st.sampled_from(["", "0. 00", "5", 0, -0.0, 1e14]), st.floats(-1e6, 1e6), st.integers(-9, 9)),
        "sig": st.one_of(st.integers(-120, 99), st.sampled_from(["23", "", " 7"])),
        "active": FLAGS,
        "inserted": FLAGS,
        "slot_active": FLAGS,
        "led": st.integers(0, 1),
        "network": st.sampled_from([2, 3, 4, "4", ""]),
        **dict.fromkeys(COUNTERS[3:], COUNTER),
        **dict.fromkeys(TRAFFIC, MEGABYTES),
        "dataflow_url": st.text(max_size=8),
    },
)
DEVICES = st.builds(
    lambda fields, ports: {"type": "dev-status"} | fields | {"status": ports},
    st.dictionaries(
        st.sampled_from(["seq", "expires", "mac", "ip", "ver", "max-ports", "max-slot", "max-slots", "more"]), SCALARS
    ),
    st.lists(PORTS, max_size=4),
)
STATUSES = st.one_of(PORTS.map(lambda port: {"type": "port-status"} | port), DEVICES)
OTHERS = st.builds(
    lambda kind, fields: {"type": kind} | fields,
    st.sampled_from(["recv-sms", "received-sms", "cdr", "sent-sms", "status-report", "sms-sent-status", "?"]),
    st.dictionaries(
        st.sampled_from(
            [
                "port",
                "mac",
                "sim_src",
                "sms",
                "smses",
                "rpts",
                "statuses",
                "status",
                "data",
                "charset",
                "begin",
                "end",
                "cdir",
                "reason",
                "etms_usr",
                "sms_num",
                "time",
                "cid",
            ]
        ),
        VALUES,
    ),
)
ROWS = st.lists(st.one_of(SCALARS, st.sampled_from(["1.02", "eWFx"])), min_size=5, max_size=11)
SMS = ROWS.map(lambda row: {"type": "recv-sms", "sms": [row]})


def read_or_refuse(body: bytes, content_type: str | None = None) -> Decoded | None:
    """What `decode` reads; None when it refuses with a sentence. Any other exception fails the test."""
    try:
        decoded = decode(body, content_type)
    except Undecodable as refusal:
        reason = refusal.reason
    else:
        storable(decoded)
        return decoded
    assert reason.endswith(".")
    return None


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def storable(decoded: Decoded) -> None:
    """Fails when PostgreSQL could not store it: msgspec refuses lone surrogates and integers beyond 64 bits."""
    plain = json.loads(msgspec.json.encode(decoded), parse_constant=pytest.fail)
    for text in texts(plain):
        assert "\0" not in text
        assert len(text) <= 4096
    for message in decoded.messages:
        if isinstance(message, ReceivedSms):
            for row in message.messages:
                assert len(idempotency_key(row).digest) == 64


@PATIENT
@given(st.lists(WELL_SPELT, min_size=1, max_size=2))
def test_the_quick_way_agrees_on_well_spelt_ports(ports: list[dict[str, object]]) -> None:
    # Each group of counters comes whole or not at all, or else the quick way would seldom be taken.
    for port in ports:
        for first in range(0, len(COUNTERS), 3):
            value = port.get(COUNTERS[first], "0/-1" if first == 0 else None)
            for name in COUNTERS[first : first + 3]:
                port.pop(name, None)
                if value is not None:
                    port[name] = value
    for message in ({"type": "port-status"} | ports[0], {"type": "dev-status", "max-slots": "4", "status": ports}):
        body = json.dumps(message).encode()
        quick = fastpath.decode(body)
        event(f"quick: {quick is not None}")
        if quick is not None:
            assert Decoded((quick,)) == decode_tolerant(body)


@PATIENT
@given(STATUSES)
@example({"type": "port-status", "port": 1, "bal": 0})
@example({"type": "port-status", "port": 1, "bal": -0.0})
@example({"type": "port-status", "port": 1, "led": None})
@example({"type": "port-status", "port": 1, "st": None, "status": 3})
@example({"type": "port-status", "port": 1, "imei": "\u00b2"})
@example({"type": "port-status", "port": 1, "tot_dur": " ", "dataflow_tot": " "})
@example({"type": "dev-status", "max-slot": None, "max-slots": 3, "status": []})
def test_the_quick_way_agrees_with_the_tolerant_one(message: dict[str, object]) -> None:
    body = json.dumps(message).encode()
    quick = fastpath.decode(body)
    if quick is not None:
        assert Decoded((quick,)) == decode_tolerant(body)
    storable(decode(body))


@PATIENT
@given(st.one_of(OTHERS, SMS, st.lists(st.one_of(OTHERS, STATUSES, SMS), max_size=3), VALUES))
def test_any_json_is_read_or_refused(message: object) -> None:
    read_or_refuse(json.dumps(message).encode())


@PATIENT
@given(st.binary(max_size=400))
@example(b"")
@example(b"[]")
@example(b"null")
@example(b"NaN")
@example(b'{"type":"port-status","port":NaN}')
@example(b'{"type":"port-status","port":1e999,"x":-Infinity}')
@example(b"[" * 100_000)
@example(b'{"type":"x","a":' * 100_000)
@example(b'{"type":"port-status","port":1,"seq":' + b"9" * 10_000 + b"}")
@example(b'{"type":"port-status","port":1,"x":"\\ud800\\u0000"}')
@example(b'{"\\ud800":"\\u0000","type":"\\udfff"}')
@example(b"\xff\xfe{\x00}\x00")
@example(b"\0\0\0")
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for content_type in (None, "application/json; charset=ISO-8859-1"):
        read_or_refuse(body, content_type)


@PATIENT
@given(st.dictionaries(st.sampled_from(["iccid", "Sender", "port", "mac", "x"]), WORDS), st.binary(max_size=100))
def test_any_plain_sms_is_read_or_refused(query: dict[str, str], body: bytes) -> None:
    try:
        decoded = decode_plain_sms(query, body)
    except Undecodable:
        return
    storable(decoded)


def full_port(number: int) -> dict[str, object]:
    return {
        "port": f"{number}.02",
        "sim": "",
        "seq": number,
        "st": 3,
        "imei": str(353689530707903 + number),
        "iccid": str(89860042191782899541 + number),
        "imsi": str(460000990123698 + number),
        "sn": "",
        "opr": "46000 CHINA MOBILE",
        "bal": "0.00",
        "sig": 31,
        **dict.fromkeys(COUNTERS, f"{number}/-1"),
        "dataflow_tot": "12.50",
        "dataflow_day": "1.50",
        "dataflow_1hour": "0.50",
    }


def test_well_spelt_messages_take_the_quick_way() -> None:
    ports = [full_port(number) for number in range(1, 33)]
    body = json.dumps({"type": "dev-status", "seq": 1, "max-slot": 4, "status": ports}).encode()
    quick = fastpath.decode(body)
    assert isinstance(quick, DeviceStatus)
    assert len(quick.ports) == 32
    assert quick.ports[4].counters is not None
    assert len(quick.ports[4].counters) == 15
    assert Decoded((quick,)) == decode_tolerant(body)
    assert fastpath.decode(body.replace(b"dev-status", b"dev-Status")) == quick
    for port in ({"port": 1.1, "st": "3", "active": 1, "led": 1, "network": 4}, {"port": "2B", "status": "3 OK"}):
        body = json.dumps({"type": "port-status"} | port).encode()
        quick_port = fastpath.decode(body)
        assert isinstance(quick_port, PortStatus)
        assert Decoded((quick_port,)) == decode_tolerant(body)


def test_too_many_ports_are_refused() -> None:
    many = {"type": "dev-status", "status": [{"port": 1}] * 4097}
    with pytest.raises(Undecodable, match="4097 port objects"):
        decode(json.dumps(many).encode())
    half = {"type": "dev-status", "status": [{"port": 1}] * 2049}
    with pytest.raises(Undecodable, match="more than 4096 port objects"):
        decode(json.dumps([half, half]).encode())
    with pytest.raises(Undecodable, match="4097 messages"):
        decode(json.dumps([{}] * 4097).encode())
