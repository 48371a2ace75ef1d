"""What a slow or dead sink costs the others: delay from commit to sink beside it, and without it, in turns.

A trickle of events goes to a sink that answers. In every other phase thousands of deliveries wait for an origin
that refuses, hangs or is slow, and most events are for it; in the others as many events are of SIMs that nobody has
subscribed to. The phases take turns, so what else the machine does meets both alike.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from benchmarks import machine
from benchmarks.deliveries import Answering, subscribe
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.domain.reports import PortObservation, Report
from simwarden.engine.ingest import Ingest
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

LIVE = 200
"""SIMs whose events go to the sink that answers; the following ones' go to the troubled origin."""
EVERY = 0.02
"""Seconds from one event for the live sink to the next."""
BESIDE = 4
"""Events of other SIMs beside each."""
SETTLE = 3.0
"""Seconds of a phase that are not measured."""


class Trickle:
    """Changes devices of SIMs and takes the time until the sink is told."""

    def __init__(self, ingest: Ingest, gateway: int, lanes: int) -> None:
        self._ingest = ingest
        self._gateway = gateway
        self._lanes = lanes
        self._device = 0
        self.committed: dict[str, float] = {}
        self.delays: list[float] = []

    def told(self, body: bytes) -> None:
        """The live sink got this."""
        now = time.perf_counter()
        for imei, at in list(self.committed.items()):
            if imei.encode() in body:
                self.delays.append((now - at) * 1000)
                del self.committed[imei]
                return

    async def all_troubled(self) -> None:
        """One more event in every lane of the troubled origin."""
        for first in range(0, self._lanes, 200):
            await self._change(range(LIVE + first, LIVE + min(first + 200, self._lanes)))

    async def run(self, seconds: float, *, beside: bool) -> list[float]:
        """Events for so long; returns the delays in milliseconds."""
        chance = random.Random(1)
        self.delays, self.committed = [], {}
        end, warm = time.monotonic() + SETTLE + seconds, time.monotonic() + SETTLE
        number = 0
        while (now := time.monotonic()) < end:
            if now < warm:
                self.delays.clear()
            first = LIVE if beside else LIVE + self._lanes
            also = [first + chance.randrange(self._lanes) for _ in range(BESIDE)]
            (live, *_) = await self._change([number % LIVE, *dict.fromkeys(also)])
            self.committed[live] = time.perf_counter()
            number += 1
            await asyncio.sleep(max(0.0, EVERY - (time.monotonic() - now)))
        await asyncio.sleep(0.5)
        return self.delays

    async def _change(self, numbers: range | list[int]) -> list[str]:
        self._device += 1
        imeis = [f"35{self._device % 10**6:06}{number:06}" for number in numbers]
        ports = tuple(
            PortObservation(port=n + 1, slot=1, status=3, locked=False, imei=imei, imsi=str(IMSI_BASE + n))
            for n, imei in zip(numbers, imeis, strict=True)
        )
        await self._ingest.submit(
            Report(
                gateway_id=self._gateway,
                gateway_name="isolation",
                received_at=datetime.now(UTC),
                message="port-status",
                ports=ports,
            )
        )
        return imeis


async def measure(world: Bench, lanes: int, seconds: float, rounds: int) -> None:
    """Print the delays with a troubled origin of so many lanes and without, and their ratio."""
    loop = asyncio.get_running_loop()
    async with world.database() as db:
        vault = Vault(master_key(Settings(data_dir=str(world.directory / "data"))))
        gateway, _ = await Gateways(db, vault).add(
            "isolation", kind="ejoin", command_url=None, username=None, password=None
        )
        trickle = Trickle(Ingest(db), gateway, lanes)
        live = await loop.create_server(lambda: Answering(trickle.told), "127.0.0.1", 0)
        trouble = Troubled()
        await trouble.start()
        sinks = [f"http://127.0.0.1:{live.sockets[0].getsockname()[1]}/"] * LIVE
        await subscribe(world, sinks + [f"http://127.0.0.1:{trouble.port}/"] * lanes, LIVE + lanes)
        await trickle.all_troubled()
        await db.execute("analyze")  # as autovacuum would within the minute
        for kind in ("hangs", "refuses", "is slow"):
            alone: list[float] = []
            beside: list[float] = []
            ratios = []
            for _ in range(rounds):
                await trouble.become("answers")
                await _drained(world)
                before = await trickle.run(seconds, beside=False)
                await trouble.become(kind)
                await trickle.all_troubled()
                after = await trickle.run(seconds, beside=True)
                ratios.append(p95(after) / p95(before))
                alone += before
                beside += after
            print(f"Commit to a sink that answers, alone:                          {machine.percentiles(alone)}")
            print(
                f"The same beside {lanes:,} lanes of an origin that {kind:8}: {machine.percentiles(beside)}; "
                f"p95 ratio {machine.median(ratios):.2f} (rounds {', '.join(f'{one:.2f}' for one in ratios)})",
                flush=True,
            )
        live.close()
        await trouble.become("refuses")


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[int(0.95 * len(values))]


async def _drained(world: Bench) -> None:
    """Until no delivery waits."""
    async with world.database() as db:
        while await db.fetchval(  # noqa: ASYNC110 - nobody tells
            "select exists (select 1 from subscription where lane_due_at is not null)"
        ):
            await asyncio.sleep(0.5)


class Troubled:
    """An origin that answers, refuses, hangs or is slow, at one port."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Transport] = set()

    async def start(self) -> None:
        """Begin, answering."""
        await self.become("answers")

    async def become(self, kind: str) -> None:
        """Cut what is connected and be like this from now on."""
        if self._server is not None:
            self._server.close()
            for transport in list(self._open):
                transport.abort()
            self._server = None
        if kind == "refuses":
            return
        loop = asyncio.get_running_loop()
        answer: dict[str, Callable[[], Awaitable[None]] | None] = {"answers": None, "hangs": _hour, "is slow": _slowly}
        wait = answer[kind]
        self._server = await loop.create_server(
            lambda: Answering(lambda _: None, wait, self._open), "127.0.0.1", self.port, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]


async def _hour() -> None:
    await asyncio.sleep(3600)


async def _slowly() -> None:
    await asyncio.sleep(3)
