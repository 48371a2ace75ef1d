from __future__ import annotations

import pytest

from simwarden.simulator.errors import Conflict, NotFound
from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.identity import make_sim
from simwarden.simulator.slot_addresses import SlotAddress

SIM = make_sim(460000990000000, 0)
OTHER = make_sim(460000990000000, 1)


@pytest.fixture
def gateway() -> VirtualGateway:
    device = VirtualGateway("gw1", ports=3, slots=2)
    device.insert(SIM, 1, 2)
    return device


def test_a_registered_card_reports_what_the_document_prints(gateway: VirtualGateway) -> None:
    assert gateway.port_status(SlotAddress(1, 2)) == {
        "type": "port-status",
        "port": "1.02",
        "sim": "",
        "seq": 1,
        "st": 3,
        "imei": gateway.imeis[0],
        "iccid": SIM.iccid,
        "imsi": SIM.imsi,
        "sn": SIM.msisdn,
        "opr": "46000 CHINA MOBILE",
        "bal": "0.00",
        "sig": 23,
        "tot_dur": "0/-1",
        "mon_dur": "0/-1",
        "day_dur": "0/-1",
    }


def test_an_empty_slot_says_only_port_seq_st_and_imei(gateway: VirtualGateway) -> None:
    assert gateway.dev_status()["status"][0] == {"port": "1.01", "seq": 1, "st": 0, "imei": gateway.imeis[0]}


def test_a_locked_card_is_st_12_and_keeps_its_numbers(gateway: VirtualGateway) -> None:
    assert gateway.lock([SlotAddress(1, 2)]) == [SlotAddress(1, 2)]
    message = gateway.port_status(SlotAddress(1, 2))
    assert (message["st"], message["imsi"], message["opr"]) == (12, SIM.imsi, "0 CHINA MOBILE")
    assert gateway.unlock([SlotAddress(1, 2)]) == [SlotAddress(1, 2)]
    assert gateway.state(SlotAddress(1, 2)) == 3


def test_locking_twice_changes_nothing_the_second_time(gateway: VirtualGateway) -> None:
    gateway.lock([SlotAddress(1, 2)])
    assert gateway.lock([SlotAddress(1, 2)]) == []


def test_a_lock_stays_with_the_slot_not_with_the_card(gateway: VirtualGateway) -> None:
    gateway.lock([SlotAddress(1, 2)])
    assert gateway.move(SlotAddress(1, 2), SlotAddress(3, 1)) == [SlotAddress(1, 2), SlotAddress(3, 1)]
    assert gateway.state(SlotAddress(3, 1)) == 3
    assert gateway.state(SlotAddress(1, 2)) == 0
    assert gateway.is_locked(SlotAddress(1, 2))
    gateway.insert(OTHER, 1, 2)
    assert gateway.state(SlotAddress(1, 2)) == 12


def test_a_moved_card_is_seen_with_the_imei_of_the_new_port(gateway: VirtualGateway) -> None:
    gateway.move(SlotAddress(1, 2), SlotAddress(3, 1))
    assert gateway.port_status(SlotAddress(3, 1))["imei"] == gateway.imeis[2]
    assert gateway.find(SIM.imsi) == SlotAddress(3, 1)


def test_an_occupied_slot_takes_a_second_card_only_by_swapping(gateway: VirtualGateway) -> None:
    gateway.insert(OTHER, 2, 1)
    with pytest.raises(Conflict, match=r"2\.01 of gw1 already holds"):
        gateway.move(SlotAddress(1, 2), SlotAddress(2, 1))
    assert gateway.find(SIM.imsi) == SlotAddress(1, 2)
    gateway.move(SlotAddress(1, 2), SlotAddress(2, 1), swap=True)
    assert (gateway.find(SIM.imsi), gateway.find(OTHER.imsi)) == (SlotAddress(2, 1), SlotAddress(1, 2))


def test_a_card_is_in_one_slot_only(gateway: VirtualGateway) -> None:
    with pytest.raises(Conflict, match=r"already in slot 1\.02"):
        gateway.insert(SIM, 2, 1)
    with pytest.raises(Conflict, match="already holds"):
        gateway.insert(OTHER, 1, 2)


def test_removing_from_an_empty_or_unknown_slot_is_an_error(gateway: VirtualGateway) -> None:
    with pytest.raises(NotFound, match="empty"):
        gateway.remove(2, 1)
    with pytest.raises(NotFound, match="3 ports x 2 slots"):
        gateway.remove(4, 1)


def test_every_port_object_sent_counts_one_for_the_whole_device(gateway: VirtualGateway) -> None:
    assert gateway.port_status(SlotAddress(1, 2))["seq"] == 1
    first = gateway.dev_status()
    assert [row["seq"] for row in first["status"]] == [2, 3, 4, 5, 6, 7]
    assert gateway.port_status(SlotAddress(3, 1))["seq"] == 8
    assert (first["seq"], gateway.dev_status()["seq"]) == (1, 2)


def test_reboot_resets_both_counters_and_keeps_cards_and_locks(gateway: VirtualGateway) -> None:
    gateway.lock([SlotAddress(1, 2)])
    gateway.dev_status()
    gateway.reboot()
    again = gateway.dev_status()
    assert (again["seq"], again["status"][0]["seq"]) == (1, 1)
    assert again["status"][1]["st"] == 12


def test_a_missing_imei_is_an_empty_string_until_it_is_back(gateway: VirtualGateway) -> None:
    gateway.set_imei_missing(1, 2)
    assert gateway.port_status(SlotAddress(1, 2))["imei"] == ""
    gateway.set_imei_missing(1, 2, missing=False)
    assert gateway.port_status(SlotAddress(1, 2))["imei"] == gateway.imeis[0]


def test_v3_has_numeric_ports_and_a_textual_state(gateway: VirtualGateway) -> None:
    message = gateway.port_status(SlotAddress(1, 2), "v3")
    assert (message["port"], message["st"], message["inserted"], message["slot_active"]) == (1.02, "3", 1, 1)
    device = gateway.dev_status("v3")
    assert (device["type"], device["max-slots"], device["status"][1]["st"]) == ("dev-Status", 2, 3)


def test_a_poll_may_ask_for_the_active_slots_only(gateway: VirtualGateway) -> None:
    gateway.switch(1, 2)
    rows = gateway.dev_status(all_slots=False)["status"]
    assert [row["port"] for row in rows] == ["1.02", "2.01", "3.01"]


def test_with_one_active_slot_the_other_cards_of_a_port_are_idle() -> None:
    gateway = VirtualGateway("gw1", ports=1, slots=2, one_active=True)
    gateway.insert(SIM, 1, 1)
    gateway.insert(OTHER, 1, 2)
    assert [row["st"] for row in gateway.dev_status()["status"]] == [3, 1]
    assert gateway.switch(1, 2) == [SlotAddress(1, 1), SlotAddress(1, 2)]
    assert [row["st"] for row in gateway.dev_status()["status"]] == [1, 3]


def test_counters_follow_the_card() -> None:
    gateway = VirtualGateway("gw1", ports=2, slots=1, counters=True)
    gateway.insert(SIM, 1, 1)
    gateway.use(SlotAddress(1, 1), sms=2, calls=3, talks=1, minutes=4)
    gateway.move(SlotAddress(1, 1), SlotAddress(2, 1))
    message = gateway.port_status(SlotAddress(2, 1))
    assert (message["smsctl_tot"], message["men_day"], message["mtn_mon"]) == ("2/-1", "3/-1", "1/-1")
    assert message["tot_dur"] == "4/-1"


def test_watchers_hear_of_every_changed_slot(gateway: VirtualGateway) -> None:
    heard: list[SlotAddress] = []
    gateway.watch(heard.append)
    gateway.move(SlotAddress(1, 2), SlotAddress(2, 1))
    gateway.lock([SlotAddress(2, 1)])
    assert set(heard[:-1]) == {SlotAddress(1, 2), SlotAddress(2, 1)}
    assert heard[-1] == SlotAddress(2, 1)


def test_imeis_must_be_distinct_and_one_a_port() -> None:
    with pytest.raises(ValueError, match="2 distinct IMEIs"):
        VirtualGateway("gw1", ports=2, imeis=["353689530707911", "353689530707911"])
