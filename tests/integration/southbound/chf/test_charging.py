"""A virtual SMF before the source as the server builds it, over HTTP/2, on a real database."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.support.fixtures import world, world_database
from tests.support.patience import PATIENCE
from tests.support.smf import VirtualSmf
from tests.support.world import START, World, device, imsi

from simwarden.demo.processes import free_port
from simwarden.domain.equipment import DeviceList, ListedDevice
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.rules.functions import FunctionState, SetApn, SetFunctions
from simwarden.domain.session import Octets, Session
from simwarden.domain.sim import BindingState, Function
from simwarden.edge.throttle import Allowance
from simwarden.engine.ports import CommandFailed, TargetState
from simwarden.kit.clock import now_utc
from simwarden.northbound.connected_network_type.part import ReportedConnections
from simwarden.southbound.chf.settings import ChfSettings
from simwarden.southbound.chf.source import SOURCE, ChfSource
from simwarden.southbound.sbi.client import SbiClient
from simwarden.southbound.sbi.listener import SbiListener
from simwarden.southbound.source import SourceServices
from simwarden.store import sessions, volumes
from simwarden.store.charging import MOST
from simwarden.store.listed_devices import ListedDevices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import aiohttp

__all__ = ["world", "world_database"]

WHERE = {
    "nrLocation": {
        "tai": {"plmnId": {"mcc": "460", "mnc": "00"}, "tac": "001234"},
        "ncgi": {"plmnId": {"mcc": "460", "mnc": "00"}, "nrCellId": "012345678"},
    }
}
GRANTED = [
    {"ratingGroup": 1, "resultCode": "SUCCESS", "grantedUnit": {"totalVolume": 1_000_000_000}, "validityTime": 3600}
]


class Core:
    """A world with an SMF, `smf-1`, that charges at `source`."""

    def __init__(self, world: World, **settings: Any) -> None:
        self.world = world
        self.counted: Counter[tuple[str, str]] = Counter()
        self.client = SbiClient(PATIENCE)
        self.port, own = free_port(), free_port()
        services = SourceServices(
            elements=world.gateways,
            ingest=world.ingest,
            db=world.db,
            session=cast("aiohttp.ClientSession", None),
            guesses=Allowance(1),
            counted=lambda *words: self.counted.update([words]),
            command_timeout=5.0,
        )
        self.source = cast("ChfSource", SOURCE.build(services, ChfSettings(chf_port=self.port, **settings)))
        self.smf = VirtualSmf(self.client, f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{own}")
        self.own = SbiListener(self.smf, "127.0.0.1", own)
        self.id = 0

    async def __aenter__(self) -> Core:
        found = [each.id for each in await self.world.gateways.of_kind(SOURCE.name)]
        self.id = found[0] if found else await self.register()
        await self.own.start()
        await self.source.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.world.stop_enforcement()
        await self.client.close()
        await self.source.stop()
        await self.own.stop()

    async def register(self) -> int:
        """Enter the SMF in the register."""
        id_, _ = await self.world.gateways.add(
            "smf-1",
            kind=SOURCE.name,
            command_url=None,
            username=None,
            password=None,
            source_addresses=["127.0.0.1/32"],
        )
        return id_

    async def used(self, card: int) -> Octets:
        """What is counted of a SIM."""
        now = now_utc()
        span = now - timedelta(hours=2), now + timedelta(hours=2)
        return await volumes.total(self.world.db, await self.world.sim(card), *span)

    async def live(self, card: int) -> list[Session]:
        """The sessions of a SIM that go on."""
        return await sessions.live_of_sim(self.world.db, await self.world.sim(card))

    async def rows(self) -> int:
        """Charging sessions that are open."""
        return int(await self.world.db.fetchval("select count(*) from charging_session"))


@pytest.fixture
async def core(world: World) -> AsyncIterator[Core]:
    """Card 1 is bound to device 1, card 2 is not bound; the world's clock stands at this machine's time."""
    world.clock.turn((now_utc() - START).total_seconds())
    await world.card(1, imei=device(1))
    await world.card(2)
    async with Core(world) as made:
        yield made


def pei(number: int) -> str:
    return f"imeisv-{device(number)}01"


async def until(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110 - the other side tells nobody
            await asyncio.sleep(0.01)


async def test_a_session_with_its_device_place_and_volumes(core: Core) -> None:
    session, created = await core.smf.begin(imsi(1), pei=pei(1), ipv4="10.45.0.7", where=WHERE)
    assert (created.status, created.body["multipleUnitInformation"]) == (201, GRANTED)
    (live,) = await core.live(1)
    assert (live.key, live.apn, live.rat, live.ipv4, live.plmn, live.imei, live.svn) == (
        *(session.ref, "iot", "NR", "10.45.0.7", "46000"),
        *(device(1), "01"),
    )
    seen = (await core.world.sim(1)).seen
    assert seen is not None
    assert seen.imei == device(1)
    cells = await core.world.db.fetch("select cell from sim_place where imsi = $1", imsi(1))
    assert [row["cell"] for row in cells] == ["ncgi:46000-012345678"]
    updated = await core.smf.report(session, 100, 2_000, rat="NBIOT")
    assert (updated.status, updated.body["multipleUnitInformation"]) == (200, GRANTED)
    assert (await core.smf.end(session, 1, 2)).status == 204
    assert await core.used(1) == Octets(101, 2_002)
    assert await core.live(1) == []
    assert await core.rows() == 0
    newest = await sessions.newest_of_sim(core.world.db, await core.world.sim(1))
    assert newest is not None
    assert (newest.rat, newest.up, newest.down) == ("NBIOT", 101, 2_002)
    assert core.counted == {("accepted", "create"): 1, ("accepted", "update"): 1, ("accepted", "release"): 1}


async def test_what_is_sent_again_counts_once(core: Core) -> None:
    smf = core.smf
    session, _ = await smf.begin(imsi(2), pei=pei(2))
    first = smf.request(session, (10, 20), wanted=True)
    second = smf.request(session, (1, 2), wanted=True)
    for body in (first, first | {"retransmissionIndicator": True}, second, second, first):
        assert (await smf.send(session, "update", body)).status == 200
    assert await core.used(2) == Octets(11, 22)
    last = smf.request(session, (5, 5))
    assert [(await smf.send(session, "release", last)).status for _ in range(2)] == [204, 404]
    assert await core.used(2) == Octets(16, 27)


async def test_a_create_that_is_sent_again_is_one_session(core: Core) -> None:
    smf = core.smf
    session, created = await smf.begin(imsi(2), pei=pei(2))
    session.invocations = 0
    body = smf.request(session, wanted=True)
    replies = [await core.client.send("POST", f"http://127.0.0.1:{core.port}{PATH}", body) for _ in range(2)]
    assert [reply.status for reply in replies] == [201, 201]
    assert replies[0].location == replies[1].location != created.location
    assert len(await core.live(2)) == 2


async def test_a_sim_in_a_foreign_device_gets_no_session(core: Core) -> None:
    session, created = await core.smf.begin(imsi(1), pei=pei(2))
    assert (created.status, created.body["cause"], session.ref) == (403, "END_USER_REQUEST_DENIED", None)
    assert await core.world.state(1) is BindingState.DIFFERED
    assert await core.live(1) == []
    assert await core.rows() == 0
    assert (await core.smf.begin(imsi(1), pei=pei(1)))[1].status == 201


async def test_a_listed_device_gets_no_session_and_its_sim_one_in_another(core: Core) -> None:
    lists = ListedDevices(core.world.db)
    await lists.put([ListedDevice(list=DeviceList.BLOCKED, tac=device(2)[:8], tac_last=device(2)[:8])], now_utc())
    _, created = await core.smf.begin(imsi(2), pei=pei(2))
    assert (created.status, created.body["title"]) == (403, "DEVICE_LISTED BLOCKED")
    assert await lists.remove(DeviceList.BLOCKED, f"{device(2)[:8]}-{device(2)[:8]}")
    assert (await core.smf.begin(imsi(2), pei=pei(2)))[1].status == 201
    assert not await core.world.barred(2)


async def test_a_bar_ends_the_session_and_its_units(core: Core) -> None:
    world, smf = core.world, core.smf
    session, _ = await smf.begin(imsi(2), pei=pei(2))
    enforcement = await world.start_enforcement(driver_for=core.source.driver)
    await world.do(2, SetFunctions(FunctionState.CLOSED, Function.DATA))
    enforcement.wake()
    await until(lambda: smf.told)
    assert smf.told[0] == (1, "ABORT_CHARGING")
    denied = await smf.report(session, 1, 1)
    (unit,) = denied.body["multipleUnitInformation"]
    assert (unit["resultCode"], unit["finalUnitIndication"]) == (
        "END_USER_SERVICE_DENIED",
        {"finalUnitAction": "TERMINATE"},
    )
    assert (await smf.end(session)).status == 204
    assert (await smf.begin(imsi(2), pei=pei(2)))[1].status == 403

    async def applied() -> bool:
        return EventType.ENFORCEMENT_APPLIED in await world.types(2)

    await world.eventually(applied)
    await world.do(2, SetFunctions(FunctionState.OPEN, Function.DATA))
    assert (await smf.begin(imsi(2), pei=pei(2)))[1].status == 201


async def test_a_closed_data_network_ends_its_sessions_alone(core: Core) -> None:
    world, smf = core.world, core.smf
    kept, _ = await smf.begin(imsi(2), dnn="iot")
    ended, _ = await smf.begin(imsi(2), dnn="internet")
    enforcement = await world.start_enforcement(driver_for=core.source.driver)
    await world.do(2, SetApn(FunctionState.CLOSED, "internet"))
    enforcement.wake()
    await until(lambda: smf.told)
    assert smf.told == [(ended.number, "ABORT_CHARGING")]
    assert (await smf.report(kept, 1, 1)).body["multipleUnitInformation"] == GRANTED
    assert (await smf.begin(imsi(2), dnn="internet"))[1].status == 403


async def test_an_update_without_its_data_network_gets_no_units_of_a_closed_one(core: Core) -> None:
    session, _ = await core.smf.begin(imsi(2), dnn="internet")
    await core.world.do(2, SetApn(FunctionState.CLOSED, "internet"))
    request = core.smf.request(session, (1, 1), wanted=True)
    del request["pDUSessionChargingInformation"]["pduSessionInformation"]["dnnId"]
    units = (await core.smf.send(session, "update", request)).body["multipleUnitInformation"]
    assert [unit["resultCode"] for unit in units] == ["END_USER_SERVICE_DENIED"]


async def test_a_function_that_refuses_to_end_a_session_is_asked_again(core: Core) -> None:
    session, _ = await core.smf.begin(imsi(2))
    driver = core.source.driver((await core.world.gateways.of_kind(SOURCE.name))[0])
    (live,) = await core.live(2)
    wanted = [TargetState(live.target.key, Function.DATA)]
    core.smf.fault = 500
    with pytest.raises(CommandFailed, match="answered with 500") as raised:
        await driver.apply(wanted)
    assert (raised.value.targets, raised.value.reached) == (frozenset({live.target.key}), True)
    core.smf.fault = 404  # it does not know it any more
    await driver.apply(wanted)
    assert await core.live(2) == []
    session.ref = None


async def test_an_abort_goes_nowhere_but_to_the_element(core: Core) -> None:
    smf = core.smf
    session, _ = await smf.begin(imsi(2))
    for uri in (
        "http://192.0.2.1/x",
        "http://example.com/x",
        "file:///etc/passwd",
        "http://a@127.0.0.1/x",
        "http://[",
        "x",
    ):
        session.invocations = 0
        body = smf.request(session) | {"notifyUri": uri}
        assert (await core.client.send("POST", f"http://127.0.0.1:{core.port}{PATH}", body)).status == 201
    assert core.counted["notify_uri_refused", ""] == 6
    rows = await core.world.db.fetch("select notify_uri from charging_session where notify_uri is not null")
    assert len(rows) == 1


async def test_sims_that_are_not_registered(core: Core, world: World) -> None:
    session, created = await core.smf.begin("999990000000001", pei=pei(3))
    assert (created.status, created.body["multipleUnitInformation"]) == (201, GRANTED)
    assert (await core.smf.report(session, 5, 5)).status == 200
    assert (await core.smf.end(session)).status == 204
    assert await world.db.fetchval("select count(*) from session") == 0
    async with Core(world, chf_unknown="REFUSE") as strict:
        _, refused = await strict.smf.begin("999990000000001", pei=pei(3))
        assert (refused.status, refused.body["cause"]) == (404, "USER_UNKNOWN")


async def test_however_many_sims_are_not_registered_their_sessions_go_on_and_take_no_room(core: Core) -> None:
    """All of one bucket, more than are kept of a SIM."""
    sessions_ = [(await core.smf.begin("999990000000001"))[0] for _ in range(MOST + 2)]
    first, second = sessions_[:2]
    assert len({each.ref for each in sessions_}) == len(sessions_)
    updated = await core.smf.report(first, 5, 5)
    assert (updated.status, updated.body["multipleUnitInformation"]) == (200, GRANTED)
    assert (await core.smf.end(first)).status == 204
    assert await core.rows() == 0
    assert second.ref is not None
    second.ref = second.ref[:-1] + ("0" if second.ref[-1] != "0" else "1")
    assert (await core.smf.report(second, 5, 5)).status == 404
    assert core.counted["unknown_session", "update"] == 1


async def test_who_is_not_registered_and_what_is_wrong(core: Core) -> None:
    url = f"http://127.0.0.1:{core.port}{PATH}"
    for path, body, status in (
        ("", {}, 400),
        ("/x/update", {}, 400),
        ("/x/y/update", {}, 404),
        ("x", {}, 404),
        ("", "x" * 300_000, 413),
    ):
        assert (await core.client.send("POST", url + path, body)).status == status
    assert (await core.client.send("GET", url)).status == 405
    session, _ = await core.smf.begin(imsi(2))
    await core.world.db.execute("update gateway set source_addresses = '{192.0.2.1/32}'")
    await core.source._book.turn()
    assert (await core.smf.report(session, 1, 1)).status == 403
    assert core.counted["unknown_source", ""] == 1


async def test_a_session_is_its_elements_alone_and_goes_with_it(core: Core) -> None:
    session, _ = await core.smf.begin(imsi(2))
    await core.world.db.execute("update charging_session set element_id = element_id + 1")
    assert (await core.smf.report(session, 1, 1)).status == 404
    await core.world.db.execute("update charging_session set element_id = element_id - 1")
    from simwarden.engine.gateways import remove

    await remove(core.world.db, "smf-1", Cause(CauseKind.OPERATOR, "test", START), force=True)
    assert await core.rows() == 0


PATH = "/nchf-convergedcharging/v3/chargingdata"


async def test_how_a_device_is_connected_as_customers_are_told(core: Core) -> None:
    known = ReportedConnections(core.world.db)
    assert await known.of(await core.world.sim(2)) is None
    session, _ = await core.smf.begin(imsi(2), rat="NBIOT")
    found = await known.of(await core.world.sim(2))
    assert found is not None
    assert found.generation == "4G"
    await core.smf.report(session, 1, 1, rat="WLAN")
    found = await known.of(await core.world.sim(2))
    assert found is not None
    assert found.generation == "UNKNOWN"
    other, _ = await core.smf.begin(imsi(2), rat="NR")
    await core.smf.end(session)
    found = await known.of(await core.world.sim(2))
    assert found is not None
    assert found.generation == "5G"
    await core.smf.end(other)
    found = await known.of(await core.world.sim(2))
    assert found is not None
    assert found.generation == "UNKNOWN"
    assert now_utc() - found.at < timedelta(minutes=5)
