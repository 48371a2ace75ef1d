"""What ChargingDataRequests say (TS 32.291)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tests.support.charging import CHARGING

from simwarden.domain.identifiers import bucket_of
from simwarden.domain.session import Octets
from simwarden.southbound.chf.codec import bucket_of_ref, is_unstored, read, ref_of, units
from simwarden.southbound.sbi.answers import Problem

NOW = datetime(2026, 11, 21, tzinfo=UTC)
REQUEST = CHARGING | {
    "multipleUnitUsage": [
        {
            "ratingGroup": 1,
            "requestedUnit": {},
            "usedUnitContainer": [
                {"localSequenceNumber": 1, "uplinkVolume": 111, "downlinkVolume": 222, "totalVolume": 333},
                {"localSequenceNumber": 1, "uplinkVolume": 111, "downlinkVolume": 222, "totalVolume": 333},
                {"localSequenceNumber": 2, "totalVolume": 7},
            ],
        },
        {"ratingGroup": 2, "usedUnitContainer": [{"localSequenceNumber": 1, "uplinkVolume": 5}]},
    ],
}
"""With containers that count once, and of two rating groups."""


def encoded(**changes: Any) -> bytes:
    return msgspec.json.encode({k: v for k, v in (REQUEST | changes).items() if v is not msgspec.UNSET})


def test_a_request_is_read_whole() -> None:
    told = read(encoded(), NOW)
    assert (told.imsi, told.msisdn, told.imei, told.svn) == (
        "460000990123698",
        "+8613715266978",
        "35368953070790",
        "01",
    )
    assert (told.apn, told.rat, told.ipv4, told.ipv6, told.plmn) == (
        "iot",
        "NR",
        "10.45.0.7",
        "2001:db8:1:2::/64",
        "46000",
    )
    assert told.cells == ("ncgi:46000-012345678", "tai:46000-001234")
    assert told.cells_at == datetime(2026, 11, 20, 23, 58, tzinfo=UTC)
    assert told.used == Octets(116, 229)
    assert (told.number, told.wanted, told.at) == (0, (1,), datetime(2026, 11, 20, 23, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("where", "cells"),
    [
        (
            {"eutraLocation": {"ecgi": {"plmnId": {"mcc": "310", "mnc": "410"}, "eutraCellId": "012345A"}}},
            ("ecgi:310410-012345a",),
        ),
        (
            {"utraLocation": {"cgi": {"plmnId": {"mcc": "460", "mnc": "00"}, "lac": "1234", "cellId": "ABCD"}}},
            ("cgi:46000-1234-abcd",),
        ),
        ({"nrLocation": {"ncgi": {"plmnId": {"mcc": "460"}, "nrCellId": "012345678"}}}, ()),
        ({"nrLocation": {"ncgi": {"plmnId": {"mcc": "460", "mnc": "00"}, "nrCellId": "xyz"}}}, ()),
        ({"nrLocation": []}, ()),
        ([], ()),
    ],
)
def test_places_in_any_radio_access(where: Any, cells: tuple[str, ...]) -> None:
    assert read(encoded(pDUSessionChargingInformation={"userLocationinfo": where}), NOW).cells == cells


def test_what_is_told_beside_is_read_as_far_as_it_can_be() -> None:
    strange = {
        "userInformation": {"servedPEI": "mac-1", "servedGPSI": 7},
        "pduSessionInformation": {"dnnId": "a b", "ratType": "x y", "pduAddress": {"pduIPv4Address": "::1"}},
    }
    told = read(encoded(pDUSessionChargingInformation=strange, multipleUnitUsage=[7, {"ratingGroup": -1}]), NOW)
    assert (told.imei, told.msisdn, told.apn, told.rat, told.ipv4, told.used) == (None,) * 6
    assert read(encoded(pDUSessionChargingInformation=7, multipleUnitUsage=7, notifyUri=7), NOW).notify_uri is None
    assert read(encoded(subscriberIdentifier="nai-a@b"), NOW).imsi is None
    assert read(encoded(invocationTimeStamp="2027-01-01T00:00:00Z"), NOW).at == NOW


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "INVALID_MSG_FORMAT"),
        (b"[]", "INVALID_MSG_FORMAT"),
        (b'{"a\xd9": 1}', "INVALID_MSG_FORMAT"),
        (encoded(invocationTimeStamp="0001-01-01T00:00:00+14:00"), "MANDATORY_IE_INCORRECT"),
        (b"[" * 100_000, "INVALID_MSG_FORMAT"),
        (encoded(nfConsumerIdentification={}), "MANDATORY_IE_MISSING"),
        (encoded(nfConsumerIdentification=7), "MANDATORY_IE_MISSING"),
        (encoded(invocationTimeStamp=msgspec.UNSET), "MANDATORY_IE_MISSING"),
        (encoded(invocationSequenceNumber=msgspec.UNSET), "MANDATORY_IE_MISSING"),
        (encoded(invocationSequenceNumber=True), "MANDATORY_IE_INCORRECT"),
        (encoded(invocationSequenceNumber=2**31), "MANDATORY_IE_INCORRECT"),
        (encoded(invocationSequenceNumber=-1), "MANDATORY_IE_INCORRECT"),
        (encoded(invocationTimeStamp="2026-11-20T23:59:00"), "MANDATORY_IE_INCORRECT"),
        (encoded(subscriberIdentifier="460000990123698"), "MANDATORY_IE_INCORRECT"),
        (encoded(subscriberIdentifier=7), "MANDATORY_IE_INCORRECT"),
    ],
)
def test_what_identifies_it_must_be_right(body: bytes, cause: str) -> None:
    with pytest.raises(Problem) as raised:
        read(body, NOW)
    assert (raised.value.status, raised.value.cause) == (400, cause)


def test_a_request_that_comes_again_has_the_same_reference() -> None:
    for stored in (True, False):
        bucket, ref = ref_of(1, read(encoded(), NOW), stored=stored)
        assert (bucket, ref) == ref_of(1, read(encoded(retransmissionIndicator=True), NOW), stored=stored)
        assert bucket == bucket_of("460000990123698") == bucket_of_ref(ref)
        asked = (2, encoded()), (1, encoded(chargingId=2))
        assert ref not in [ref_of(element, read(body, NOW), stored=stored)[1] for element, body in asked]
        assert is_unstored(1, ref) is not stored
        assert not is_unstored(2, ref)
    assert [bucket_of_ref(text) for text in ("", "x" * 32, ref.upper() + "0", ref[:-1])] == [None] * 4


def test_units_for_who_asks_and_none_for_who_is_denied() -> None:
    told = read(encoded(), NOW)
    assert units(told, NOW, octets=10, seconds=60) == {
        "invocationTimeStamp": "2026-11-21T00:00:00Z",
        "invocationSequenceNumber": 0,
        "multipleUnitInformation": [
            {"ratingGroup": 1, "resultCode": "SUCCESS", "grantedUnit": {"totalVolume": 10}, "validityTime": 60}
        ],
    }
    (denied,) = units(told, NOW, octets=10, seconds=60, denied=True)["multipleUnitInformation"]
    assert denied == {
        "ratingGroup": 1,
        "resultCode": "END_USER_SERVICE_DENIED",
        "finalUnitIndication": {"finalUnitAction": "TERMINATE"},
    }
