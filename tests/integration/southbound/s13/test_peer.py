"""A Diameter peer that we did not write (python-diameter) asks for equipment checks over TCP, on a real database."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from diameter.message.avp.grouped import TerminalInformation
from diameter.message.commands import DeviceWatchdogRequest, MeIdentityCheckRequest
from diameter.node import Node
from diameter.node.application import SimpleThreadingApplication
from tests.support.fixtures import world, world_database
from tests.support.patience import PATIENCE
from tests.support.world import ACCOUNT, START, World, device, imsi

from simwarden.demo.processes import free_port
from simwarden.domain.equipment import DeviceList, ListedDevice
from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.identifiers import full_imei
from simwarden.domain.sim import BindingState
from simwarden.edge.throttle import Allowance
from simwarden.kit.clock import now_utc
from simwarden.southbound.s13 import checks, codec
from simwarden.southbound.s13.checks import APPLICATION
from simwarden.southbound.s13.link import CAPABILITIES
from simwarden.southbound.s13.receiver import MOST_OF_ELEMENT
from simwarden.southbound.s13.settings import S13Settings
from simwarden.southbound.s13.source import SOURCE, S13Source
from simwarden.southbound.source import SourceServices
from simwarden.store.listed_devices import ListedDevices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp

__all__ = ["world", "world_database"]


class Core:
    """A world with an MME, `mme-1`, that asks at `source`."""

    def __init__(self, world: World, **settings: Any) -> None:
        self.world = world
        self.counted: Counter[tuple[str, str]] = Counter()
        self.port = free_port()
        services = SourceServices(
            elements=world.gateways,
            ingest=world.ingest,
            db=world.db,
            session=cast("aiohttp.ClientSession", None),
            guesses=Allowance(1),
            counted=lambda *words: self.counted.update([words]),
        )
        self.source = cast("S13Source", SOURCE.build(services, S13Settings(s13_port=self.port, **settings)))
        self._node = Node("mme.example", "simwarden.example", vendor_ids=[codec.TGPP])
        self._asks = SimpleThreadingApplication(APPLICATION, is_auth_application=True)

    async def connect(self) -> None:
        """The peer is connected, and capabilities are exchanged."""
        url = f"aaa://eir.simwarden.example:{self.port}"
        peer = self._node.add_peer(url, "simwarden.example", ip_addresses=["127.0.0.1"], is_persistent=True)
        self._node.add_application(self._asks, [peer])
        self._node.start()
        await asyncio.to_thread(self._asks.wait_for_ready, PATIENCE)

    async def ask(self, imei: str | None, sim: str | None = None) -> Any:
        """One check; the answer."""
        request = MeIdentityCheckRequest()
        request.session_id = self._node.session_generator.next_id()
        request.auth_session_state = 1
        request.origin_host, request.origin_realm = b"mme.example", b"simwarden.example"
        request.destination_realm = b"simwarden.example"
        if imei is not None:
            request.terminal_information = TerminalInformation(imei=imei, software_version="01")
        if sim is not None:
            request.user_name = sim
        return await asyncio.to_thread(self._asks.send_request, request, PATIENCE)

    async def status(self, number: int, card: int | None = None) -> int | None:
        """Equipment-Status of a device, with or without a SIM in it."""
        answer = await self.ask(full_imei(device(number)), None if card is None else imsi(card))
        assert answer.result_code == checks.SUCCESS
        return cast("int | None", answer.equipment_status)

    async def disconnect(self) -> None:
        """The peer ends, which takes it seconds."""
        await asyncio.to_thread(self._node.stop, force=True)


@pytest.fixture
async def core(world: World) -> AsyncIterator[Core]:
    """Card 1 is bound to device 1, card 2 is not bound; the world's clock stands at this machine's time."""
    logging.getLogger("diameter").setLevel(logging.CRITICAL)
    world.clock.turn((now_utc() - START).total_seconds())
    await world.card(1, imei=device(1))
    await world.card(2)
    await world.gateways.add(
        "mme-1", kind=SOURCE.name, command_url=None, username=None, password=None, source_addresses=["127.0.0.1/32"]
    )
    made = Core(world)
    await made.source.start()
    yield made
    await made.source.stop()


WHITE, BLACK, GREY = 0, 1, 2


async def test_a_peer_that_we_did_not_write(core: Core) -> None:
    await core.connect()
    try:
        await _verdicts(core)
        await _refusals(core)
        assert set(await asyncio.gather(*(core.status(2, 2) for _ in range(50)))) == {WHITE}
    finally:
        await core.disconnect()


async def _verdicts(core: Core) -> None:
    assert await core.status(1, 1) == WHITE
    assert await core.status(2, 1) == BLACK
    assert await core.world.state(1) is BindingState.DIFFERED
    assert await core.status(2, 2) == WHITE
    assert await core.status(1, 1) == WHITE
    assert await core.world.state(1) is BindingState.LOCKED
    entry = ListedDevice(list=DeviceList.TRACKED, imei=device(5))
    await ListedDevices(core.world.db).put([entry], now_utc())
    assert await core.status(5) == GREY
    assert core.counted["accepted", "WHITELISTED"] == 3


async def _refusals(core: Core) -> None:
    unknown = await core.ask("0" * 15)
    assert unknown.result_code is None
    assert unknown.experimental_result.experimental_result_code == checks.EQUIPMENT_UNKNOWN
    missing = await core.ask(None)
    assert missing.result_code == checks.MISSING
    assert (await core.ask("353689530707903", "not-an-imsi")).result_code == checks.INVALID_VALUE


class Wire:
    """A connection by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, command: int, *avps: codec.Avp, application: int = 0) -> codec.DiameterMessage:
        """Send a request, and read a message."""
        self.writer.write(codec.write(codec.REQUEST, command, application, (1, 1), avps))
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readexactly(codec.HEADER)
            rest = await self.reader.readexactly(codec.read_head(head).length - codec.HEADER)
        return codec.DiameterMessage(codec.read_head(head), codec.read_avps(rest))

    async def check(self, number: int) -> codec.DiameterMessage:
        """Ask for a device."""
        told = codec.group(
            checks.TERMINAL_INFORMATION,
            codec.Avp(checks.IMEI, full_imei(device(number)).encode(), codec.TGPP),
            vendor=codec.TGPP,
        )
        session = codec.Avp(checks.SESSION_ID, b"mme.example;1;1")
        return await self.ask(checks.COMMAND, session, told, application=APPLICATION)

    async def closed(self) -> bool:
        """Whether the other side closes."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionResetError):
                while await self.reader.read(4096):
                    pass
        return True


@contextlib.asynccontextmanager
async def wire(core: Core) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", core.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def result(message: codec.DiameterMessage) -> int:
    """Its Result-Code."""
    avp = message.first(checks.RESULT_CODE)
    assert avp is not None
    return int.from_bytes(avp.data, "big")


async def test_who_is_no_peer_is_closed(core: Core) -> None:
    for said in (b"GET / HTTP/1.1\r\n\r\n    ", b"\x01\xff\xff\xff" + bytes(16), DeviceWatchdogRequest().as_bytes()):
        async with wire(core) as connection:
            connection.writer.write(said)
            assert await connection.closed()
    assert core.counted["malformed", ""] == 3
    await core.world.db.execute("update gateway set source_addresses = '{192.0.2.0/24}'")
    await core.source._book.turn()
    async with wire(core) as connection:
        assert await connection.closed()
    assert core.counted["unknown_source", ""] == 1


async def test_without_the_database_the_peer_is_told_to_ask_elsewhere(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(core.source._checks, "check", away)
    async with wire(core) as connection:
        await connection.ask(CAPABILITIES, checks.application())
        answer = await connection.check(1)
    assert (result(answer), answer.head.flags & codec.ERROR) == (3002, codec.ERROR)
    assert core.counted["unavailable", ""] == 1


async def test_more_checks_than_the_limit_are_refused(core: Core) -> None:
    shares = core.source._listener._shares
    async with wire(core) as connection:
        await connection.ask(CAPABILITIES, checks.application())
        while shares.take(0):
            pass
        shares._free = 0
        answer = await connection.check(1)
        assert (result(answer), answer.head.flags & codec.ERROR) == (3004, codec.ERROR)
        shares.give_back(0)
        answer = await connection.check(1)
        assert answer.first(checks.EQUIPMENT_STATUS, codec.TGPP) == codec.number(checks.EQUIPMENT_STATUS, 0, codec.TGPP)
    assert core.counted["busy", ""] == 1


async def test_an_element_has_a_bounded_number_of_connections(core: Core) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(MOST_OF_ELEMENT):
            connection = await stack.enter_async_context(wire(core))
            await connection.ask(CAPABILITIES, checks.application())
        assert await (await stack.enter_async_context(wire(core))).closed()
    assert core.counted == {("busy", ""): 1}


async def test_a_peer_whose_element_changes_connects_again_as_what_it_is_now(core: Core) -> None:
    async with wire(core) as connection:
        await connection.ask(CAPABILITIES, checks.application())
        await core.world.db.execute("update gateway set account_id = $1", ACCOUNT)
        await core.source._book.turn()
        assert await connection.closed()
    assert core.counted["element_changed", ""] == 1


async def test_a_peer_is_told_when_the_server_goes(core: Core) -> None:
    async with wire(core) as connection:
        capable = await connection.ask(CAPABILITIES, checks.application())
        assert result(capable) == checks.SUCCESS
        stopping = asyncio.create_task(core.source._listener.stop())
        async with asyncio.timeout(PATIENCE):
            head = codec.read_head(await connection.reader.readexactly(codec.HEADER))
        assert (head.command, head.is_request) == (282, True)
        await stopping
        assert await connection.closed()
