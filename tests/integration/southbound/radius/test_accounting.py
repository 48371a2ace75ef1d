"""Accounting of a NAS, from the packet to the event that explains it, on a real database."""

from __future__ import annotations

from tests.integration.southbound.radius.mobile import HOME, OTHER, Mobile, seconds, until
from tests.support.nas import accounting
from tests.support.world import imsi

from simwarden.domain.events import EventType
from simwarden.domain.identifiers import full_imei
from simwarden.engine.explain import explain
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Code, Vendor3gpp
from simwarden.store import sites
from simwarden.store.places import Places

START, STOP, INTERIM = AccountingStatus.START, AccountingStatus.STOP, AccountingStatus.INTERIM
ON = AccountingStatus.ON


async def test_a_bound_sim_in_a_wrong_device_is_barred_and_explained(mobile: Mobile) -> None:
    await mobile.tell(START, "S1", OTHER)
    assert await mobile.world.barred(1)
    found = await explain(mobile.world.db, mobile.world.gateways, await mobile.world.sim(1))
    assert found.device == full_imei(OTHER)
    differed = next(step for step in found.chain if step.type == "BINDING_DIFFERED")
    assert differed.cause["source"] == "pgw-1"
    assert differed.cause["message"] == "accounting-start"
    assert differed.cause["reference"] == "session S1"


async def test_at_home_again_the_bar_is_lifted_at_once(mobile: Mobile) -> None:
    began = seconds() - 60
    await mobile.tell(START, "S1", OTHER, began)
    await mobile.tell(STOP, "S1", OTHER, began + 10)
    await mobile.tell(START, "S2", HOME, began + 20)
    assert not await mobile.world.barred(1)
    assert await mobile.live() == ["S2"]


async def test_packets_out_of_order_end_as_in_order(mobile: Mobile) -> None:
    began = seconds() - 60
    await mobile.tell(START, "S2", OTHER, began + 20)
    await mobile.tell(STOP, "S1", HOME, began + 10)
    await mobile.tell(INTERIM, "S1", HOME, began + 30)
    await mobile.tell(START, "S1", HOME, began)
    assert await mobile.world.barred(1)
    assert await mobile.live() == ["S2"]


async def test_a_restart_of_the_nas_ends_its_sessions(mobile: Mobile) -> None:
    began = seconds() - 60
    await mobile.tell(START, "S1", HOME, began)
    await mobile.nas.account(ON, at=began + 10)
    assert await mobile.live() == []
    await mobile.tell(INTERIM, "S1", HOME, began + 20)
    assert await mobile.live() == []


async def test_what_is_sent_again_counts_once(mobile: Mobile) -> None:
    packet = mobile.nas.packet(accounting(START, "S1", imsi=imsi(1), imei=full_imei(OTHER) + "1", at=seconds()))
    first = await mobile.nas.ask(packet)
    assert await mobile.nas.ask(packet) == first
    await mobile.tell(START, "S1", OTHER, int.from_bytes(packet[40:44], "big"))  # the same with another Identifier
    assert await mobile.world.count(1, EventType.BINDING_DIFFERED) == 1
    assert sum(tally.sessions.get("began", 0) for tally in mobile.world.tallies) == 1
    assert mobile.counted["duplicate", ""] >= 1


async def test_an_answer_that_was_never_sent_makes_nothing_twice(mobile: Mobile) -> None:
    """A worker dies after its commit and before its answer; another one gets the packet again."""
    packet = mobile.nas.packet(accounting(START, "S1", imsi=imsi(1), imei=full_imei(OTHER) + "1", at=seconds()))
    mobile.source.receiver._send = lambda answer, address: None  # type: ignore[method-assign]
    mobile.nas.send(packet)
    await until(lambda: mobile.counted["accepted", "start"] == 1)
    dead = mobile.source
    await dead.stop()
    await mobile.start(mobile.another_source())
    await mobile.nas.ask(packet)
    assert mobile.counted["accepted", "start"] == 2
    assert await mobile.world.count(1, EventType.BINDING_DIFFERED) == 1
    assert [tally.sessions for tally in mobile.world.tallies] == [{"began": 1}, {"repeated": 1}]


async def test_garbage_and_forged_packets_change_nothing(mobile: Mobile) -> None:
    before = await mobile.world.written("sim")
    start = accounting(START, "S1", imsi=imsi(1), imei=full_imei(OTHER) + "1", at=seconds())
    for data, reason in (
        (b"\0" * 40, "length"),
        (mobile.nas.packet(start, b"another secret"), "forged"),
        (mobile.nas.packet([*start, b"\x01\x01"]), "attribute"),
        (codec.encode_request(Code.DISCONNECT_REQUEST, 1, start, mobile.nas.secret), "code"),
    ):
        mobile.nas.send(data)
        await until(lambda reason=reason: mobile.counted[reason, ""] == 1)  # type: ignore[misc]
    await mobile.source.stop()  # what is kept for inspection is kept by then
    assert await mobile.world.written("sim") == before
    assert await mobile.world.written("session") == []
    kept = await mobile.world.gateways.rejects("pgw-1", 10)
    assert "The packet was not made with the secret of this NAS" in {reject["reason"] for reject in kept}
    assert len(kept) == 4


async def test_who_is_not_registered_gets_silence(mobile: Mobile) -> None:
    await mobile.world.db.execute("update gateway set source_addresses = '{192.0.2.1/32}'")
    await mobile.source._book.turn()
    mobile.nas.send(mobile.nas.packet(accounting(START, "S1", imsi=imsi(1))))
    await until(lambda: mobile.counted["unknown_source", ""] == 1)
    assert await mobile.world.written("session") == []


async def test_sims_of_others_are_answered_and_leave_nothing(mobile: Mobile) -> None:
    await mobile.nas.account(START, "X", imsi="999990000000001", at=seconds())
    await mobile.nas.ask(mobile.nas.packet(accounting(9)))  # Tunnel-Start
    assert mobile.counted == {("accepted", "start"): 1, ("accepted", "other"): 1}
    assert await mobile.world.written("session") == []


async def test_the_cell_of_a_packet_is_where_the_sim_is(mobile: Mobile) -> None:
    """From the octets of 3GPP-User-Location-Info to the place that the APIs answer."""
    world, began = mobile.world, seconds() - 60
    async with world.db.transaction() as connection:
        await sites.add_cells(connection, [("ecgi:46000-0012345", 39.9, 116.4, 800.0)], world.clock())
    location = codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO, bytes.fromhex("8264f000123464f00000012345"))
    serial = full_imei(HOME) + "1"
    await mobile.nas.account(START, "S1", imsi=imsi(1), imei=serial, at=began, more=(location,))
    place = await Places(world.db).place(await world.sim(1))
    assert place is not None
    assert (place.ref, place.latitude, place.radius) == ("ecgi:46000-0012345", 39.9, 800.0)
    assert int(place.at.timestamp()) == began
    broken = codec.vendor_attribute(Vendor3gpp.USER_LOCATION_INFO, b"\x82\x64")
    await mobile.nas.account(INTERIM, "S1", imsi=imsi(1), imei=serial, at=began + 30, lasted=30, more=(broken,))
    assert await Places(world.db).place(await world.sim(1)) == place, "a cell that cannot be read says nothing"
