"""The cheap halves of the load source: bodies kept encoded, answers read just enough."""

from __future__ import annotations

import json
import random
from typing import Literal

import pytest

from simwarden.simulator.encoded import EncodedReport, Shuffle
from simwarden.simulator.fleet import FleetPlan, build_fleet
from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.kept import ReportTarget, is_complete
from simwarden.simulator.slot_addresses import SlotAddress


def device(slots: int = 2) -> VirtualGateway:
    plan = FleetPlan(gateways=1, ports=8, slots=slots, fill=0.5)
    return build_fleet(plan).server("gw1").gateway


@pytest.mark.parametrize("form", ["v2", "v3"])
def test_an_encoded_report_reads_like_a_plain_one(form: Literal["v2", "v3"]) -> None:
    encoded, plain = device(), device()
    report = EncodedReport(encoded, form=form)
    for _ in range(2):
        assert json.loads(report.render()) == plain.dev_status(form)
    for gateway in (encoded, plain):
        gateway.move(SlotAddress(1, 1), SlotAddress(2, 2))
        gateway.lock([SlotAddress(3, 1)])
        gateway.set_imei_missing(4, 1)
    assert json.loads(report.render()) == plain.dev_status(form)
    assert report.sightings == 8


def test_cards_move_away_in_one_round_and_back_in_the_next() -> None:
    gateway = device()
    home = gateway.cards()
    shuffle = Shuffle(gateway, 0.5, random.Random(1))
    moved = shuffle.step()
    assert 0 < moved <= 4
    assert sum(gateway.cards()[place] != sim for place, sim in home.items()) == moved
    shuffle.step()
    assert gateway.cards() == home


def test_the_share_holds_on_average() -> None:
    gateway = device()
    shuffle = Shuffle(gateway, 0.05, random.Random(1))
    rounds = 400
    assert sum(shuffle.step() for _ in range(rounds)) == pytest.approx(0.05 * 8 * rounds, rel=0.1)


def test_nothing_moves_without_a_share() -> None:
    assert Shuffle(device(), 0.0, random.Random(1)).step() == 0


@pytest.mark.parametrize(
    ("answer", "complete"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", False),
        (b"HTTP/1.1 200 OK\r\nContent-Le", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", True),
    ],
)
def test_the_end_of_an_answer_is_found(answer: bytes, *, complete: bool) -> None:
    assert is_complete(answer) is complete


def test_a_request_carries_path_query_host_and_length() -> None:
    request = ReportTarget("http://127.0.0.1:8080/southbound/x?a=1", "application/json").request(b"{}")
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /southbound/x?a=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n")
    assert head.endswith(b"Content-Length: 2")
    assert body == b"{}"
