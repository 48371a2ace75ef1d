"""The receiver on a real socket: what it answers, when, and what it counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from tests.support.nas import SECRET, TestNas, accounting
from tests.support.patience import PATIENCE

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.ingest import UnacceptableReport
from simwarden.southbound.radius import codec
from simwarden.southbound.radius.accounting import Accounting, AccountingStatus
from simwarden.southbound.radius.book import Nas
from simwarden.southbound.radius.codec import Code
from simwarden.southbound.radius.receiver import AccountingReceiver
from simwarden.store.gateways import GatewayRef

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

NAS = Nas(GatewayRef(7, "pgw-1", 60, None), SECRET)


class World:
    """A receiver with a stand-in for the engine behind it, and a NAS before it."""

    def __init__(self, most: int) -> None:
        self.counted: Counter[tuple[str, str]] = Counter()
        self.taken: list[Accounting] = []
        self.kept: list[str] = []
        self.error: Exception | None = None
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.known: Nas | None = NAS
        self.nas = TestNas()
        self.receiver = AccountingReceiver(
            lambda _address: self.known,
            self._take_in,
            rejected=self._keep,
            most=most,
            counted=lambda *words: self.counted.update([words]),
        )

    async def _take_in(self, nas: Nas, told: Accounting, _now: datetime) -> None:
        assert nas == NAS
        await self.may_go.wait()
        if self.error is not None:
            raise self.error
        self.taken.append(told)

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
            await world.receiver.stop()


START = accounting(1, "S1", imsi="460000990123698", imei="3536895307079001", at=1769999400)


async def test_a_packet_is_answered_when_it_is_taken_in() -> None:
    async with opened() as world:
        world.may_go.clear()
        asking = asyncio.create_task(world.nas.ask(world.nas.packet(START), again=None))
        await world.until(lambda: bool(world.receiver._in_work))
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
        await world.until(lambda: bool(world.receiver._in_work))
        world.nas.send(packet)
        await world.until(lambda: world.counted["duplicate", ""] == 1)
        world.may_go.set()
        first = await world.nas.ask(packet)
        assert await world.nas.ask(packet) == first
    assert len(world.taken) == 1
    assert world.counted["accepted", "start"] == 1
    assert world.counted["duplicate", ""] >= 2


async def test_an_answer_proves_itself_to_who_proved_himself() -> None:
    async with opened() as world:
        packet = codec.encode_request(Code.ACCOUNTING_REQUEST, 9, START, SECRET)
        assert codec.Attribute.MESSAGE_AUTHENTICATOR in (await world.nas.ask(packet)).attributes


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


async def test_stopping_finishes_what_is_in_work_and_takes_nothing_more() -> None:
    async with opened() as world:
        world.may_go.clear()
        asking = asyncio.create_task(world.nas.ask(world.nas.packet(START), again=None))
        await world.until(lambda: bool(world.receiver._in_work))
        stopping = asyncio.create_task(world.receiver.stop())
        await asyncio.sleep(0)
        world.nas.send(world.nas.packet(accounting(AccountingStatus.STOP, "S1")))
        world.may_go.set()
        await stopping
        await asking
    assert [told.status for told in world.taken] == [AccountingStatus.START]


async def test_answers_are_forgotten_after_a_while() -> None:
    now = 100.0
    async with opened() as world:
        world.receiver._monotonic = lambda: now
        packets = [world.nas.packet(accounting(1, f"S{number}")) for number in range(3)]
        for packet in packets[:2]:
            await world.nas.ask(packet)
        now = 120.0
        await world.nas.ask(packets[2])
        assert len(world.receiver._answered) == 1
        await world.nas.ask(packets[0])
    assert [told.session for told in world.taken] == ["S0", "S1", "S2", "S0"]


def test_a_secret_is_not_shown() -> None:
    assert "testing" not in repr(NAS)
