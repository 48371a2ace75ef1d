"""Codes in words, times of message centres, counters: what an Ejoin gateway says in the house's own words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simwarden.domain.counters import Amounts, Reading
from simwarden.domain.reports import Report
from simwarden.southbound.ejoin import codec, words
from simwarden.southbound.ejoin.translate import to_report
from simwarden.store.gateways import GatewayRef

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GATEWAY = GatewayRef(id=1, name="gw1", report_interval=60, mac=None)
AT = 1548407412
"""2019-01-25 09:10:12 UTC, of the vendor's own sample."""


def report(body: str) -> Report:
    (message,) = codec.decode(body.encode()).messages
    return to_report(GATEWAY, message, body.encode(), NOW)


@pytest.mark.parametrize(
    ("stamp", "found"),
    [
        ("19012517101923", "2019-01-25T09:10:19"),  # semi-octets as they are sent: 32 quarter hours
        ("19012517101932", "2019-01-25T09:10:19"),  # decimal
        ("19012517101920", "2019-01-25T09:10:19"),  # hexadecimal
        ("1901250410190A", "2019-01-25T09:10:19"),  # -5 hours: the second semi-octet has the sign and the tens
        ("190125041019-20", "2019-01-25T09:10:19"),
        ("190125091019", "2019-01-25T09:10:19"),
        ("19132517101923", None),
        ("190125171019zz", None),
        ("1901251710197F", None),
        ("", None),
        (None, None),
    ],
)
def test_times_of_message_centres(stamp: str | None, found: str | None) -> None:
    read = words.centre_time(stamp, AT)
    assert (read and read.replace(tzinfo=None).isoformat()) == found


def test_a_time_without_the_gateways_own_is_not_read() -> None:
    assert words.centre_time("19012517101923", None) is None


def test_a_received_message_tells_all_it_knows() -> None:
    (sms,) = report(
        '{"type":"recv-sms","sms":[[0,"1.02",1548407412,"8613715266978","",'
        '"U2VuZGVyOiA4NjEzNzE1MjY2OTc4DQpTTVNDOiA4NjEzODAwNzU1NTAwDQpTQ1RTOiAxOTAxMjUxNzEwMTkyMw0KDQp5YXE=",'
        '"89860042191782899541"]]}'
    ).sms
    assert (sms.content, sms.smsc, sms.encoding, sms.iccid) == (
        "yaq",
        "8613800755500",
        "base64",
        "89860042191782899541",
    )
    assert sms.sent_at == datetime(2019, 1, 25, 9, 10, 19, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "text"), [("0 19012517101923", "Delivered"), ("70", "Validity period expired"), ("200", None)]
)
def test_a_delivery_report_in_words(content: str, text: str | None) -> None:
    (sms,) = report(f'{{"type":"recv-sms","sms":[[1,"1.02",{AT},"8613800755500","10086","{content}"]]}}').sms
    assert (sms.direction, sms.smsc, sms.status_text) == ("report", "8613800755500", text)


@pytest.mark.parametrize(
    ("status", "text"), [('"0 OK"', "OK"), ("5", "SIM Unregistered"), ('"6 too late"', "too late")]
)
def test_a_sent_message_in_words(status: str, text: str) -> None:
    (sms,) = report(
        f'{{"type":"sent-sms","port":"2.01","sms_tid":2,"status":{status},"time":{AT},"dur":330,"recver":"1212",'
        '"smsc":"+861380","charset":"UTF-8","data":"hi"}'
    ).sms
    assert (sms.status_text, sms.task, sms.took_ms, sms.smsc, sms.encoding) == (text, 2, 330, "+861380", "UTF-8")


def test_outcomes_of_tasks_in_words() -> None:
    sent, late, refused = report(
        '{"type":"status-report","rpts":[{"tid":7,"sdr":[[0,"1","1.01",1]],"fdr":[[1,"2","1.01",1,"6",""],'
        '[2,"3","1.01",1,"7 Server Error","38"]]}]}'
    ).sms
    assert [each.status_text for each in (sent, late, refused)] == ["OK", "Timeout", "Server Error; carrier: 38"]
    assert {each.task for each in (sent, late, refused)} == {7}


@pytest.mark.parametrize(
    ("said", "cause"), [('"17"', (17, "User busy")), ('"16 gone"', (16, "gone")), ('"0 "', (0, None))]
)
def test_a_call_in_words(said: str, cause: tuple[int, str | None]) -> None:
    (call,) = report(
        f'{{"type":"cdr","port":"1.02","cid":"c","cdir":"MT","begin":{AT},"reason":"201 Caller Hangup",'
        f'"gw_reason":{said}}}'
    ).calls
    assert (call.reason_code, call.reason) == (201, "Caller Hangup")
    assert (call.cause_code, call.cause) == cause


COUNTED = (
    '{"type":"port-status","port":"1.02","st":3,"imsi":"460000990123698","bal":"%s","tot_dur":"7/100","mon_dur":"3/-1",'
    '"day_dur":"1/10","men_tot":"4/-1","men_mon":"4/-1","men_day":"4/-1","mtn_tot":"2/-1","mtn_mon":"2/-1",'
    '"mtn_day":"2/-1","smsctl_tot":"%s/20","smsctl_mon":"9/-1","smsctl_day":"9/-1","dataflow_tot":"1.50",'
    '"dataflow_day":"0.5","dataflow_24hours":"%s","dataflow_url":"http://example.com/"}'
)


def test_counters_in_the_houses_words() -> None:
    (port,) = report(COUNTED % ("3.20", 9, "0.7")).ports
    assert port.counters is not None
    assert port.counters.read_counters() == Reading(
        call_minutes=Amounts(total=7, month=3, day=1, total_limit=100, day_limit=10),
        calls=Amounts(total=4, month=4, day=4),
        talks=Amounts(total=2, month=2, day=2),
        messages=Amounts(total=9, month=9, day=9, total_limit=20),
        megabytes=Amounts(total=1.5, day=0.5, last_24_hours=0.7),
        balance=3.2,
    )


def test_a_mark_changes_with_each_counter_but_not_as_time_passes() -> None:
    def mark(*values: object) -> object:
        (port,) = report(COUNTED % values).ports
        assert port.counters is not None
        return port.counters.counter_mark

    assert mark("3.20", 9, "0.7") == mark("3.20", 9, "0.1")
    assert len({mark("3.20", 9, "0.7"), mark("3.10", 9, "0.7"), mark("3.20", 10, "0.7")}) == 3


def test_nobody_counts_without_counters() -> None:
    (port,) = report('{"type":"port-status","port":"1.02","st":3,"imsi":"460000990123698"}').ports
    assert port.counters is None


def test_numbers_that_no_counter_shows_are_left_out() -> None:
    (port,) = report(
        '{"type":"port-status","port":"1.02","bal":"9999999999999","tot_dur":"9999999999999/-1","men_tot":"-4/5",'
        '"dataflow_tot":"-1","dataflow_day":"2"}'
    ).ports
    assert port.counters is not None
    assert port.counters.read_counters() == Reading(megabytes=Amounts(day=2.0))
