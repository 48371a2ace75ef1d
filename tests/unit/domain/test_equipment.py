"""Verdicts on devices, and files of listed ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from simwarden.domain import rules
from simwarden.domain.device_model import BadLine
from simwarden.domain.equipment import DeviceList, EquipmentStatus, InvalidListing, ListedDevice, judge, listed
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.listing_file import read_listing
from simwarden.domain.rules.device import Bind
from simwarden.domain.sim import OnMismatch, OnUnknown, Policy, Resume, Sighting, Sim

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CAUSE = Cause(CauseKind.REPORT, "amf", NOW)
IMSI, HOME, OTHER = "460000990123698", "35368953070790", "35368953070791"
WHITE, GREY, BLACK, UNKNOWN = (
    EquipmentStatus.WHITELISTED,
    EquipmentStatus.GREYLISTED,
    EquipmentStatus.BLACKLISTED,
    EquipmentStatus.UNKNOWN,
)


def bound(**policy: Any) -> Sim:
    sim = Sim(bucket=bucket_of(IMSI), imsi=IMSI, account_id="acme")
    return rules.decide(sim, Bind(imei=HOME, policy=Policy(**policy)), NOW, CAUSE).sim


def verdict(sim: Sim, imei: str | None, by_lists: EquipmentStatus = WHITE, mismatch: EquipmentStatus = BLACK) -> str:
    return judge(by_lists, rules.decide(sim, Sighting(imsi=IMSI, imei=imei, at=NOW), NOW, CAUSE), mismatch)


@pytest.mark.parametrize(
    ("lists", "otherwise", "status"),
    [
        ((), WHITE, WHITE),
        ((), UNKNOWN, UNKNOWN),
        ((DeviceList.ALLOWED,), UNKNOWN, WHITE),
        ((DeviceList.ALLOWED, DeviceList.TRACKED), WHITE, GREY),
        ((DeviceList.TRACKED, DeviceList.STOLEN), WHITE, BLACK),
        ((DeviceList.BLOCKED, DeviceList.ALLOWED), WHITE, BLACK),
    ],
)
def test_the_strictest_list_counts(lists: Any, otherwise: EquipmentStatus, status: EquipmentStatus) -> None:
    assert listed(lists, otherwise) is status


def test_a_bound_sim_in_another_device_is_denied_as_its_policy_says() -> None:
    assert verdict(bound(), HOME) == WHITE
    assert verdict(bound(), OTHER) == BLACK
    assert verdict(bound(), OTHER, mismatch=GREY) == GREY
    assert verdict(bound(on_mismatch=OnMismatch.ALERT), OTHER) == GREY


def test_an_unknown_device_is_what_the_policy_says_and_never_a_mismatch_by_guess() -> None:
    assert verdict(bound(), None) == WHITE
    assert verdict(bound(unknown=OnUnknown.DENY), None) == BLACK
    assert verdict(bound(), None, UNKNOWN) == UNKNOWN


def test_one_that_came_back_is_denied_until_somebody_lifts_the_bar() -> None:
    away = rules.decide(bound(resume=Resume.MANUAL), Sighting(imsi=IMSI, imei=OTHER, at=NOW), NOW, CAUSE).sim
    assert verdict(away, HOME) == BLACK


def test_lists_and_binding_the_stricter_counts() -> None:
    assert verdict(bound(), HOME, BLACK) == BLACK
    assert verdict(bound(), HOME, GREY) == GREY
    assert verdict(bound(), OTHER, UNKNOWN) == BLACK
    assert verdict(bound(on_mismatch=OnMismatch.ALERT), OTHER, BLACK) == BLACK
    assert judge(GREY, None, BLACK) is GREY


@pytest.mark.parametrize(
    "entry",
    [
        {"list": "STOLEN"},
        {"list": "STOLEN", "imei": "3536895307079"},
        {"list": "STOLEN", "imei": "00000000000000"},
        {"list": "LOST", "imei": HOME},
        {"list": "STOLEN", "imei": HOME, "tac": "35368953"},
        {"list": "STOLEN", "tac": "3536895"},
        {"list": "STOLEN", "tac": "35368953", "tacLast": "35368952"},
        {"list": "STOLEN", "imei": HOME, "tacLast": "35368952"},
        {"list": "STOLEN", "imei": HOME, "reason": "a\x00b"},
        {"list": "STOLEN", "imei": HOME, "since": "2026-11-20T00:00:00"},
        {"list": "STOLEN", "imei": HOME, "more": 1},
    ],
)
def test_entries_that_are_none(entry: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(entry, ListedDevice)


def test_a_file_names_devices_and_models_and_its_bad_lines_are_told() -> None:
    text = (
        "\ufeffIMEI;TAC;List;Reason;Since;Reported By\n"
        "35-368953-070790-3;;lost;theft;2026-11-20;police\n"
        ";35368953-35368960;blacklisted;;;\n"
        ";35368953;;;2026-11-20T10:00:00+01:00;\n"
        "\n"
        "35368953;;stolen;;;\n"
        "353689530707903;;purple;;;\n"
        "353689530707903;;stolen;;yesterday;\n"
        ";;stolen;why;;\n"
    )
    stolen, models, model, *bad = read_listing(text.splitlines(keepends=True), DeviceList.TRACKED)
    assert stolen == ListedDevice(
        list=DeviceList.STOLEN,
        imei="353689530707903",
        reason="theft",
        since=datetime(2026, 11, 20, tzinfo=UTC),
        source="police",
    )
    assert (stolen.value, models) == (
        HOME,
        ListedDevice(list=DeviceList.BLOCKED, tac="35368953", tac_last="35368960"),
    )
    assert isinstance(model, ListedDevice)
    assert (model.list, model.value, model.since) == (
        DeviceList.TRACKED,
        "35368953-35368953",
        datetime(2026, 11, 20, 9, tzinfo=UTC),
    )
    assert bad == [
        BadLine(6, "'35368953' is no IMEI: 14 to 16 digits"),
        BadLine(7, "'purple' is no list"),
        BadLine(8, "'yesterday' is no date (2026-11-21), and no time with its zone (RFC 3339)"),
        BadLine(9, "Name a device by its imei, or models by tac"),
    ]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "imei\n353689530707903\n"])
def test_a_file_without_its_columns(text: str) -> None:
    with pytest.raises(InvalidListing):
        list(read_listing(text.splitlines(keepends=True)))
