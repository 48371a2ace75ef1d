"""What is broken, each for a while: begins, holds, and heals even when the round is cut short."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
from tests.faults.load import NOT_NOW
from tests.support.family import children

from simwarden.demo.processes import StepFailed

if TYPE_CHECKING:
    import random

    from tests.faults.house import House
    from tests.faults.proxy import Mode, Proxy


class Fault(msgspec.Struct, frozen=True):
    """One fault, fixed by the seed: what, when, for how long, and a number that chooses among several."""

    name: str
    at: float
    hold: float
    pick: float


Injection = Callable[["House", Fault], Awaitable[None]]
INJECTIONS: dict[str, Injection] = {}
WEIGHTS: dict[str, int] = {}


def injection(name: str, weight: int = 2) -> Callable[[Injection], Injection]:
    """Put a fault on the list."""

    def keep(function: Injection) -> Injection:
        INJECTIONS[name] = function
        WEIGHTS[name] = weight
        return function

    return keep


def draw(house: House, chance: random.Random, seconds: float) -> list[Fault]:
    """One to three faults, by weight, that this house can have; rarely a long freeze."""
    possible = dict(WEIGHTS)
    if not house.shape.quota:
        del possible["disk full"]
    if not house.shape.faked_clock:
        del possible["clock jump"]
    if house.shape.workers < 2:
        del possible["freeze a worker for long"]
    chosen: list[str] = []
    for _ in range(chance.choice([1, 1, 2, 2, 3])):
        names = [name for name in possible if name not in chosen]
        chosen.append(chance.choices(names, [possible[name] for name in names])[0])
    return [Fault(n, chance.uniform(0, seconds * 0.7), chance.uniform(0.3, 2.5), chance.random()) for n in chosen]


async def inject(house: House, faults: list[Fault]) -> None:
    """All of them at their moments; returns when they are healed."""

    async def one(fault: Fault) -> None:
        await asyncio.sleep(fault.at)
        await INJECTIONS[fault.name](house, fault)

    async with asyncio.TaskGroup() as group:
        for fault in faults:
            group.create_task(one(fault))


def kill(process: int | None, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process that may be gone already."""
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


def choose(items: list[int], fault: Fault) -> int | None:
    """One of several, by the fault's number."""
    return items[int(fault.pick * len(items))] if items else None


# -- deaths --------------------------------------------------------------------------------------------------------


@injection("kill the server", 4)
async def _kill_server(house: House, fault: Fault) -> None:
    assert house.server is not None
    house.deaths.append(time.monotonic())
    kill(house.server.pid)
    await house.server.wait()
    await asyncio.sleep(fault.hold / 3)
    deadline = time.monotonic() + 60
    while True:
        try:
            await house.start_server()
        except StepFailed:  # as when the disk is full just now
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)
        else:
            return


async def a_worker(house: House, fault: Fault) -> int | None:
    """One of the workers; waited for when none lives just now. None: there is no server, its supervisor was killed."""
    deadline = time.monotonic() + 60
    while house.server is not None and house.server.returncode is None:
        if (worker := choose(house.workers(), fault)) is not None:
            return worker
        if time.monotonic() > deadline:
            raise AssertionError("the server has no worker for a minute")
        await asyncio.sleep(0.05)
    return None


@injection("kill a worker", 4)
async def _kill_worker(house: House, fault: Fault) -> None:
    house.deaths.append(time.monotonic())
    kill(await a_worker(house, fault))


@injection("kill the postmaster", 4)
async def _kill_postmaster(house: House, _fault: Fault) -> None:
    house.deaths.append(time.monotonic())
    kill(house.postgres())


@injection("kill a worker and the postmaster", 6)
async def _kill_both(house: House, fault: Fault) -> None:
    """Within 0 to 0.4 seconds: the worker's successor finds no database."""
    await _kill_worker(house, fault)
    await asyncio.sleep(fault.pick * 0.4)
    await _kill_postmaster(house, fault)


@injection("kill a worker and its successors", 6)
async def _kill_successors(house: House, fault: Fault) -> None:
    """One to three of them, each 0.5 to 2 seconds after it was started; now and then the postmaster between them."""
    await _kill_worker(house, fault)
    for number in range(1 + int(fault.pick * 3)):
        await a_worker(house, fault)
        await asyncio.sleep(0.5 + (fault.pick * 7 + number * 0.6) % 1.5)
        await _kill_worker(house, fault)
        if int(fault.pick * 40) % 3 == number:
            await _kill_postmaster(house, fault)


@injection("kill all below the supervisor", 4)
async def _kill_all_below(house: House, fault: Fault) -> None:
    """Workers, the helpers of Python's that it runs, PostgreSQL; half of the time PostgreSQL again while it starts."""
    assert house.server is not None
    before = house.postgres()
    house.deaths.append(time.monotonic())
    for child in children(house.server.pid):
        kill(child)
    kill(before)
    deadline = time.monotonic() + 10
    while fault.pick < 0.5 and time.monotonic() < deadline:
        again = house.postgres()
        if again is not None and again != before:
            house.deaths.append(time.monotonic())
            kill(again)
            return
        await asyncio.sleep(0.01)


@injection("kill a database backend", 4)
async def _kill_backend(house: House, fault: Fault) -> None:
    house.deaths.append(time.monotonic())
    kill(choose(house.backends(), fault))


@injection("kill the gateways")
async def _kill_fleet(house: House, fault: Fault) -> None:
    assert house.fleet is not None
    house.fleet.kill()
    await house.fleet.wait()
    await asyncio.sleep(fault.hold / 2)
    await house.start_fleet()


@injection("kill the sink")
async def _kill_sink(house: House, fault: Fault) -> None:
    assert house.sink is not None
    house.sink.kill()
    await house.sink.wait()
    await asyncio.sleep(fault.hold / 2)
    await house.start_sink()


# -- freezes -------------------------------------------------------------------------------------------------------


async def freeze(processes: list[int | None], seconds: float) -> None:
    """SIGSTOP, and SIGCONT after a while."""
    try:
        for process in processes:
            kill(process, signal.SIGSTOP)
        await asyncio.sleep(seconds)
    finally:
        for process in processes:
            kill(process, signal.SIGCONT)


@injection("freeze a worker")
async def _freeze_worker(house: House, fault: Fault) -> None:
    await freeze([await a_worker(house, fault)], fault.hold)


@injection("freeze a worker for long", 1)
async def _freeze_worker_long(house: House, fault: Fault) -> None:
    """Longer than its leases last: the other worker takes over, and this one wakes up."""
    await freeze([await a_worker(house, fault)], 21 + fault.hold)


@injection("freeze the database")
async def _freeze_postgres(house: House, fault: Fault) -> None:
    postmaster = house.postgres()
    await freeze([postmaster, *house.backends()], fault.hold)


@injection("freeze a database backend")
async def _freeze_backend(house: House, fault: Fault) -> None:
    await freeze([choose(house.backends(), fault)], fault.hold)


@injection("freeze the gateways")
async def _freeze_fleet(house: House, fault: Fault) -> None:
    assert house.fleet is not None
    await freeze([house.fleet.pid], fault.hold)


@injection("freeze the sink")
async def _freeze_sink(house: House, fault: Fault) -> None:
    assert house.sink is not None
    await freeze([house.sink.pid], fault.hold)


# -- gateways and sinks that misbehave -----------------------------------------------------------------------------


async def patiently(work: Callable[[], Awaitable[object]]) -> None:
    """Steer a player that may itself be frozen or dead just now."""
    deadline = time.monotonic() + 30
    while True:
        try:
            await work()
        except NOT_NOW:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return


def _gateway_fault(name: str, weight: int = 1) -> None:
    @injection(f"gateway: {name}", weight)
    async def _inject(house: House, fault: Fault) -> None:
        gateway = sorted(house.commands)[int(fault.pick * len(house.commands))]
        settings: dict[str, object] = {"delay": 1.0} if name == "slow" else {}
        try:
            await patiently(lambda: house.steer(f"/gateways/{gateway}/fault", fault=name, **settings))
            await asyncio.sleep(fault.hold)
        finally:
            await patiently(lambda: house.steer(f"/gateways/{gateway}/fault", fault="none"))


for _name in ("offline", "refuse", "timeout", "lie", "slow", "no_report"):
    _gateway_fault(_name, 2 if _name == "offline" else 1)


@injection("gateway: reboot", 1)
async def _reboot(house: House, fault: Fault) -> None:
    gateway = sorted(house.commands)[int(fault.pick * len(house.commands))]
    await patiently(lambda: house.steer(f"/gateways/{gateway}/reboot"))


def _sink_fault(name: str, **behaviour: object) -> None:
    @injection(f"sink: {name}", 1)
    async def _inject(house: House, fault: Fault) -> None:
        try:
            await patiently(lambda: house.misbehave(**behaviour))
            await asyncio.sleep(fault.hold)
        finally:
            await patiently(house.misbehave)


_sink_fault("answers 500", status=500)
_sink_fault("answers 503", status=503, retry_after=1)
_sink_fault("answers 429", status=429, retry_after=1)
_sink_fault("hangs", hang=True)
_sink_fault("closes", close=True)
_sink_fault("is slow", delay=0.5)


# -- the network ---------------------------------------------------------------------------------------------------


def _network_fault(name: str, mode: Mode, proxies: Callable[[House, Fault], list[Proxy]], weight: int = 1) -> None:
    @injection(f"network: {name}", weight)
    async def _inject(house: House, fault: Fault) -> None:
        chosen = proxies(house, fault)
        try:
            for proxy in chosen:
                proxy.set(mode, 0.05 + fault.pick * 0.3)
            await asyncio.sleep(fault.hold)
        finally:
            for proxy in chosen:
                proxy.set("pass")


_MODES: dict[str, Mode] = {"dropped": "drop", "delayed": "delay", "held": "hold"}
_network_fault("answers to calls lost", "mute", lambda house, _: [house.calls], 4)
for _word, _mode in _MODES.items():
    _network_fault(f"calls {_word}", _mode, lambda house, _: [house.calls])
    _network_fault(f"reports {_word}", _mode, lambda house, _: [house.reports])
    _network_fault(f"commands {_word}", _mode, lambda house, _: list(house.commands.values()))
    _network_fault(f"events {_word}", _mode, lambda house, fault: house.sinks[: 1 + int(fault.pick * 2)])


# -- the machine ---------------------------------------------------------------------------------------------------


@injection("disk full", 6)
async def _fill_disk(house: House, fault: Fault) -> None:
    filler = house.data / "filler"
    try:
        await asyncio.to_thread(_fill, filler)
        await asyncio.sleep(fault.hold)
    finally:
        filler.unlink(missing_ok=True)


def _fill(filler: os.PathLike[str]) -> None:
    piece = bytes(1 << 20)
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):  # noqa: PTH123
        while file.write(piece):
            pass
        while file.write(b"\0"):
            pass


@injection("clock jump", 6)
async def _jump_clock(house: House, fault: Fault) -> None:
    """The server's wall clock is off, by seconds to hours, forward or back, and right again."""
    seconds = (1 if fault.pick > 0.4 else -1) * (5, 90, 900, 7200)[int(fault.pick * 40) % 4]
    try:
        house.clock_file.write_text(f"{seconds:+d}\n")
        await asyncio.sleep(1.2 + fault.hold)  # the fake library looks at its file once a second
    finally:
        house.clock_file.write_text("+0\n")
