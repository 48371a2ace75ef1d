from __future__ import annotations

import pytest

from simwarden.simulator.identity import luhn_digit, make_imei, make_mac, make_sim


@pytest.mark.parametrize(
    "imei",
    ["353689530707911", "353689530707929", "490154203237518"],
)
def test_known_imeis_pass_the_luhn_check(imei: str) -> None:
    assert luhn_digit(imei[:-1]) == imei[-1]


def test_made_imeis_are_valid_and_distinct() -> None:
    imeis = [make_imei(serial) for serial in range(200)]
    assert len(set(imeis)) == 200
    assert all(len(imei) == 15 and luhn_digit(imei[:-1]) == imei[-1] for imei in imeis)


def test_made_sims_have_consecutive_imsis_and_valid_iccids() -> None:
    sims = [make_sim(460000990000000, index) for index in range(3)]
    assert [sim.imsi for sim in sims] == ["460000990000000", "460000990000001", "460000990000002"]
    assert all(len(sim.iccid) == 20 and luhn_digit(sim.iccid[:-1]) == sim.iccid[-1] for sim in sims)


def test_mac_looks_as_the_vendor_prints_it() -> None:
    assert make_mac(0x6DB1) == "00-30-f1-00-6d-b1"
