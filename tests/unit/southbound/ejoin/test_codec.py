"""Whole messages: the golden ones of this file, and the shared samples when they are there."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from simwarden.southbound.ejoin.codec import (
    STATUS_MEANING,
    CallDetailRecord,
    CallDirection,
    CardLocation,
    ContentEncoding,
    Counter,
    Decoded,
    DeviceStatus,
    Keepalive,
    Message,
    PortReport,
    PortStatus,
    PortUse,
    ReceivedSms,
    SentSms,
    SmsKind,
    SmsOutcome,
    SmsTask,
    SmsTaskStatus,
    Undecodable,
    decode,
    decode_plain_sms,
    idempotency_key,
    port_state,
)

SAMPLES = Path(__file__).parents[4].parent / "shared" / "fixtures" / "ejoin"

PORT_STATUS = (
    b'{"type":"port-status","port":"1.02","sim":"","seq":1,"st":11,"imei":"353689530707903","iccid":"","imsi":"",'
    b'"sn":"","opr":"0 CHINA MOBILE","bal":"0.00","sig":0,"tot_dur":"0/-1","mon_dur":"0/-1","day_dur":"0/-1"}'
)
CDR = (
    b'{"type":"cdr","port":"1.02","seq":10,"st":3,"imei":"353689530707903","iccid":"89860042191782899541",'
    b'"imsi":"460000990123698","bal":"0.00","mac":"00-30-f1-00-6d-b1","ip":"192.168.1.44","sip_usr":"","cid":"YTk5.",'
    b'"cdir":"MT","caller":"23","callee":"10086","begin":1548407333,"alert":"1548407336","answer":1548407336,'
    b'"update":0,"end":1548407343,"reason":"201 Caller Hangup","gw_reason":"0 "}'
)
SMART_QUOTES = "{“type”:“port-status” ，“port”:“2B”,“seq”：1，“status”:“3 OK”,“bal”：“100.00”,}".encode()
HEADERS = b'Sender: 8613715266978\r\nReceiver: "12.01" 16465550100\r\nSMSC: 8613800755500\r\nSCTS: 19012517101923\r\n'


def only(body: bytes, *, repaired: bool = False) -> Message:
    decoded = decode(body)
    assert decoded.repaired is repaired
    assert len(decoded.messages) == 1
    return decoded.messages[0]


def sample(name: str) -> bytes:
    if not SAMPLES.is_dir():
        pytest.skip("the shared message samples (../shared/fixtures/ejoin) are not there")
    return (SAMPLES / name).read_bytes()


def received(row: list[object], **fields: object) -> ReceivedSms:
    message = only(json.dumps({"type": "recv-sms", "sms": [row]} | fields).encode())
    assert isinstance(message, ReceivedSms)
    return message


UNLIMITED = {name: Counter(0, None) for name in ("tot_dur", "mon_dur", "day_dur")}


def test_port_status() -> None:
    assert only(PORT_STATUS) == PortStatus(
        PortReport(
            port=1,
            slot=2,
            sequence=1,
            status=11,
            imei="353689530707903",
            operator="CHINA MOBILE",
            balance="0.00",
            signal=0,
            counters=dict(UNLIMITED),
        )
    )
    assert only(PORT_STATUS) == only(sample("port-status.json"))


def test_a_call() -> None:
    call = only(CDR)
    assert isinstance(call, CallDetailRecord)
    assert call == CallDetailRecord(
        report=PortReport(
            port=1,
            slot=2,
            sequence=10,
            status=3,
            imei="353689530707903",
            imsi="460000990123698",
            iccid="89860042191782899541",
            balance="0.00",
        ),
        mac="0030f1006db1",
        ip="192.168.1.44",
        call_id="YTk5.",
        direction=CallDirection.OUTBOUND,
        caller="23",
        callee="10086",
        begin_at=1548407333,
        alert_at=1548407336,
        answer_at=1548407336,
        end_at=1548407343,
        reason_code=201,
        reason="Caller Hangup",
        gw_reason_code=0,
    )


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"begin": 1, "answer": 0, "end": 0}, (1, None, None)),
        ({"begin": "1", "answer": "2", "end": ""}, (1, 2, None)),
        ({"begin": 1, "answer": 0, "end": 3}, (1, None, 3)),
    ],
)
def test_a_call_is_pushed_as_it_goes(times: dict[str, object], expected: tuple[int | None, ...]) -> None:
    call = only(json.dumps({"type": "cdr", "port": "1.02", "cdir": "MO", "gw_Treason": "16 x"} | times).encode())
    assert isinstance(call, CallDetailRecord)
    assert (call.begin_at, call.answer_at, call.end_at) == expected
    assert call.direction is CallDirection.INBOUND
    assert (call.gw_reason_code, call.gw_reason) == (16, "x")
    assert call.report.extra is None


def test_device_status_sample() -> None:
    message = only(sample("dev-status.json"))
    assert isinstance(message, DeviceStatus)
    assert (message.mac, message.max_ports, message.max_slots, message.expires) == ("0030f1006db1", 32, 4, 60000)
    assert [(port.port, port.slot, port.status, port.plmn) for port in message.ports] == [
        (1, 2, 3, "46000"),
        (2, 2, 0, None),
        (32, 2, 0, None),
    ]
    assert message.ports[0].operator == "CHINA MOBILE"
    assert message.ports[0].signal == 31
    assert message.ports[1].imsi is None


def test_a_device_status_keeps_the_ports_it_can_read() -> None:
    body = {"type": "dev-Status", "seq": 3, "expires": -1, "status": [{"port": "6A"}, {"st": 3}, 7, {"port": "1.01"}]}
    message = only(json.dumps(body).encode())
    assert isinstance(message, DeviceStatus)
    assert message.expires == -1
    assert [(port.port, port.slot) for port in message.ports] == [(6, 1), (1, 1)]
    assert message.extra == {"status": [{"st": 3}, 7]}


@pytest.mark.parametrize(
    ("name", "port", "slot", "status_text", "balance"),
    [
        ("port-status-st-text.json", 1, 2, "OK", "0.00"),
        ("port-status-v2.2-status-key.json", 2, 2, "OK", "100.00"),
        ("port-status-v3-numeric-port.json", 1, 10, None, "100.00"),
    ],
)
def test_port_status_samples(name: str, port: int, slot: int, status_text: str | None, balance: str) -> None:
    message = only(sample(name))
    assert isinstance(message, PortStatus)
    report = message.report
    assert (report.port, report.slot, report.status, report.status_text) == (port, slot, 3, status_text)
    assert report.balance == balance
    assert report.state is PortUse.ONLINE
    if "v3" in name:
        assert (report.active, report.inserted, report.slot_active, report.network) == (True, True, True, 4)
        assert report.extra == {"led": 1}


def test_a_damaged_body_is_repaired_once_and_says_so() -> None:
    message = only(SMART_QUOTES, repaired=True)
    assert isinstance(message, PortStatus)
    report = message.report
    assert (report.port, report.slot, report.status, report.status_text) == (2, 2, 3, "OK")
    shared = only(sample("port-status-smart-quotes.txt"), repaired=True)
    assert isinstance(shared, PortStatus)
    assert shared.report.imsi == "460000990123698"


def test_full_width_punctuation_inside_valid_json_is_left_alone() -> None:
    message = received([0, "1.02", 1, "106", "", "“您好”，余额：5"])
    assert message.messages[0].text == "“您好”，余额：5"


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + PORT_STATUS,
        PORT_STATUS + b"\0",
        b"\0" + PORT_STATUS + b"\0\0\r\n",
        b" [" + PORT_STATUS + b"]",
        PORT_STATUS.replace(b'"CHINA', b'"CHINA').replace(b"0 CHINA", b"0 CHINA"),
    ],
)
def test_wrappings(body: bytes) -> None:
    assert only(body) == only(PORT_STATUS)


def test_an_array_is_several_messages() -> None:
    decoded = decode(b"[" + PORT_STATUS + b"," + CDR + b"]")
    assert decoded == Decoded((only(PORT_STATUS), only(CDR)))


def test_encodings() -> None:
    body = PORT_STATUS.decode().replace("CHINA MOBILE", "中国移动")
    for encoding in ("utf-8", "gb18030"):
        message = only(body.encode(encoding))
        assert isinstance(message, PortStatus)
        assert message.report.operator == "中国移动"
    latin = PORT_STATUS.decode().replace("CHINA MOBILE", "Telefónica").encode("latin-1")
    (message,) = decode(latin, "application/json; charset=iso-8859-1").messages
    assert isinstance(message, PortStatus)
    assert message.report.operator == "Telefónica"
    neither = PORT_STATUS.replace(b"CHINA MOBILE", b"X\xff")
    message = only(neither)
    assert isinstance(message, PortStatus)
    assert message.report.operator == "Xÿ"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"\0\0", "empty"),
        (b"[]", "empty array"),
        (b"7", "neither an object"),
        (b"[1]", "neither an object"),
        (b"port=1", "not JSON"),
        (b'{"type":"port-status"', "not JSON"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_message(body: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        decode(body)


def test_deep_nesting_in_an_unknown_key_is_cut() -> None:
    message = only(b'{"type":"port-status","port":"1.02","x":' + b"[" * 100 + b"]" * 100 + b"}")
    assert isinstance(message, PortStatus)
    assert message.report.extra is not None
    assert str(message.report.extra["x"]).count("[") == 15


def test_a_received_sms() -> None:
    content = base64.b64encode(HEADERS + b'Slot: "01"\r\n\r\nyaq\r\n').decode()
    message = received([0, "1.02", 1548407412, "8613715266978", "", content], sms_num="9")
    assert message.source is CardLocation.LOCAL
    (row,) = message.messages
    assert row.kind is SmsKind.SMS
    assert (row.port, row.slot, row.at) == (1, 2, 1548407412)
    assert (row.sender, row.receiver, row.text) == ("8613715266978", "16465550100", "yaq\r\n")
    assert row.encoding_flag is ContentEncoding.BASE64
    assert row.headers == {
        "sender": "8613715266978",
        "receiver": '"12.01" 16465550100',
        "smsc": "8613800755500",
        "scts": "19012517101923",
        "slot": '"01"',
    }
    assert row.raw_content == content
    assert message.extra is None


def test_received_sms_samples() -> None:
    message = only(sample("recv-sms.json"))
    assert isinstance(message, ReceivedSms)
    assert [(row.sender, row.text) for row in message.messages] == [("8613715266978", "yaq")]
    remote = only(sample("recv-sms-remote-sim.json"))
    assert isinstance(remote, ReceivedSms)
    assert remote.source is CardLocation.REMOTE
    (row,) = remote.messages
    assert (row.port, row.slot, row.pool, row.pool_slot) == (1, None, "sp128", 16)
    report = only(sample("recv-sms-delivery-report.json"))
    assert isinstance(report, ReceivedSms)
    (row,) = report.messages
    assert (row.kind, row.report_code, row.report_time) == (SmsKind.REPORT, 0, "19012517101923")
    assert (row.receiver, row.text) == ("10086", None)
    v3 = only(sample("received-sms-v3.json"))
    assert isinstance(v3, ReceivedSms)
    assert v3.mac == "0030f1006db1"
    first, second = v3.messages
    assert (first.text, first.iccid, first.imsi) == ("yaq", "89860042191782899541", "460000990123698")
    assert (second.kind, second.report_code, second.receiver) == (SmsKind.REPORT, 0, "10086")


@pytest.mark.parametrize(
    ("content", "text", "flag"),
    [
        ("eWFx", "yaq", ContentEncoding.BASE64),
        ("eW Fx\n", "yaq", ContentEncoding.BASE64),
        ("hello", "hello", ContentEncoding.PLAIN),
        ("Gold", "Gold", ContentEncoding.PLAIN),
        ("", None, ContentEncoding.BASE64),
        ("U2VuZGVyOiAxDQoNCtbQ", "中", ContentEncoding.BASE64_OTHER),
        (base64.b64encode(b"Sender: no blank line").decode(), "Sender: no blank line", ContentEncoding.BASE64),
        (base64.b64encode(b"Total: 5\r\n\r\nx").decode(), "Total: 5\r\n\r\nx", ContentEncoding.BASE64),
    ],
)
def test_content_of_a_received_sms(content: str, text: str | None, flag: ContentEncoding) -> None:
    (row,) = received([0, "1.02", 1, "106", "", content]).messages
    assert (row.text, row.encoding_flag) == (text, flag)


def test_newer_firmware_appends_identifiers() -> None:
    row = [0, "1B", "1", "106", "", "eWFx", "8986004219178289954F", "46000", "imei?", "more"]
    (read,) = received(list(row)).messages
    assert (read.slot, read.at, read.iccid, read.imsi, read.imei) == (2, 1, "8986004219178289954", "46000", None)
    assert read.extra == {"imei": "imei?", "9": "more"}


def test_rows_that_cannot_be_read_are_kept() -> None:
    message = only(b'{"type":"recv-sms","sms":[[0,"1.02",1,"106",""],[0,"?",1,"106","","eWFx"],"x"]}')
    assert isinstance(message, ReceivedSms)
    assert message.messages == ()
    assert message.extra is not None
    assert len(message.extra["sms"]) == 3  # type: ignore[arg-type]


def test_idempotency_keys() -> None:
    def key(row: list[object]) -> tuple[object, ...]:
        (read,) = received(row).messages
        return idempotency_key(read)

    base: list[object] = [0, "1.02", 1, "106", "", "eWFx"]
    assert key(base) == key([0, "1B", "1", "106", "", "eWFx", "89860042191782899541"])
    for position, other in ((1, "1.03"), (1, "1.sp1.2"), (2, 2), (3, "107"), (5, "eWFy")):
        changed = list(base)
        changed[position] = other
        assert key(changed) != key(base)
    # Two long messages that differ only at the end.
    assert key([*base[:5], "é" * 5000 + "a"]) != key([*base[:5], "é" * 5000 + "b"])
    # One second, one message centre, two recipients.
    assert key([1, "1.02", 1, "smsc", "10086", "0 1"]) != key([1, "1.02", 1, "smsc", "10010", "0 1"])


def test_a_sent_sms() -> None:
    body = (
        b'{"type":"sent-sms","mac":"00-30-f1-00-6d-b1","sim_src":"0","port":"2.01","seq":18,"sms_tid":2,"src_type":2,'
        b'"src_ip":"","src_port":0,"status":"0 OK","time":1562235746,"dur":330,"recver":"12122222222","smse":"",'
        b'"charset":"UTF-8","data":"test sms"}'
    )
    expected = SentSms(
        mac="0030f1006db1",
        port=2,
        slot=1,
        sequence=18,
        task_id=2,
        source_type=2,
        source_port=0,
        status=0,
        status_text="OK",
        at=1562235746,
        duration_ms=330,
        recipient="12122222222",
        charset="UTF-8",
        text="test sms",
    )
    assert only(body) == expected
    assert only(sample("sent-sms.json")) == expected
    coded = only(body.replace(b"UTF-8", b"Base64").replace(b"test sms", b"eWFx").replace(b"2.01", b"2.sp1.7"))
    assert isinstance(coded, SentSms)
    assert (coded.text, coded.encoding_flag) == ("yaq", ContentEncoding.BASE64)
    assert (coded.pool, coded.pool_slot) == ("sp1", 7)


def test_task_status_of_v2() -> None:
    body = {
        "type": "status-report",
        "rpt_num": 1,
        "rpts": [
            {
                "tid": 1,
                "sending": 0,
                "sent": 1,
                "failed": 1,
                "unsent": 0,
                "sdr": [[0, "10086", "1.02", 1745996360]],
                "fdr": [[1, 10010, "2B", 1745996361, "6 Timeout", "38 network"], [2]],
            }
        ],
    }
    assert only(json.dumps(body).encode()) == SmsTaskStatus(
        tasks=(
            SmsTask(
                task_id=1,
                sending=0,
                sent=1,
                failed=1,
                unsent=0,
                successes=(SmsOutcome(index=0, number="10086", port=1, slot=2, at=1745996360),),
                failures=(
                    SmsOutcome(
                        index=1,
                        number="10010",
                        port=2,
                        slot=2,
                        at=1745996361,
                        code=6,
                        reason="Timeout",
                        cause="38 network",
                    ),
                ),
                extra={"fdr": [[2]]},
            ),
        )
    )


def test_task_status_of_v3() -> None:
    message = only(sample("sms-sent-status-v3.json"))
    assert isinstance(message, SmsTaskStatus)
    first, second = message.tasks
    assert first.successes == (SmsOutcome(index=1, number="10086", port=1, slot=1, at=1745996360, cost_ms=1290),)
    assert second.failures == (SmsOutcome(index=1, number="10086", port=3, slot=1, at=1745996361, code=7, cause="350"),)


def test_keepalive_of_the_first_generation() -> None:
    message = only(b'{"etms_usr":"box7","etms_pwd":"secret","x":1}')
    assert message == Keepalive("box7", {"etms_pwd": "***", "x": 1})


def test_plain_sms_of_old_devices() -> None:
    query = {"ICCID": "8986004219178289954F", "sender": "10086", "port": "1A", "mac": "00-30-f1-00-6d-b1", "n": "1"}
    (message,) = decode_plain_sms(query, "余额 5".encode("gb18030")).messages
    assert isinstance(message, ReceivedSms)
    assert message.mac == "0030f1006db1"
    assert message.extra == {"n": "1"}
    (row,) = message.messages
    assert (row.port, row.slot, row.iccid) == (1, 1, "8986004219178289954")
    assert (row.sender, row.text, row.at) == ("10086", "余额 5", None)
    with pytest.raises(Undecodable, match="neither an ICCID nor a port"):
        decode_plain_sms({"sender": "10086"}, b"x")


@pytest.mark.parametrize(
    ("codes", "state"),
    [
        ((3, 4, 13, 14, 15), PortUse.ONLINE),
        ((1, 2, 11), PortUse.TRANSITIONAL),
        ((7, 12), PortUse.LOCKED_HERE),
        ((8,), PortUse.LOCKED_BY_OPERATOR),
        ((0,), PortUse.REMOVED),
        ((5, 6, 9, 16), PortUse.FAULT),
        ((10, 17, -1, None), PortUse.UNKNOWN),
    ],
)
def test_port_states(codes: tuple[int | None, ...], state: PortUse) -> None:
    for code in codes:
        assert port_state(code) is state
        assert PortReport(port=1, status=code).state is state
        assert (code in STATUS_MEANING) is (state is not PortUse.UNKNOWN)
