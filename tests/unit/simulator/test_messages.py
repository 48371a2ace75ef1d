"""The field sets are held against the samples of the vendor document, quoted here."""

from __future__ import annotations

import base64

from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.identity import make_sim
from simwarden.simulator.slot_addresses import SlotAddress

PLACE = SlotAddress(1, 2)
NOW = 1548407412


def device() -> VirtualGateway:
    gateway = VirtualGateway("gw1", ports=2, slots=2)
    gateway.insert(make_sim(460000990000000, 0), *PLACE)
    return gateway


def test_recv_sms_has_a_header_block_before_the_text() -> None:
    message = device().received_sms(PLACE, sender="8613715266978", text="yaq", at=NOW)
    assert message["type"] == "recv-sms"
    kind, port, at, sender, receiver, body = message["sms"][0]
    assert (kind, port, at, sender, receiver) == (0, "1.02", NOW, "8613715266978", "")
    header, _, text = base64.b64decode(body).decode().partition("\r\n\r\n")
    assert text == "yaq"
    assert header.startswith("Sender: 8613715266978\r\nSMSC: ")


def test_received_sms_of_v3_has_numbers_for_port_and_slot_and_the_bare_text() -> None:
    row = device().received_sms(PLACE, sender="10086", text="yaq", at=NOW, form="v3")["smses"][0]
    assert (row["port"], row["slot"], row["sms"], row["is_report"]) == (1, 2, "eWFx", False)


def test_cdr_has_exactly_the_fields_of_the_sample() -> None:
    message = device().cdr(PLACE, cid="c", other="10086", times=(NOW, NOW + 3, NOW + 10))
    fields = (
        "type port seq st imei iccid imsi bal mac ip sip_usr cid cdir caller callee begin alert answer update end "
        "reason gw_reason"
    )
    assert list(message) == fields.split()
    assert (message["cdir"], message["reason"], message["gw_reason"]) == ("MT", "201 Caller Hangup", "0 ")


def test_sent_sms_has_exactly_the_fields_of_the_sample() -> None:
    message = device().sent_sms(PLACE, tid=2, to="12122222222", text="test sms", at=NOW)
    fields = "type mac sim_src port seq sms_tid src_type src_ip src_port status time dur recver smsc charset data"
    assert list(message) == fields.split()
    assert message["status"] == "0 OK"


def test_a_locked_card_sends_nothing() -> None:
    gateway = device()
    gateway.lock([PLACE])
    assert gateway.sent_sms(PLACE, tid=2, to="1", text="x", at=NOW)["status"] == "5 SIM Unregistered"
    status = gateway.sent_sms(PLACE, tid=2, to="1", text="x", at=NOW, form="v3")["statuses"][0]
    assert (status["sent"], status["failed"], status["fdr"][0]["code"]) == (0, 1, 5)


def test_sms_sent_status_of_v3_lists_what_was_sent() -> None:
    status = device().sent_sms(PLACE, tid=5, to="10086", text="x", at=NOW, form="v3")["statuses"][0]
    assert (status["tid"], status["sent"], status["sdr"][0]["number"]) == (5, 1, "10086")
    assert list(status["sdr"][0]) == ["seq", "port", "slot", "number", "ts", "cost"]
