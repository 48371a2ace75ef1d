"""What stands between a peer and its HLR, with real sockets on both sides and no verdicts but those of the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.patience import PATIENCE

from simwarden.southbound.osmo_hlr import gsup, relay
from simwarden.southbound.osmo_hlr.gsup import Domain, ElementTag, LinkMessage, MessageType
from simwarden.southbound.osmo_hlr.relay import Relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

IMSI = "460000990123698"
CHECK = gsup.encode(MessageType.CHECK_IMEI_REQUEST, IMSI, (ElementTag.IMEI, b"\x07" + gsup.bcd("35368953070790")))
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Between:
    """A peer, a relay, an HLR."""

    def __init__(self) -> None:
        self.verdict: bool | None = True
        self.free = True
        self.hold: asyncio.Event | None = None
        self.told: list[tuple[str, str]] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.peer: Streams
        self.hlr: Streams
        self.relay: Relay

    async def device(self, imsi: str, imei: str | None) -> bool | None:
        self.told.append(("device", f"{imsi} {imei}"))
        if self.hold is not None:
            await self.hold.wait()
        return self.verdict

    def claims(self, relay: Relay) -> bool:
        return self.free

    def registered(self, imsi: str) -> None:
        self.told.append(("registered", imsi))

    def refused(self, relay: Relay, imsi: str, domain: Domain) -> None:
        self.told.append(("refused", f"{imsi} {domain.name}"))

    def deleted(self, relay: Relay, imsi: str) -> None:
        self.told.append(("deleted", imsi))

    def counted(self, outcome: str, message: str) -> None:
        self.counts[outcome, message] += 1

    async def identify(self) -> None:
        self.peer[1].write(gsup.identity("MSC-1"))
        assert await _exactly(self.hlr[0], len(gsup.identity("MSC-1"))) == gsup.identity("MSC-1")

    async def is_over(self) -> bool:
        async with asyncio.timeout(PATIENCE):
            return await self.peer[0].read() == b"" and await self.hlr[0].read() == b""


async def _exactly(reader: asyncio.StreamReader, count: int) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await reader.readexactly(count)


async def _pair(stack: contextlib.AsyncExitStack) -> tuple[Streams, Streams]:
    """Both ends of a connection."""
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda r, w: accepted.set_result((r, w)), "127.0.0.1", 0)
    near = await asyncio.open_connection(*server.sockets[0].getsockname())
    far = await accepted
    server.close()
    for _, writer in (near, far):
        stack.callback(writer.transport.abort)
    return near, far


@pytest.fixture
async def between(request: pytest.FixtureRequest) -> AsyncIterator[Between]:
    given: dict[str, Any] = {"checks": 2, "deny_undecided": False} | getattr(request, "param", {})
    made = Between()
    async with contextlib.AsyncExitStack() as stack:
        made.peer, peer = await _pair(stack)
        made.hlr, hlr = await _pair(stack)
        made.relay = Relay(peer, hlr, made, **given)
        running = asyncio.create_task(made.relay.run())
        yield made
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_everything_passes_octet_by_octet_in_both_directions(between: Between) -> None:
    await between.identify()
    data = gsup.encode(MessageType.UPDATE_LOCATION_REQUEST, IMSI) + b"\x00\x03\xee\x06ab" + b"\x00\x00\x42"
    data += gsup.encode(0x7F, IMSI, (0x70, bytes(200))) + gsup.link(LinkMessage.PONG)
    for octet in data:
        between.peer[1].write(bytes([octet]))
        await asyncio.sleep(0)
    assert await _exactly(between.hlr[0], len(data)) == data
    answers = (
        gsup.encode(MessageType.UPDATE_LOCATION_ERROR, IMSI, (ElementTag.CAUSE, b"\x07")) + b"\x00\x02\xee\x05\x04"
    )
    between.hlr[1].write(answers)
    assert await _exactly(between.peer[0], len(answers)) == answers
    assert between.told == [("refused", f"{IMSI} PACKET")]


@pytest.mark.parametrize(("verdict", "answer"), [(False, "nack"), (True, "hlr"), (None, "hlr")])
async def test_a_check_is_decided_here(between: Between, verdict: bool | None, answer: str) -> None:
    await between.identify()
    between.verdict = verdict
    between.peer[1].write(CHECK)
    if answer == "hlr":
        assert await _exactly(between.hlr[0], len(CHECK)) == CHECK
    else:
        nack = gsup.encode(MessageType.CHECK_IMEI_RESULT, IMSI, (ElementTag.IMEI_RESULT, gsup.NACK))
        assert await _exactly(between.peer[0], len(nack)) == nack
    assert between.told == [("device", f"{IMSI} 35368953070790")]


@pytest.mark.parametrize("between", [{"deny_undecided": True}], indirect=True)
async def test_what_cannot_be_decided_is_refused_where_the_operator_wants_that(between: Between) -> None:
    await between.identify()
    between.verdict = None
    between.peer[1].write(CHECK)
    error = gsup.encode(MessageType.CHECK_IMEI_ERROR, IMSI, (ElementTag.CAUSE, gsup.NETWORK_FAILURE))
    assert await _exactly(between.peer[0], len(error)) == error


async def test_checks_beyond_the_limit_are_answered_with_congestion_and_hold_up_nothing(between: Between) -> None:
    await between.identify()
    between.hold = asyncio.Event()
    between.peer[1].write(CHECK * 3)
    error = gsup.encode(MessageType.CHECK_IMEI_ERROR, IMSI, (ElementTag.CAUSE, gsup.CONGESTION))
    assert await _exactly(between.peer[0], len(error)) == error
    between.peer[1].write(gsup.link(LinkMessage.PONG))
    assert await _exactly(between.hlr[0], 4) == gsup.link(LinkMessage.PONG)
    between.hold.set()
    assert await _exactly(between.hlr[0], 2 * len(CHECK)) == CHECK * 2


@pytest.mark.parametrize("type_", [MessageType.LOCATION_CANCEL_RESULT, MessageType.LOCATION_CANCEL_ERROR])
async def test_the_answer_to_our_cancellation_stays_here(between: Between, type_: MessageType) -> None:
    await between.identify()
    between.peer[1].write(gsup.encode(type_, IMSI))  # to one that we did not send: the HLR's business
    assert await _exactly(between.hlr[0], len(gsup.encode(type_, IMSI))) == gsup.encode(type_, IMSI)
    asked = asyncio.create_task(between.relay.cancel(IMSI, Domain.CIRCUIT))
    elements = (ElementTag.CANCEL_TYPE, gsup.WITHDRAW), (ElementTag.CN_DOMAIN, b"\x02")
    expected = gsup.encode(MessageType.LOCATION_CANCEL_REQUEST, IMSI, *elements)
    assert await _exactly(between.peer[0], len(expected)) == expected
    between.peer[1].write(gsup.encode(type_, IMSI) + gsup.link(LinkMessage.PONG))
    assert await asked
    assert await _exactly(between.hlr[0], 4) == gsup.link(LinkMessage.PONG)


@pytest.mark.parametrize(
    "said",
    [
        CHECK,  # before it said who it is
        gsup.link(LinkMessage.ID_RESP, b""),  # and it has no name
        gsup.identity("x" * 65),
        b"\xff\xff\xee",
        gsup.identity("MSC-1") + b"\x00\x04\xee\x05\x30\x01",  # cut off: waits for the rest
        gsup.identity("MSC-1") + b"\x00\x03\xee\x05\x30\x01",  # an element without a length
        b"",
    ],
)
async def test_a_hostile_peer_is_hung_up(between: Between, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "FRAME_SECONDS", 0.2)
    between.peer[1].write(said)
    if not said:
        between.relay.abort()
    async with asyncio.timeout(PATIENCE):
        await between.hlr[0].read()
    assert await between.is_over()


async def test_who_does_not_say_who_it_is_is_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "IDENTIFY_SECONDS", 0.05)
    made = Between()
    async with contextlib.AsyncExitStack() as stack:
        made.peer, peer = await _pair(stack)
        made.hlr, hlr = await _pair(stack)
        await Relay(peer, hlr, made, checks=1, deny_undecided=False).run()
    assert made.counts["slow", "gsup"] == 1
