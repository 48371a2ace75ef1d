"""One virtual gateway on the wire: its command pages on a loopback port, its reporter, its interval and its faults."""

from __future__ import annotations

import asyncio
import socket
from typing import Literal

from aiohttp import web

from simwarden.simulator.commands import Executor
from simwarden.simulator.faults import Fault
from simwarden.simulator.gateway import VirtualGateway
from simwarden.simulator.messages import Form
from simwarden.simulator.pages_v2 import PagesV2
from simwarden.simulator.pages_v3 import PagesV3
from simwarden.simulator.reporter import Reporter, SentReport
from simwarden.simulator.serving import stop_task
from simwarden.simulator.sites import GatewaySite
from simwarden.simulator.slot_addresses import SlotAddress

Generation = Literal[2, 3]

#: The largest command body that is read, in bytes.
LARGEST_BODY = 1 << 20

#: User name and password of a device as it leaves the factory (vendor document, HTTP API 1.x and 2.x).
FACTORY_LOGIN = "root"


class GatewayServer:
    """The device on the network. Its port stays reserved while it is offline, so nobody else can answer there."""

    def __init__(
        self,
        gateway: VirtualGateway,
        *,
        generation: Generation = 2,
        host: str = "127.0.0.1",
        port: int = 0,
        username: str = FACTORY_LOGIN,
        password: str = FACTORY_LOGIN,
        report_url: str | None = None,
        interval: float = 60.0,
        effect_delay: float = 0.02,
        reporter: Reporter | None = None,
        site: GatewaySite | None = None,
    ) -> None:
        """`interval` (seconds between dev-status reports; 0 = none) and `effect_delay` (seconds a command takes)."""
        self.gateway = gateway
        self.generation = generation
        self.form: Form = "v3" if generation == 3 else "v2"
        self.host = host
        self.port = port
        self.username = username
        self.interval = interval
        self.site = site
        """Where it stands. It does not know itself: no report says so."""
        self.reporter = reporter or Reporter()
        self.reporter.url = report_url
        self.executor = Executor(gateway, self.reporter, form=self.form, effect_delay=effect_delay)
        pages = PagesV3 if generation == 3 else PagesV2
        self._pages = pages(self.executor, username, password, self.configure_reports)
        self._socket: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._beat: asyncio.Task[None] | None = None
        self._beat_changed = asyncio.Event()

    @property
    def name(self) -> str:
        """The gateway's name."""
        return self.gateway.name

    @property
    def command_url(self) -> str:
        """Where the device takes commands, without a path."""
        return f"http://{self.host}:{self.port}"

    @property
    def online(self) -> bool:
        """Whether it listens."""
        return self._runner is not None

    async def start(self) -> None:
        """Reserve the port, listen, and introduce the device with a dev-status."""
        self._reserve()
        self.reporter.start()
        await self._listen()
        self._beat = asyncio.create_task(self._report_regularly())

    async def close(self) -> None:
        """Stop everything and release the port."""
        self.executor.fault.cleared.set()
        self.executor.close()
        await stop_task(self._beat)
        await self.reporter.close()
        await self._stop_listening()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def set_fault(self, fault: Fault) -> None:
        """Replace the fault that is on. Coming back online pushes a dev-status before anything else."""
        previous = self.executor.fault
        self.executor.fault = fault
        previous.cleared.set()
        if fault.name == "offline" and self.online:
            self.reporter.paused = True
            self.reporter.discard()
            await self._stop_listening()
            self._reserve()
        elif fault.name != "offline" and not self.online:
            self.reporter.paused = False
            self.report_device()
            await self._listen()

    def configure_reports(self, url: str | None, period: float | None) -> None:
        """Report to another URL or at another period (seconds, 0 = off); None leaves it as it is."""
        if url is not None:
            self.reporter.url = url
        if period is not None:
            self.interval = period
            self._beat_changed.set()

    def report_device(self) -> SentReport:
        """Push a dev-status now."""
        message = self.gateway.dev_status(self.form, expires=int(self.interval * 1000))
        return self.reporter.push("dev-status", message)

    def report_slots(self, places: list[SlotAddress]) -> list[SentReport]:
        """Push a port-status for each of these slots now."""
        return self.executor.report(places) if self.online else []

    async def reboot(self) -> None:
        """Restart the device: counters begin again and it introduces itself."""
        self.gateway.reboot()
        self.report_device()

    async def _report_regularly(self) -> None:
        if self.interval > 0 and self.online:
            self.report_device()
        while True:
            try:
                await asyncio.wait_for(self._beat_changed.wait(), self.interval if self.interval > 0 else None)
                self._beat_changed.clear()
            except TimeoutError:
                if self.online:
                    self.report_device()

    def _reserve(self) -> None:
        """Hold the port without listening: connections are refused."""
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((self.host, self.port))
        except OSError:
            held.close()
            raise
        self.port = held.getsockname()[1]
        self._socket = held

    async def _listen(self) -> None:
        assert self._socket is not None
        app = web.Application(client_max_size=LARGEST_BODY)
        app.add_routes(self._pages.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05, handle_signals=False)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket, backlog=512).start()

    async def _stop_listening(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
