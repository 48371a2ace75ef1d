"""What follows from what network elements show of a SIM."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from simwarden.domain.identifiers import bucket_of
from simwarden.domain.sim import Bar, BarCause, Function, Lifecycle, Seen, Sim
from simwarden.domain.standing import (
    Reach,
    ShownSession,
    ShownSlot,
    Standing,
    confirmed_at,
    reachability,
    serving,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
IMSI = "460001234567890"
IMEI = "35209900176148"
SIM = Sim(bucket=bucket_of(IMSI), imsi=IMSI, account_id="acme", seen=Seen(NOW - 5 * MINUTE, IMEI))


def slot(**changes: Any) -> ShownSlot:
    made = ShownSlot(status=3, plmn="46000", imei=IMEI, at=NOW - MINUTE, heard_at=NOW - MINUTE, period=MINUTE)
    return msgspec.structs.replace(made, **changes)


def session(**changes: Any) -> ShownSession:
    made = ShownSession(
        live=True, at=NOW - 3 * MINUTE, plmn="46000", imei=IMEI, svn="07", heard_at=NOW - MINUTE, period=MINUTE
    )
    return msgspec.structs.replace(made, **changes)


def barred(functions: Function, at: datetime = NOW - 2 * MINUTE) -> Sim:
    return msgspec.structs.replace(SIM, bars=(Bar(BarCause.QUOTA, int(functions), at, 2),))


@pytest.mark.parametrize(
    ("shown", "data", "sms", "reach"),
    [
        (Standing(slot()), None, True, Reach.SMS),
        (Standing(slot(status=4)), None, True, Reach.SMS),
        *((Standing(slot(status=code)), None, False, Reach.DISCONNECTED) for code in (0, 1, 2, 5, 6, 7, 8, 12, None)),
        (Standing(None, session()), True, None, Reach.DATA),
        (Standing(None, session(live=False)), False, None, Reach.DISCONNECTED),
        (Standing(slot(), session()), True, True, Reach.DATA),
        (Standing(slot(), session(live=False)), False, True, Reach.SMS),
        (Standing(slot(status=12), session()), True, False, Reach.DATA),
    ],
)
def test_what_is_shown_can_be_reached(shown: Standing, data: bool | None, sms: bool | None, reach: Reach) -> None:
    found = reachability(SIM, shown, NOW)
    assert found is not None
    assert (found.data, found.sms, found.reach) == (data, sms, reach)


def test_what_nothing_shows_is_not_said_to_be_unreachable() -> None:
    assert reachability(SIM, Standing(), NOW) is None
    assert serving(SIM, Standing()) is None


@pytest.mark.parametrize(
    ("functions", "reach"),
    [
        (Function.SMS, Reach.DATA),
        (Function.DATA, Reach.SMS),
        (Function.DATA | Function.SMS, Reach.DISCONNECTED),
        (Function.VOICE, Reach.DATA),
    ],
)
def test_a_barred_function_cannot_be_reached(functions: Function, reach: Reach) -> None:
    found = reachability(barred(functions), Standing(slot(), session()), NOW)
    assert found is not None
    assert found.reach is reach


def test_what_was_barred_later_than_it_was_shown_is_known_since_then() -> None:
    everything = Function.DATA | Function.SMS | Function.VOICE
    found = reachability(barred(everything, NOW - timedelta(seconds=5)), Standing(slot(), session()), NOW)
    assert found is not None
    assert (found.reach, found.at) == (Reach.DISCONNECTED, NOW - timedelta(seconds=5))


def test_a_sim_that_is_not_active_cannot_be_reached() -> None:
    since = NOW - timedelta(seconds=7)
    suspended = msgspec.structs.replace(SIM, lifecycle=Lifecycle.SUSPENDED, lifecycle_since=since)
    found = reachability(suspended, Standing(slot(), session()), NOW)
    assert found is not None
    assert (found.data, found.sms, found.at) == (False, False, since)


@pytest.mark.parametrize(("silent", "reach"), [(2 * MINUTE, Reach.DATA), (2.1 * MINUTE, Reach.DISCONNECTED)])
def test_a_silent_element_makes_the_status_an_old_one(silent: timedelta, reach: Reach) -> None:
    at = NOW - 10 * MINUTE
    shown = Standing(slot(at=at, heard_at=NOW - silent), session(at=at, heard_at=NOW - silent))
    found = reachability(SIM, shown, NOW)
    assert found is not None
    assert (found.reach, found.at) == (reach, at)


def test_the_time_is_that_of_what_tells() -> None:
    found = reachability(SIM, Standing(slot(status=12, at=NOW), session(at=NOW - 3 * MINUTE)), NOW)
    assert found is not None
    assert found.at == NOW - 3 * MINUTE  # it is reachable as its session shows, whatever the slot said since
    found = reachability(SIM, Standing(slot(at=NOW + MINUTE)), NOW)
    assert found is not None
    assert found.at == NOW


@pytest.mark.parametrize(
    ("shown", "plmn", "roaming"),
    [
        (Standing(slot()), "46000", False),
        (Standing(slot(plmn="20801")), "20801", True),
        (Standing(slot(plmn="20801"), session()), "20801", True),  # the slot was shown later
        (Standing(slot(plmn="20801", at=NOW - 9 * MINUTE), session()), "46000", False),
        (Standing(slot(plmn=None), session(plmn="20801")), "20801", True),
        (Standing(None, session(live=False, plmn="20801")), "20801", True),
        (Standing(slot(status=2, plmn="46000"), session(plmn="20801")), "20801", True),
        (Standing(slot(plmn="46001")), "46001", True),
    ],
)
def test_the_serving_network_is_the_one_that_was_shown_last(shown: Standing, plmn: str, roaming: bool) -> None:
    found = serving(SIM, shown)
    assert found is not None
    assert (found.plmn, found.roaming) == (plmn, roaming)


def test_networks_that_are_named_are_home() -> None:
    found = serving(SIM, Standing(slot(plmn="46001")), ("46001",))
    assert found is not None
    assert not found.roaming
    found = serving(SIM, Standing(slot(plmn="34001")))
    assert found is not None
    assert (found.mcc, found.countries) == ("340", ("BL", "GF", "GP", "MF", "MQ"))


def test_a_device_is_confirmed_by_whoever_shows_it() -> None:
    assert confirmed_at(SIM, Standing()) == NOW - 5 * MINUTE
    assert confirmed_at(SIM, Standing(slot(), session())) == NOW - MINUTE
    assert confirmed_at(SIM, Standing(slot(imei=None), session(imei=IMEI[::-1]))) == NOW - 5 * MINUTE
    unknown = msgspec.structs.replace(SIM, seen=Seen(NOW, IMEI, unknown=True))
    assert confirmed_at(unknown, Standing(slot())) is None
    assert confirmed_at(msgspec.structs.replace(SIM, seen=None), Standing(slot())) is None
