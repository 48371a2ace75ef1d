"""The receiver on a real socket: what it answers, when, and what it counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest
from tests.support.nas import SECRET, TestNas, accounting
from tests.support.patience import PATIENCE

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ingest import UnacceptableReport
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import Accounting, AccountingStatus
from simwarden.southbound.radius.codec import Attribute, Code
from simwarden.southbound.radius.exchange import Exchange, RequestService, Response
from simwarden.southbound.radius.nas import Nas
from simwarden.southbound.radius.receiver import UdpReceiver
from simwarden.southbound.radius.source import AccountingService
from simwarden.store.gateways import GatewayRef

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from simwarden.southbound.radius.codec import Packet

NAS = Nas(GatewayRef(7, "pgw-1", 60, None), SECRET)


class World:
    """A receiver with a stand-in for the engine behind it, and a NAS before it."""

    def __init__(self, most: int) -> None:
        self.counted: Counter[tuple[str, str]] = Counter()
        self.taken: list[Accounting] = []
        self.kept: list[str] = []
        self.error: Exception | None = None
        self.spoilt: str | None = None
        """Name of the session that `error` is of; None: of all."""
        self.together: list[int] = []
        """How many requests were handed on at a time."""
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.known: Nas | None = NAS
        self.nas = TestNas()
        self.exchange = Exchange(
            rejected=self._keep,
            most=most,
            ready=self._ready,
            counted=lambda *words: self.counted.update([words]),
        )
        services: dict[int, RequestService] = {Code.ACCOUNTING_REQUEST: self, Code.ACCESS_REQUEST: self}
        self.receiver = UdpReceiver(lambda _address: self.known, self.exchange, services, Code.ACCOUNTING_RESPONSE)

    def read(self, packet: Packet, now: datetime) -> tuple[str, Accounting]:
        return AccountingService.read(cast("AccountingService", self), packet, now)

    async def answer(self, nas: Nas, told: Sequence[Accounting], _now: datetime) -> Sequence[Response]:
        assert nas == NAS
        self.together.append(len(told))
        await self.may_go.wait()
        if self.error is not None and self.spoilt in (None, *(each.session for each in told)):
            raise self.error
        self.taken += told
        return [Response(Code.ACCOUNTING_RESPONSE)] * len(told)

    async def _ready(self) -> None:
        if self.error is not None:
            raise self.error

    async def _keep(self, _nas: Nas, reason: str, _data: bytes) -> None:
        self.kept.append(reason)

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not what():  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def opened(most: int = 100) -> AsyncIterator[World]:
    world = World(most)
    await world.receiver.listen("127.0.0.1", 0)
    async with world.nas:
        await world.nas.connect(world.receiver.address[1])
        try:
            yield world
        finally:
            world.may_go.set()
            await world.exchange.stop()
            world.receiver.close()


START = accounting(1, "S1", imsi="460000990123698", imei="3536895307079001", at=1769999400)


async def test_a_packet_is_answered_when_it_is_taken_in() -> None:
    async with opened() as world:
        world.may_go.clear()
        asking = asyncio.create_task(world.nas.ask(world.nas.packet(START), again=None))
        await world.until(lambda: bool(world.exchange._in_work))
        assert not asking.done()
        world.may_go.set()
        await asking
    assert [told.session for told in world.taken] == ["S1"]
    assert world.taken[0].at == datetime.fromtimestamp(1769999400, UTC)
    assert world.counted == {("accepted", "start"): 1}


async def test_a_retransmission_gets_the_same_answer_and_counts_once() -> None:
    async with opened() as world:
        packet = world.nas.packet(START)
        world.may_go.clear()
        world.nas.send(packet)
        await world.until(lambda: bool(world.exchange._in_work))
        world.nas.send(packet)
        await world.until(lambda: world.counted["duplicate", ""] == 1)
        world.may_go.set()
        first = await world.nas.ask(packet)
        assert await world.nas.ask(packet) == first
    assert len(world.taken) == 1
    assert world.counted["accepted", "start"] == 1
    assert world.counted["duplicate", ""] >= 2


async def test_accounting_is_answered_without_a_message_authenticator() -> None:
    """Also where the request has one: FreeRADIUS 3.2.1 takes such an answer for forged."""
    async with opened() as world:
        packet = codec.encode_request(Code.ACCOUNTING_REQUEST, 9, START, SECRET)
        assert codec.Attribute.MESSAGE_AUTHENTICATOR not in (await world.nas.ask(packet)).attributes


async def test_a_server_that_can_serve_says_so() -> None:
    """Status-Server (RFC 5997), with the Message-Authenticator that it must have."""
    async with opened() as world:
        question = world.nas.proved([], Code.STATUS_SERVER)
        answer = await world.nas.ask(question)
        assert answer.code == Code.ACCOUNTING_RESPONSE
        assert answer.raw[20] == Attribute.MESSAGE_AUTHENTICATOR
        world.error = StoreUnavailable("away")
        world.nas.send(world.nas.proved([], Code.STATUS_SERVER))
        await world.until(lambda: world.counted["unavailable", "status"] == 1)
        bare = bytearray(question[:20])
        bare[2:4] = (20).to_bytes(2, "big")
        world.nas.send(bytes(bare))
        await world.until(lambda: world.counted["unproved", ""] == 1)


@pytest.mark.parametrize("code", [Code.ACCESS_REQUEST, Code.ACCOUNTING_REQUEST])
async def test_proxies_get_their_states_back(code: Code) -> None:
    states = [codec.attribute(Attribute.PROXY_STATE, value) for value in (b"first", b"", b"\0third" * 30)]
    async with opened() as world:
        mixed = [states[0], *START, *states[1:]]
        packet = world.nas.proved(mixed) if code == Code.ACCESS_REQUEST else world.nas.packet(mixed)
        answer = await world.nas.ask(packet)
        assert answer.proxy_states() == states


async def test_an_access_request_without_a_proof_gets_silence() -> None:
    """CVE-2024-3596: its authenticator is random, so nothing else would prove it."""
    async with opened() as world:
        packet = world.nas.proved(START)
        bare = packet[:20] + packet[38:]
        bare = bare[:2] + len(bare).to_bytes(2, "big") + bare[4:]
        for data, reason in (
            (bare, "unproved"),
            (world.nas.proved(START, secret=b"another"), "forged"),
            (packet[:4] + bytes(16) + packet[20:], "forged"),
            (packet[:-1] + b"9", "forged"),
            (world.nas.proved([*START, *[codec.attribute(Attribute.PROXY_STATE, bytes(253))] * 13]), "value"),
        ):
            before = world.counted[reason, ""]
            world.nas.send(data)
            await world.until(lambda reason=reason, before=before: world.counted[reason, ""] > before)  # type: ignore[misc]
        assert world.taken == []


@pytest.mark.parametrize(
    ("error", "outcome", "kept"),
    [
        (StoreUnavailable("away"), "unavailable", []),
        (UnacceptableReport("NUL"), "unacceptable", ["NUL"]),
        (RuntimeError("a fault"), "failed", ["Not taken in because of a fault of this server, see its log"]),
    ],
)
async def test_what_is_not_taken_in_is_not_answered_and_taken_when_it_comes_again(
    error: Exception, outcome: str, kept: list[str]
) -> None:
    async with opened() as world:
        packet = world.nas.packet(START)
        world.error = error
        world.nas.send(packet)
        await world.until(lambda: world.counted[outcome, "start"] == 1 and world.kept == kept)
        world.error = None
        await world.nas.ask(packet)
    assert len(world.taken) == 1


async def test_garbage_and_forged_packets_are_counted_and_kept() -> None:
    async with opened() as world:
        broken = world.nas.packet([b"\x01\x01"])
        for data, reason in (
            (b"GET / HTTP/1.1", "short"),
            (broken, "attribute"),
            (world.nas.packet(START, b"another"), "forged"),
            (codec.encode_request(Code.DISCONNECT_REQUEST, 1, START, SECRET), "code"),
            (world.nas.packet([]), "status"),
            (b"\x04\x01\xff\xff" + bytes(5000), "length"),
        ):
            world.nas.send(data)
            await world.until(lambda reason=reason: world.counted[reason, ""] == 1)  # type: ignore[misc]
        await world.until(lambda: len(world.kept) == 6)
        assert world.taken == []
        await world.nas.ask(world.nas.packet(START))


async def test_unknown_sources_get_silence() -> None:
    async with opened() as world:
        world.known = None
        world.nas.send(world.nas.packet(START))
        await world.until(lambda: world.counted["unknown_source", ""] == 1)
    assert (world.taken, world.kept) == ([], [])


async def test_one_nas_has_half_of_the_places_and_the_rest_is_left_for_the_next_time() -> None:
    async with opened(most=10) as world:
        world.may_go.clear()
        packets = [world.nas.packet(accounting(1, f"S{number}", imsi="460000990123698")) for number in range(8)]
        for packet in packets:
            world.nas.send(packet)
        await world.until(lambda: world.counted["busy", ""] == 3)
        world.may_go.set()
        for packet in packets:
            await world.nas.ask(packet)
    assert sorted(told.session for told in world.taken) == [f"S{number}" for number in range(8)]


@pytest.mark.parametrize("error", [UnacceptableReport("a value that cannot be stored"), RuntimeError("a fault")])
async def test_requests_that_come_together_are_one_task_and_one_spoils_no_other(error: Exception) -> None:
    async with opened() as world:
        world.error, world.spoilt = error, "S2"
        packets = [world.nas.packet(accounting(1, f"S{number}", imsi="460000990123698")) for number in range(5)]
        for packet in packets:
            world.receiver.datagram_received(packet, ("127.0.0.1", 1))
        await world.until(lambda: not world.exchange._in_work and bool(world.kept))
    assert world.together[0] == 5, "the loop found them in one round"
    assert sorted(told.session for told in world.taken) == ["S0", "S1", "S3", "S4"]
    assert world.counted["accepted", "start"] == 4
    assert len(world.kept) == 1


async def test_stopping_finishes_what_is_in_work_and_takes_nothing_more() -> None:
    async with opened() as world:
        world.may_go.clear()
        asking = asyncio.create_task(world.nas.ask(world.nas.packet(START), again=None))
        await world.until(lambda: bool(world.exchange._in_work))
        stopping = asyncio.create_task(world.exchange.stop())
        await asyncio.sleep(0)
        world.nas.send(world.nas.packet(accounting(AccountingStatus.STOP, "S1")))
        world.may_go.set()
        await stopping
        await asking
    assert [told.status for told in world.taken] == [AccountingStatus.START]


async def test_answers_are_forgotten_after_a_while() -> None:
    now = 100.0
    async with opened() as world:
        world.exchange._monotonic = lambda: now
        packets = [world.nas.packet(accounting(1, f"S{number}")) for number in range(3)]
        for packet in packets[:2]:
            await world.nas.ask(packet)
        now = 120.0
        await world.nas.ask(packets[2])
        assert len(world.exchange._answered) == 1
        await world.nas.ask(packets[0])
    assert [told.session for told in world.taken] == ["S0", "S1", "S2", "S0"]


def test_a_secret_is_not_shown() -> None:
    assert "testing" not in repr(NAS)
