"""Access-Requests: decided on device, place, bars, lifecycle and access point, before a session exists."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile, seconds, until
from tests.support.nas import access
from tests.support.world import imsi

from simwarden.domain.area import Circle
from simwarden.domain.equipment import DeviceList, ListedDevice
from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import full_imei
from simwarden.domain.rules.area import LimitArea
from simwarden.domain.rules.functions import FunctionState, SetApn, SetFunctions
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import BarCause, Function
from simwarden.engine.explain import explain
from simwarden.kit.clock import now_utc
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Attribute, Code, Vendor3gpp
from simwarden.store import sessions, sites
from simwarden.store.listed_devices import ListedDevices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.domain.command import Command
    from simwarden.domain.reports import Report
    from simwarden.southbound.radius.codec import Packet

START, STOP, INTERIM = AccountingStatus.START, AccountingStatus.STOP, AccountingStatus.INTERIM
APN = codec.attribute(Attribute.CALLED_STATION_ID, b"iot.example")
OTHER_APN = codec.attribute(Attribute.CALLED_STATION_ID, b"camera.example")
CLOSED, OPEN = FunctionState.CLOSED, FunctionState.OPEN


def why(answer: Packet) -> str | None:
    """The reason of a rejection; None: it was accepted."""
    return answer.text(Attribute.REPLY_MESSAGE) if answer.code == Code.ACCESS_REJECT else None


async def ask(mobile: Mobile, imei: str | None = HOME, card: int = 1, **more: object) -> str | None:
    """Why the card may not begin a session; None: it may."""
    serial = None if imei is None else full_imei(imei) + "1"
    return why(await mobile.nas.access(imsi(card), imei=serial, **more))


async def test_a_wrong_device_is_refused_and_the_right_one_let_in_again(mobile: Mobile) -> None:
    """Each question is a sighting: it raises the bar that refuses it, and lifts it."""
    assert await ask(mobile) is None
    assert await ask(mobile, OTHER) == "IMEI_MISMATCH"
    assert (await mobile.world.sim(1)).bar(BarCause.IMEI_MISMATCH) is not None
    found = await explain(mobile.world.db, mobile.world.gateways, await mobile.world.sim(1))
    assert found.device == full_imei(OTHER)
    assert next(step for step in found.chain if step.type == "BINDING_DIFFERED").cause["message"] == "access-request"
    assert await ask(mobile) is None
    assert not await mobile.world.barred(1)
    assert mobile.counted["accepted", "access"] == 2
    assert mobile.counted["rejected", "access"] == 1
    assert await mobile.live() == [], "an admission is no session"


async def test_a_wrong_device_is_refused_whose_gateway_has_a_slow_clock(mobile: Mobile) -> None:
    """Its sighting is older than the newest one, and changes nothing; as a packet that was caught and sent anew."""
    now = seconds()
    assert await ask(mobile, at=now) is None
    assert await ask(mobile, OTHER, at=now - 400) == "IMEI_MISMATCH"
    assert not await mobile.world.barred(1)
    assert await ask(mobile, at=now - 400) is None
    assert await ask(mobile, OTHER, at=now) == "IMEI_MISMATCH"
    assert await mobile.world.barred(1)
    assert await ask(mobile, at=now - 400) == "IMEI_MISMATCH", "what is known to be newer counts"


async def test_a_listed_device_is_refused_with_any_sim_and_bars_none(mobile: Mobile) -> None:
    world, lists = mobile.world, ListedDevices(mobile.world.db)
    await lists.put([ListedDevice(list=DeviceList.STOLEN, imei=HOME)], now_utc())
    assert await ask(mobile) == "DEVICE_LISTED STOLEN"
    unknown = await mobile.nas.access("999990000000001", imei=full_imei(HOME) + "1")
    assert why(unknown) == "DEVICE_LISTED STOLEN"
    assert not await world.barred(1)
    found = await explain(world.db, world.gateways, await world.sim(1))
    assert (found.device, found.device_kept_out_by) == (full_imei(HOME), ["STOLEN"])
    assert await ask(mobile, OTHER) == "IMEI_MISMATCH", "what the SIM itself may not comes first"
    await lists.put([ListedDevice(list=DeviceList.TRACKED, imei=HOME)], now_utc())
    assert await lists.remove(DeviceList.STOLEN, HOME)
    assert await ask(mobile) is None, "a tracked device is let in"
    found = await explain(world.db, world.gateways, await world.sim(1))
    assert found.device_kept_out_by == []


async def test_a_session_that_begins_elsewhere_in_the_same_second_is_newer(mobile: Mobile) -> None:
    """Accounting counts in seconds; a question that says no time is of the second in which it came."""
    for number in range(3):  # should a second begin in between
        assert await ask(mobile) is None
        await mobile.tell(START, f"S{number}", OTHER, seconds())
        assert await mobile.world.barred(1)


async def test_only_a_question_that_shows_something_new_waits_for_a_commit(
    mobile: Mobile, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO, bytes.fromhex("8264f000123464f00000012345"))
    elsewhere = codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO, bytes.fromhex("8264f000123464f00000012346"))
    now = seconds()
    assert await ask(mobile, more=(cell,), at=now - 30) is None
    may_write, write = asyncio.Event(), mobile.world.ingest.write

    async def later(reports: Sequence[Report]) -> None:
        await may_write.wait()
        await write(reports)

    monkeypatch.setattr(mobile.world.ingest, "write", later)
    try:
        assert await ask(mobile, more=(cell,), at=now - 20) is None, (
            "the same again is answered while nothing can be written"
        )
        new = [
            mobile.nas.proved(access(imsi(1), imei=full_imei(HOME) + "1", at=now - 10, more=(elsewhere,))),
            mobile.nas.proved(access(imsi(1), imei=full_imei(OTHER) + "1", at=now - 5, more=(cell,))),
        ]
        for packet in new:
            mobile.nas.send(packet)
        await until(lambda: len(mobile.source.exchange._in_work) == len(new))
        assert mobile.counted["accepted", "access"] == 2
        assert mobile.counted["rejected", "access"] == 0
    finally:
        may_write.set()
    await mobile.nas.ask(new[0])
    assert why(await mobile.nas.ask(new[1])) == "IMEI_MISMATCH"


async def test_the_decision_comes_back_with_the_session(mobile: Mobile) -> None:
    accepted = await mobile.nas.access(imsi(1), imei=full_imei(HOME) + "1")
    decision = codec.attribute(Attribute.CLASS, accepted.attributes[Attribute.CLASS])
    foreign = codec.attribute(Attribute.CLASS, b"of another server")
    await mobile.nas.account(START, "S1", imsi=imsi(1), at=seconds(), more=(foreign, decision))
    found = await sessions.newest_of_sim(mobile.world.db, await mobile.world.sim(1))
    assert found is not None
    assert found.decision is not None
    assert found.decision.startswith("simwarden;event=")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (SetFunctions(CLOSED, Function.DATA), "CLOSED_BY_CUSTOMER"),
        (SetFunctions(CLOSED, Function.VOICE | Function.SMS), None),
        (Transition(Step.SUSPEND), "NOT_ACTIVE SUSPENDED"),
    ],
)
async def test_what_keeps_data_off_refuses_a_session(mobile: Mobile, command: Command, reason: str | None) -> None:
    await mobile.world.do(1, command)
    assert await ask(mobile) == reason


async def test_a_closed_access_point_is_refused_alone(mobile: Mobile) -> None:
    await mobile.world.do(1, SetApn(CLOSED, "IOT.example"))
    assert await ask(mobile, apn="iot.example.mnc000.mcc460.gprs") == "APN_CLOSED iot.example"
    assert await ask(mobile, apn="camera.example") is None
    assert await ask(mobile) is None, "which access point that is nobody said"
    await mobile.world.do(1, SetApn(OPEN, "iot.example"))
    assert await ask(mobile, apn="iot.example") is None


async def test_outside_of_its_area_a_sim_is_refused(mobile: Mobile) -> None:
    world = mobile.world
    async with world.db.transaction() as connection:
        cells = [("ecgi:46000-0012345", 52.5, 13.4, 800.0), ("ecgi:46000-0000001", 48.1, 11.5, 800.0)]
        await sites.add_cells(connection, cells, world.clock())
    await world.do(1, LimitArea(Circle(52.5, 13.4, 10_000)))

    def at(cell: str) -> tuple[bytes, ...]:
        return (codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO, bytes.fromhex(f"8164f000{cell}")),)

    assert await ask(mobile, more=at("00012345"), at=seconds() - 3) is None
    assert await ask(mobile, more=at("00000001"), at=seconds() - 2) == "AREA_EXIT"
    assert await ask(mobile, more=at("00012345"), at=seconds() - 1) is None


async def test_unknown_sims_are_refused_and_those_of_others_alike(mobile: Mobile) -> None:
    world = mobile.world
    assert why(await mobile.nas.access("999990000000001")) == "UNKNOWN_SIM"
    assert why(await mobile.nas.access()) == "UNKNOWN_SIM"
    await world.db.execute("update gateway set account_id = 'other'")
    assert await ask(mobile, OTHER) == "UNKNOWN_SIM"
    assert not await world.barred(1), "a NAS of another account has no say"


async def test_unknown_sims_are_let_in_where_that_is_set(mobile: Mobile) -> None:
    await mobile.source.stop()
    await mobile.start(mobile.another_source(radius_unknown_sims="accept", radius_interim_interval=600))
    answer = await mobile.nas.access("999990000000001")
    assert why(answer) is None
    assert answer.integer(Attribute.ACCT_INTERIM_INTERVAL) == 600
    assert Attribute.CLASS not in answer.attributes
    assert await ask(mobile, OTHER) == "IMEI_MISMATCH"


async def test_a_sim_is_known_by_its_number_where_no_imsi_comes(mobile: Mobile) -> None:
    await mobile.world.db.execute(
        "insert into sim_identifier select 'msisdn', '+8613715266978', bucket, imsi, account_id from sim"
    )
    number = (codec.attribute(Attribute.CALLING_STATION_ID, b"8613715266978"),)
    serial = full_imei(OTHER) + "1"
    assert why(await mobile.nas.access(imei=serial, more=number)) == "IMEI_MISMATCH"


@pytest.mark.parametrize("setting", ["drop", "reject"])
async def test_nobody_is_let_in_while_the_database_is_away(
    mobile: Mobile, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await mobile.source.stop()
    await mobile.start(mobile.another_source(radius_when_unavailable=setting))

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(mobile.world.ingest, "submit", away)
        packet = mobile.nas.proved(access(imsi(1), imei=full_imei(HOME) + "1"))
        if setting == "reject":
            assert why(await mobile.nas.ask(packet)) == "UNAVAILABLE"
        else:
            mobile.nas.send(packet)
        await until(lambda: mobile.counted["unavailable", "access"] == 1)
    assert await ask(mobile) is None


async def test_a_bar_refuses_first_and_then_ends_the_session(mobile: Mobile) -> None:
    """While the NAS does not end it, nothing new begins."""
    world, usual = mobile.world, mobile.nas._on_disconnect
    mobile.nas._on_disconnect = lambda _packet: None
    await mobile.tell(START, "S1", HOME)
    await world.start_enforcement(driver_for=mobile.driver_for)
    await world.do(1, SetFunctions(CLOSED, Function.DATA))
    assert await ask(mobile) == "CLOSED_BY_CUSTOMER"
    await until(lambda: len(mobile.nas.disconnects) >= 2)
    assert mobile.nas.live == {"S1"}
    mobile.nas._on_disconnect = usual
    await world.eventually(lambda: world.enforced(1))
    assert mobile.nas.live == set()
    assert await ask(mobile) == "CLOSED_BY_CUSTOMER"


async def test_a_closed_access_point_loses_its_session_and_the_other_keeps_it(mobile: Mobile) -> None:
    world, began = mobile.world, seconds() - 10
    serial = full_imei(HOME) + "1"
    await mobile.nas.account(START, "S1", imsi=imsi(1), imei=serial, at=began, more=(APN,))
    await mobile.nas.account(START, "S2", imsi=imsi(1), imei=serial, at=began + 1, more=(OTHER_APN,))
    await world.start_enforcement(driver_for=mobile.driver_for)
    await world.do(1, SetApn(CLOSED, "iot.example"))
    assert await ask(mobile, apn="iot.example") == "APN_CLOSED iot.example"
    await world.eventually(lambda: world.enforced(1))
    assert mobile.nas.live == {"S2"}
    found = await explain(world.db, world.gateways, await world.sim(1))
    assert [(view.apn, view.enforcement) for view in found.closed_apns] == [("iot.example", "APPLIED")]
    assert [view.enforcement for view in found.functions if view.function == "DATA"] == ["APPLIED"]

    await mobile.nas.account(START, "S3", imsi=imsi(1), imei=serial, at=seconds(), more=(APN,))  # let in by another
    await until(lambda: mobile.nas.live == {"S2"})
    await world.do(1, SetFunctions(CLOSED, Function.DATA))
    await world.eventually(lambda: world.enforced(1))
    assert mobile.nas.live == set()
    await world.do(1, SetFunctions(OPEN, Function.DATA))
    await world.do(1, SetApn(OPEN, "iot.example"))
    await world.eventually(lambda: world.enforced(1))
    await mobile.nas.account(START, "S4", imsi=imsi(1), imei=serial, at=seconds(), more=(APN,))
    assert await world.enforced(1)
    assert mobile.nas.live == {"S4"}
    assert await world.count(1, EventType.ENFORCEMENT_FAILED) == 0


async def test_an_element_that_invents_access_points_fills_no_table(mobile: Mobile) -> None:
    began = seconds() - 100
    for number in range(40):
        apn = codec.attribute(Attribute.CALLED_STATION_ID, b"apn%d.example" % number)
        await mobile.nas.account(START, f"S{number}", imsi=imsi(1), at=began + number, more=(apn,))
    assert len(await mobile.world.attached(1)) == 32
