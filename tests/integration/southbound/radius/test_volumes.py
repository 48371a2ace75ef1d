"""What sessions used, and the devices that are found by their addresses: from packets to what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.integration.southbound.radius.mobile import HOME, Mobile, seconds
from tests.support.world import ACCOUNT, imsi

from simwarden.domain.identifiers import full_imei
from simwarden.domain.session import MOST_OCTETS, Octets
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import AccountingStatus
from simwarden.southbound.radius.codec import Attribute, Vendor3gpp
from simwarden.store import sessions, volumes
from simwarden.store.sims import Sims

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim

START, STOP, INTERIM = AccountingStatus.START, AccountingStatus.STOP, AccountingStatus.INTERIM


def octets(up: int, down: int = 0) -> tuple[bytes, ...]:
    return (
        codec.integer(Attribute.ACCT_INPUT_OCTETS, up & 0xFFFFFFFF),
        codec.integer(Attribute.ACCT_INPUT_GIGAWORDS, up >> 32),
        codec.integer(Attribute.ACCT_OUTPUT_OCTETS, down),
    )


def attached(address: bytes, *, prefix: bytes = b"", rat: int = 6) -> tuple[bytes, ...]:
    more = (codec.attribute(Attribute.FRAMED_IPV6_PREFIX, b"\x00\x40" + prefix),) if prefix else ()
    return (
        codec.attribute(Attribute.FRAMED_IP_ADDRESS, address),
        codec.attribute(Attribute.CALLED_STATION_ID, b"iot.example"),
        codec.vendor_attribute(Vendor3gpp.RAT_TYPE, bytes([rat])),
        *more,
    )


async def report(mobile: Mobile, status: AccountingStatus, session: str, *more: bytes, card: int = 1, at: int) -> None:
    serial = full_imei(HOME) + "1"
    await mobile.nas.account(status, session, imsi=imsi(card), imei=serial, at=at, more=more)


async def used(mobile: Mobile, sim: Sim) -> Octets:
    day = timedelta(days=1)
    now = datetime.now(UTC)
    return await volumes.total(mobile.world.db, sim, now - day, now + day)


async def test_octets_count_once_through_losses_retransmissions_and_disorder(mobile: Mobile) -> None:
    began, gib = seconds() - 600, 1 << 30
    await report(mobile, START, "S1", *attached(b"\x0a\x2d\x00\x07"), at=began)
    await report(mobile, INTERIM, "S1", *octets(2 * gib, 10), at=began + 120)  # that of 60 s was lost
    await report(mobile, INTERIM, "S1", *octets(gib, 5), at=began + 60)  # and comes after all
    for _ in range(3):  # sent again with new Identifiers
        await report(mobile, INTERIM, "S1", *octets(5 * gib, 20), at=began + 180)
    await report(mobile, STOP, "S1", *octets(5 * gib + 7, 21), at=began + 240)
    await report(mobile, INTERIM, "S1", *octets(4 * gib, 15), at=began + 150)
    sim = await mobile.world.sim(1)
    assert await used(mobile, sim) == Octets(5 * gib + 7, 21)
    found = await sessions.newest_of_sim(mobile.world.db, sim)
    assert found is not None
    assert (found.up, found.down, found.apn, found.rat, found.is_live) == (
        *(5 * gib + 7, 21, "iot.example", "EUTRA"),
        False,
    )
    ever = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    hours = await volumes.of_sim(mobile.world.db, sim, *ever)
    assert sum(hour.octets.up for hour in hours) == 5 * gib + 7
    assert int(max(hour.at for hour in hours).timestamp()) == began + 240


async def test_a_deleted_sim_leaves_no_volumes(mobile: Mobile) -> None:
    await report(mobile, START, "S1", at=seconds() - 60)
    await report(mobile, INTERIM, "S1", *octets(1000), at=seconds())
    assert len(await mobile.world.written("data_volume")) == 1
    async with mobile.world.db.transaction() as connection:
        await volumes.forget(connection, [imsi(1)])
    assert await mobile.world.written("data_volume") == []


async def test_volumes_are_kept_for_their_time(mobile: Mobile) -> None:
    await report(mobile, START, "S1", at=seconds() - 60)
    await report(mobile, INTERIM, "S1", *octets(1000), at=seconds())
    now = datetime.now(UTC)
    assert await volumes.prune(mobile.world.db, now - timedelta(days=1), 100) == 0
    assert await volumes.prune(mobile.world.db, now + timedelta(days=1), 100) == 1


async def test_a_device_is_found_by_the_address_of_its_session(mobile: Mobile) -> None:
    """While the session lives, and by nobody but the account of its SIM."""
    world, began = mobile.world, seconds() - 600
    await world.card(2)
    prefix = bytes.fromhex("20010db800010002")
    await report(mobile, START, "S1", *attached(b"\x0a\x2d\x00\x07", prefix=prefix), at=began)

    async def found(kind: IdentifierKind, value: str, account: str = ACCOUNT) -> str | None:
        sim = await Sims(world.db).find(account, SimRef(kind, value))
        return None if sim is None else sim.imsi

    four, six = IdentifierKind.IPV4, IdentifierKind.IPV6
    assert await found(four, "10.45.0.7:49152") == imsi(1)
    assert await found(four, "10.45.0.7/10.45.0.7") == imsi(1)
    assert await found(four, "203.0.113.9/10.45.0.7") is None, "which NAT that is nobody knows"
    assert await found(six, "2001:db8:1:2::17") == imsi(1)
    assert await found(six, "2001:db8:1:3::17") is None
    assert await found(four, "10.45.0.7:49152", "another") is None
    await report(mobile, START, "S2", *attached(b"\x0a\x2d\x00\x07"), card=2, at=began + 60)
    assert await found(four, "10.45.0.7:49152") == imsi(2), "whose Stop was lost has the address no more"
    await report(mobile, STOP, "S2", card=2, at=began + 120)
    await report(mobile, STOP, "S1", at=began + 120)
    assert await found(four, "10.45.0.7:49152") is None
    assert await found(six, "2001:db8:1:2::17") is None


async def test_an_address_that_two_networks_gave_names_nobody(mobile: Mobile) -> None:
    world, began = mobile.world, seconds() - 600
    await report(mobile, START, "S1", *attached(b"\x0a\x2d\x00\x07"), at=began)
    ref = SimRef(IdentifierKind.IPV4, "10.45.0.7:1")
    assert await Sims(world.db).find(ACCOUNT, ref) is not None
    other, _ = await world.gateways.add("pgw-2", kind="radius", command_url=None, username=None, password="secret-of-2")
    await world.db.execute(
        "insert into session (bucket, imsi, gateway_id, key, began_at, seen_at, ipv4)"
        " select bucket, imsi, $1, key, began_at, seen_at, ipv4 from session",
        other,
    )
    assert await Sims(world.db).find(ACCOUNT, ref) is None


async def test_what_nobody_can_have_used_stays_within_the_table(mobile: Mobile) -> None:
    """Neither in one session, nor in sessions that begin again and again within an hour."""
    began, most = (seconds() - 60) // 3600 * 3600, MOST_OCTETS
    for n in range(3):
        await report(mobile, START, f"S{n}", at=began)
        await report(mobile, INTERIM, f"S{n}", *octets(most), at=began + 1)
        await report(mobile, INTERIM, f"S{n}", *octets(1 << 63), at=began + 2)
    assert await used(mobile, await mobile.world.sim(1)) == Octets(most, 0)
    assert sum(tally.sessions.get("unbelievable", 0) for tally in mobile.world.tallies) >= 3
