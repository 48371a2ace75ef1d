"""Bodies on their way in: sizes, times, rates, and how many at once."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from simwarden.edge import bodies as bodies_module
from simwarden.edge.bodies import (
    AT_A_LOOK,
    EVERY,
    GRACE,
    SLOW,
    Bodies,
    BodiesExhausted,
    Body,
    BodyIncomplete,
    BodyTooLong,
    BodyTooSlow,
    Limits,
    TooManyBodies,
    read_body,
)

if TYPE_CHECKING:
    from starlette.types import Message

DISCONNECT: Message = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


class Wire:
    """A connection: what is put on it is received."""

    def __init__(self, bodies: Bodies, address: str = "192.0.2.1", declared: int = 0) -> None:
        self.pieces: asyncio.Queue[Message] = asyncio.Queue()
        self.body = Body(bodies, self.pieces.get, address, complete=False, declared=declared)
        self.reading = asyncio.create_task(read_body(self.body.receive, None, 1000))

    async def send(self, message: Message) -> None:
        self.pieces.put_nowait(message)
        for _ in range(5):
            await asyncio.sleep(0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def counting(clock: Clock, **limits: float) -> tuple[Bodies, list[str]]:
    counted: list[str] = []
    return Bodies(Limits(**limits), counted=counted.append, clock=clock), counted  # type: ignore[arg-type]


async def test_a_body_in_pieces_is_read_whole(clock: Clock) -> None:
    bodies, counted = counting(clock)
    wire = Wire(bodies)
    for part in (b"ab", b"", b"cd"):
        await wire.send(piece(part))
    await wire.send(piece(b"e", more=False))
    assert await wire.reading == b"abcde"
    assert (counted, bodies._open, bodies._held) == ([], {}, 0)


@pytest.mark.parametrize("parts", [[b"abcde"], [b"ab", b"cde"], [b"", b"abcd", b"", b"e"]])
async def test_a_body_is_complete_with_the_last_byte_that_was_declared(clock: Clock, parts: list[bytes]) -> None:
    bodies, counted = counting(clock)
    wire = Wire(bodies, declared=5)
    for part in parts:
        assert not wire.reading.done()
        await wire.send(piece(part))
    assert await wire.reading == b"abcde"
    assert wire.body.complete
    assert (counted, bodies._open, bodies._held) == ([], {}, 0)


async def test_a_cut_body_is_incomplete_for_whoever_asks(clock: Clock) -> None:
    bodies, counted = counting(clock)
    wire = Wire(bodies)
    await wire.send(piece(b"ab"))
    await wire.send(DISCONNECT)
    with pytest.raises(BodyIncomplete):
        await wire.reading
    with pytest.raises(BodyIncomplete):
        await wire.body.receive()
    assert (counted, bodies._open, bodies._held) == (["body_incomplete"], {}, 0)


async def test_a_body_over_its_size_is_too_long(clock: Clock) -> None:
    wire = Wire(counting(clock)[0])
    await wire.send(piece(b"a" * 1001))
    with pytest.raises(BodyTooLong, match="1000 bytes"):
        await wire.reading


@pytest.mark.parametrize(("came", "after", "refused"), [(1, GRACE - 0.1, False), (1, GRACE + 1, True)])
async def test_a_body_must_come_at_a_rate(clock: Clock, came: int, after: float, refused: bool) -> None:
    bodies, counted = counting(clock, rate=10)
    wire = Wire(bodies)
    await wire.send(piece(b"a" * came))
    bodies.look(clock.now + after)
    if refused:
        with pytest.raises(BodyTooSlow, match="10 bytes/s"):
            await wire.reading
        assert counted == ["body_too_slow"]
    else:
        await wire.send(piece(b"z", more=False))
        assert await wire.reading == b"az"


async def test_a_body_that_comes_at_the_rate_has_a_time_limit_all_the_same(clock: Clock) -> None:
    bodies, counted = counting(clock, rate=1, seconds=100)
    wire = Wire(bodies)
    await wire.send(piece(b"a" * 500))
    bodies.look(clock.now + 99)
    assert counted == []
    bodies.look(clock.now + 101)
    with pytest.raises(BodyTooSlow, match="100 seconds"):
        await wire.reading


async def test_of_one_address_the_oldest_slow_bodies_are_refused(clock: Clock) -> None:
    bodies, counted = counting(clock, per_address=2)
    wires = [Wire(bodies) for _ in range(4)]
    other = Wire(bodies, "192.0.2.2")
    await other.send(piece(b"a"))
    for wire in wires:
        await wire.send(piece(b"a"))
    bodies.look(clock.now + SLOW)
    assert counted == []  # not slow yet
    bodies.look(clock.now + SLOW + 0.1)
    assert counted == ["bodies_of_address"] * 2
    for wire in wires[:2]:
        with pytest.raises(TooManyBodies):
            await wire.reading
    for wire in (*wires[2:], other):
        await wire.send(piece(b"z", more=False))
        assert await wire.reading == b"az"


async def test_an_address_with_many_bodies_over_a_limit_is_refused_a_few_at_a_time(clock: Clock) -> None:
    """And what waits for that is not read: bytes that come one by one would wake the process for each."""
    bodies, counted = counting(clock, per_address=0)
    many = [Wire(bodies) for _ in range(AT_A_LOOK + 3)]
    other = Wire(bodies, "192.0.2.2")
    for wire in (*many, other):
        await wire.send(piece(b"a"))
    bodies.look(clock.now + SLOW + 0.1)
    assert counted == ["bodies_of_address"] * (AT_A_LOOK + 1)
    with pytest.raises(TooManyBodies):
        await other.reading
    for wire in many[AT_A_LOOK:]:
        for _ in range(3):
            await wire.send(piece(b"a"))
        assert wire.pieces.qsize() == 2, "the piece that was waited for already was read, then no more"
    bodies.look(clock.now + SLOW + 0.6)
    ended = await asyncio.gather(*(wire.reading for wire in many), return_exceptions=True)
    assert {type(each) for each in ended} == {TooManyBodies}
    assert (bodies._open, bodies._held) == ({}, 0)


async def test_those_that_wait_to_be_refused_are_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies_module, "WAITING", 2)
    bodies, counted = counting(clock, per_address=0)
    wires = [Wire(bodies) for _ in range(AT_A_LOOK + 5)]
    for wire in wires:
        await wire.send(piece(b"a"))
    bodies.look(clock.now + SLOW + 0.1)
    assert counted == ["bodies_of_address"] * (AT_A_LOOK + 3)
    for wire in wires:
        wire.reading.cancel()
    await asyncio.gather(*(wire.reading for wire in wires), return_exceptions=True)


async def test_altogether_the_oldest_slow_bodies_are_refused(clock: Clock) -> None:
    bodies, counted = counting(clock, total=1)
    wires = [Wire(bodies, f"192.0.2.{n}") for n in range(3)]
    for wire in wires:
        await wire.send(piece(b"a"))
    bodies.look(clock.now + SLOW + 0.1)
    assert counted == ["bodies_in_total"] * 2
    await wires[2].send(piece(b"z", more=False))
    assert await wires[2].reading == b"az"
    for wire in wires[:2]:
        with pytest.raises(BodiesExhausted):
            await wire.reading


async def test_the_bytes_that_are_held_are_bounded(clock: Clock) -> None:
    bodies, counted = counting(clock, memory=1000)
    first, second = Wire(bodies), Wire(bodies)
    await first.send(piece(b"a" * 600))
    await second.send(piece(b"b" * 600))
    assert (counted, bodies._held) == (["bodies_in_total"], 600)
    with pytest.raises(BodiesExhausted):
        await first.reading
    await second.send(piece(b"", more=False))
    assert await second.reading == b"b" * 600


async def test_a_reader_that_is_cancelled_stays_cancelled(clock: Clock) -> None:
    bodies, counted = counting(clock)
    wire = Wire(bodies)
    await wire.send(piece(b"a"))
    wire.reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wire.reading
    assert (counted, bodies._open, bodies._held) == ([], {}, 0)


async def test_a_refused_reader_can_go_on_afterwards(clock: Clock) -> None:
    """It must answer: the refusal is no cancellation that lasts."""
    bodies, _ = counting(clock)
    nothing: asyncio.Queue[Message] = asyncio.Queue()
    body = Body(bodies, nothing.get, "192.0.2.1", complete=False)

    async def serve() -> str:
        try:
            await read_body(body.receive, None, 10)
        except BodyTooSlow:
            await asyncio.sleep(0)
            return "answered"
        return ""

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    bodies.look(clock.now + GRACE + 1)
    assert await task == "answered"


async def test_the_watch_refuses_by_itself_and_ends_with_the_last_body() -> None:
    bodies = Bodies(Limits(seconds=EVERY / 10))
    wire = Wire(bodies)
    with pytest.raises(BodyTooSlow):
        await asyncio.wait_for(wire.reading, 60)
    assert bodies._watch is not None
    await asyncio.wait_for(bodies._watch, 60)


async def test_others_get_their_turn_while_many_bodies_are_refused() -> None:
    counted: list[str] = []
    bodies = Bodies(Limits(seconds=EVERY / 10), counted=counted.append)
    wires = [Wire(bodies) for _ in range(100)]
    at_turns = [0]

    async def other() -> None:
        while True:
            if len(counted) > at_turns[-1]:
                at_turns.append(len(counted))
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    ended = await asyncio.wait_for(asyncio.gather(*(wire.reading for wire in wires), return_exceptions=True), 60)
    task.cancel()
    assert {type(each) for each in ended} == {BodyTooSlow}
    assert max(after - before for before, after in pairwise(at_turns)) <= 10


async def test_what_is_left_of_a_small_body_is_thrown_away(clock: Clock) -> None:
    bodies, counted = counting(clock)
    pieces: asyncio.Queue[Message] = asyncio.Queue()
    body = Body(bodies, pieces.get, "192.0.2.1", complete=False)
    for message in (piece(b"a" * 40), piece(b"b" * 40), piece(b"", more=False)):
        pieces.put_nowait(message)
    await body.drain(100, 1)
    assert (body.complete, bodies._held, counted) == (True, 0, [])
