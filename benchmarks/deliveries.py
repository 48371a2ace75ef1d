"""Events handed out: 100 sinks of which 10 are dead (five refuse, five never answer)."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from benchmarks import machine
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.demo.world import until
from simwarden.domain.events import EventType
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.reports import PortObservation, Report
from simwarden.domain.sim import Sim
from simwarden.engine.ingest import Ingest
from simwarden.engine.subscriptions import NewSubscription, Subscriptions
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

SINKS, DEAD = 100, 10
CEILING = 7_000
"""POSTs/s of the HTTP client alone on one core."""
_TYPE = "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"


class Answering(asyncio.Protocol):
    """A sink that answers 204 to whatever is posted, after `wait`, and hands the body to `told`."""

    def __init__(
        self,
        told: Callable[[bytes], None],
        wait: Callable[[], Awaitable[None]] | None = None,
        connected: set[asyncio.Transport] | None = None,
    ) -> None:
        self._told = told
        self._wait = wait
        self._connected = set() if connected is None else connected
        self._buffer = b""
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._connected.add(transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._connected.discard(self._transport)
        for task in self._tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head[head.find(b"content-length:") + 15 :].split(b"\r\n", 1)[0])
            if len(self._buffer) < end + 4 + length:
                return
            self._told(self._buffer[end + 4 : end + 4 + length])
            self._buffer = self._buffer[end + 4 + length :]
            if self._wait is None:
                self._answer()
            else:
                task = asyncio.create_task(self._answer_later(self._wait))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def _answer(self) -> None:
        self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def _answer_later(self, wait: Callable[[], Awaitable[None]]) -> None:
        await wait()
        self._answer()


async def measure(world: Bench, events: int) -> float:
    """Print deliveries/s to the sinks that live, and return them."""
    times: list[float] = []
    loop = asyncio.get_running_loop()

    def told(body: bytes) -> None:
        if b"imei-change" in body:
            times.append(time.perf_counter())

    servers = [await loop.create_server(lambda: Answering(told), "127.0.0.1", 0) for _ in range(SINKS - DEAD)]
    hanging = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    live = [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/" for server in servers]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        silent = f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}/"
        dead = [f"{(refusing, silent)[number % 2]}{number}" for number in range(DEAD)]
        await subscribe(world, live + dead, events)
        expected = sum(1 for number in range(events) if number % SINKS < len(live))
        await asyncio.sleep(2)  # the subscriptions' own first events are out
        # A backlog first, made while nothing delivers: else the making of events would be measured.
        database = EmbeddedPostgres(world.directory / "data")
        database.acquire()
        world.server.terminate()
        await world.server.wait()
        times.clear()
        await _change_devices(world, events)
        world.server = await world.start_server()
        database.release()
        await until(lambda: _all(times, expected), "all events are at their sinks", 120)
    for server in (*servers, hanging):
        server.close()
    took = times[-1] - times[0]
    rate = len(times) / took
    print(
        f"Deliveries to {SINKS} sinks of which {DEAD} are dead, a backlog of {events:,}: {rate:,.0f}/s "
        f"({len(times):,} of {expected:,} in {took:.1f} s); HTTP client alone {CEILING:,}/s, ratio {rate / CEILING:.2f}"
    )
    memory = machine.memory_of(world.server.pid)
    print(f"Memory of the server's Python processes afterwards: {memory['python']:.0f} MiB (PSS)", flush=True)
    return rate


async def _all(times: list[float], expected: int) -> bool:
    return len(times) >= expected


async def subscribe(world: Bench, sinks: list[str], count: int) -> None:
    """Subscribe the first SIMs to the change of their device, in turns at these sinks."""
    async with world.database() as db:
        vault = Vault(master_key(Settings(data_dir=str(world.directory / "data"))))
        subscriptions = Subscriptions(db, vault, allow_private_sinks=True)
        account = await db.fetchval("select id from account where name = 'bench'")
        app_key = await db.fetchval("select app_key from application where name = 'bench'")
        for number in range(count):
            imsi = str(IMSI_BASE + number)
            await subscriptions.create(
                NewSubscription(
                    sim=Sim(bucket=bucket_of(imsi), imsi=imsi, account_id=account),
                    account_id=account,
                    app_key=app_key,
                    api="iot-sim-fraud-prevention-subscriptions",
                    topic=EventType.DEVICE_CHANGED,
                    type=_TYPE,
                    protocol="HTTP",
                    sink=sinks[number % len(sinks)],
                    protocol_settings=None,
                    device={"phoneNumber": f"+8690{number:010}"},
                    config={},
                    credential=None,
                    expires_at=None,
                    max_events=None,
                    initial_event=False,
                )
            )


async def _change_devices(world: Bench, count: int) -> None:
    """Every SIM is seen in a device and then in another one."""
    async with world.database() as db:
        vault = Vault(master_key(Settings(data_dir=str(world.directory / "data"))))
        gateway, _ = await Gateways(db, vault).add(
            "delivery-bench", kind="ejoin", command_url=None, username=None, password=None
        )
        ingest = Ingest(db)
        for device in (1, 2):
            reports = [
                Report(
                    gateway_id=gateway,
                    gateway_name="delivery-bench",
                    received_at=datetime.now(UTC),
                    message="port-status",
                    ports=tuple(
                        PortObservation(
                            port=number + 1,
                            slot=1,
                            status=3,
                            locked=False,
                            imei=f"35{device}{number:011}",
                            imsi=str(IMSI_BASE + number),
                        )
                        for number in range(first, min(first + 100, count))
                    ),
                )
                for first in range(0, count, 100)
            ]
            await ingest.submit(*reports)
