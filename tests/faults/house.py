"""The house under test: a real server, gateways, a sink, proxies between them, and a data directory with a quota."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg
import msgspec
from tests.faults.model import Should
from tests.faults.proxy import Proxy
from tests.support.family import children, command_line, is_postgres, workers
from tests.support.smsc import MessageCentre

from simwarden.demo.processes import Processes, StepFailed, free_port
from simwarden.demo.story import IMEI_CHANGE, SUBSCRIPTIONS
from simwarden.demo.world import until
from simwarden.settings.keys import read_key
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    import random

QUOTA = "768m"
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


DRAWER = "46000077"
"""What the IMSIs of SIMs begin with that are in no gateway."""
IN_DRAWER = 400


class Key(msgspec.Struct):
    """What an application or the operator logs in with."""

    app_key: str
    secret: str
    token: str = ""


class Reply(msgspec.Struct, frozen=True):
    """What was answered."""

    status: int
    body: Any


class Shape(msgspec.Struct, frozen=True):
    """What differs from one freshly started house to the next."""

    workers: int
    generation: str
    faked_clock: bool
    quota: bool

    @classmethod
    def draw(cls, chance: random.Random) -> Shape:
        """One by chance; what this machine cannot do is left out."""
        return cls(
            workers=chance.choice([1, 2]),
            generation=chance.choice(["2", "3"]),
            faked_clock=chance.random() < 0.4 and FAKETIME.exists(),
            quota=chance.random() < 0.5 and can_mount(),
        )


def can_mount() -> bool:
    """Whether a file system with a quota can be made: as root, where mounting is allowed."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


class House:
    """All processes of one round after the other. Use as a context manager: nothing is left behind."""

    def __init__(self, directory: Path, shape: Shape) -> None:
        self.directory = directory
        self.shape = shape
        self.data = directory / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.clock_file = directory / "clock"
        self.clock_file.write_text("+0\n")
        self._processes = Processes(directory, self._environment())
        self.server: asyncio.subprocess.Process | None = None
        self.fleet: asyncio.subprocess.Process | None = None
        self.sink: asyncio.subprocess.Process | None = None
        self.control = ""
        self.sink_url = ""
        self.reports = Proxy(self.port)
        self.calls = Proxy(self.port)
        self.commands: dict[str, Proxy] = {}
        self.sinks = [Proxy(0), Proxy(0)]
        self.tokens: dict[str, str] = {}
        self.apps: list[Key] = []
        """Two applications of the one customer."""
        self.operator: Key
        self.drawer: list[str] = []
        """IMSIs of SIMs that are in no gateway."""
        self.deaths: list[float] = []
        """When the server, a worker or a process of PostgreSQL was killed."""
        self.phones: dict[str, str] = {}
        self.subscriptions: dict[str, str] = {}
        """Subscription id to IMSI."""
        self.should: dict[str, Should] = {}
        """How each SIM must be, by what the harness had acknowledged."""
        self.home: dict[str, tuple[str, str]] = {}
        self.centre: MessageCentre | None = None
        """A message centre, which is the harness's own: it is the server that dies."""
        self.session: aiohttp.ClientSession

    def _environment(self) -> dict[str, str]:
        given = {
            "SIMWARDEN_DATA_DIR": str(self.data),
            "SIMWARDEN_PORT": str(self.port),
            "SIMWARDEN_HOST": "127.0.0.1",
            "SIMWARDEN_ALLOW_PRIVATE_SINKS": "true",
            "SIMWARDEN_LOG_FORMAT": "json",
            "SIMWARDEN_WORKERS": str(self.shape.workers),
            "SIMWARDEN_COMMAND_TIMEOUT": "2",
        }
        if self.shape.faked_clock:
            given |= {
                "LD_PRELOAD": str(FAKETIME),
                "FAKETIME_TIMESTAMP_FILE": str(self.clock_file),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        return given

    async def __aenter__(self) -> House:
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=8))
        try:
            await self._open()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in (self.server, self.fleet, self.sink):
            if process is not None and process.returncode is None:
                signal_tree(process.pid, signal.SIGCONT)
        if self.centre is not None:
            await self.centre.__aexit__()
        await self.session.close()
        await self._processes.stop()
        await asyncio.to_thread(self._stop_postgres)
        for proxy in (self.reports, self.calls, *self.commands.values(), *self.sinks):
            with contextlib.suppress(AssertionError):
                await proxy.stop()
        if self.shape.quota:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", str(self.data)], check=False, capture_output=True)

    def _stop_postgres(self) -> None:
        """What a killed server left running."""
        process = EmbeddedPostgres(self.data).process_id()
        if process is not None and is_postgres(process):
            with contextlib.suppress(ProcessLookupError):
                signal_tree(process, signal.SIGCONT)
                os.kill(process, signal.SIGKILL)

    async def _open(self) -> None:
        self.data.mkdir()
        if self.shape.quota:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={QUOTA}", "tmpfs", str(self.data)]
            await asyncio.to_thread(subprocess.run, mount, check=True)
        await self.reports.start()
        await self.calls.start()
        await self.start_fleet()
        await self.start_sink()
        await self.start_server()
        await self._provision()

    # -- processes -------------------------------------------------------------------------------------------------

    async def start_server(self) -> None:
        """Start the server and wait until it is ready."""
        self.server = process = await self._processes.start("server", "serve")

        async def ready() -> bool:
            if process.returncode is not None:
                raise StepFailed(f"The server ended:\n{self.log_tail()}")
            return await self.is_ready()

        await until(ready, "the server is ready", 60)

    async def is_ready(self) -> bool:
        """Whether the server says so."""
        try:
            async with self.session.get(f"{self.url}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def start_fleet(self) -> None:
        """Start the gateways where they were before, if there was a before."""
        self.fleet, told = await self._player("fleet", self.shape.generation)
        self.control = told["control"]
        for name, port in told["gateways"].items():
            if name not in self.commands:
                self.commands[name] = Proxy(port)
                await self.commands[name].start()
            self.commands[name].target = port

    async def start_sink(self) -> None:
        """Start the sink, again on its port."""
        port = self.sink_url.rpartition(":")[2] or "0"
        self.sink, told = await self._player("sink", port)
        self.sink_url = told["sink"].rstrip("/")
        for proxy in self.sinks:
            if not proxy.target:
                await proxy.start()
            proxy.target = int(self.sink_url.rpartition(":")[2])

    async def _player(self, role: str, value: str) -> tuple[asyncio.subprocess.Process, dict[str, Any]]:
        with (self.directory / f"{role}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.players", role, str(self.directory), value),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._processes._running.append((role, process))
        return process, await self._processes.ready_line(process, role)

    def workers(self) -> list[int]:
        """Process ids of the server's workers."""
        if self.server is None or self.server.returncode is not None:
            return []
        return workers(self.server.pid)

    def postgres(self) -> int | None:
        """Process id of the postmaster, when it runs."""
        process = EmbeddedPostgres(self.data).process_id()
        return process if process is not None and is_postgres(process) else None

    def backends(self) -> list[int]:
        """Process ids of PostgreSQL's processes that serve connections."""
        process = self.postgres()
        return [] if process is None else [c for c in children(process) if "[local]" in command_line(c)]

    def log_tail(self, lines: int = 15) -> str:
        """The end of the server's log."""
        return self._processes.log_tail("server", lines)

    # -- the world's content ---------------------------------------------------------------------------------------

    async def _provision(self) -> None:
        command = self._processes.command
        await command("account", "create", "ACME")
        for name in ("meters", "fleet"):
            app = await command("app", "create", "--account", "ACME", "--name", name, "--scopes", "all")
            self.apps.append(Key(app["appKey"], app["appSecret"]))
        made = await command("operator", "create", "ops")
        self.operator = Key(made["appKey"], made["appSecret"])
        cards = await self.cards()
        for card in cards.values():
            self.phones[card["imsi"]] = f"+{card['msisdn']}"
            self.should[card["imsi"]] = Should(card["imei"], named=True)
            self.home[card["imsi"]] = (card["gateway"], card["slot"])
        self.drawer = [f"{DRAWER}{number:07}" for number in range(IN_DRAWER)]
        self.should |= dict.fromkeys(self.drawer, Should(None))
        rows = [f"{c['iccid']},{c['imsi']},+{c['msisdn']},{c['imei']}" for c in cards.values()]
        rows += [f",{imsi},," for imsi in self.drawer]
        listing = self.directory / "sims.csv"
        listing.write_text("\n".join(["iccid,imsi,msisdn,imei", *rows]) + "\n")
        await command("sim", "import", "--account", "ACME", str(listing))
        for name, proxy in self.commands.items():
            made = await command(
                *("gateway", "add", "--name", name, "--command-url", f"http://127.0.0.1:{proxy.port}"),
                *("--username", "root", "--password", "root", "--interval", "2"),
            )
            self.tokens[name] = made["reportUrl"].rpartition("/")[2]
            url = self.report_url(self.tokens[name])
            await self.steer(f"/gateways/{name}/report-url", url=url, report_now=True)
        async with self.database() as db:
            seen = f"select every(seen_at is not null) from sim where imsi not like '{DRAWER}%'"
            await until(lambda: db.fetchval(seen), "every SIM was seen", 20)
        await self._subscribe()

    async def _subscribe(self) -> None:
        for number, (imsi, phone) in enumerate(sorted(self.phones.items())):
            for proxy in self.sinks[: 1 + number % 2] if number % 3 else self.sinks[1:]:
                reply = await self.call(
                    "POST",
                    f"{SUBSCRIPTIONS}/subscriptions",
                    {
                        "protocol": "HTTP",
                        "sink": f"http://127.0.0.1:{proxy.port}/",
                        "types": [IMEI_CHANGE],
                        "config": {"subscriptionDetail": {"device": {"phoneNumber": phone}}},
                    },
                    self.apps[number % 2],
                )
                if reply.status != 201:
                    raise StepFailed(f"No subscription: {reply.status} {reply.body}")
                self.subscriptions[reply.body["id"]] = imsi

    def report_url(self, token: str) -> str:
        """Where a gateway reports: through the proxy."""
        return f"http://127.0.0.1:{self.reports.port}/southbound/ejoin/{token}"

    @contextlib.asynccontextmanager
    async def database(self) -> Any:
        """A connection of our own, past all of the product's code."""
        connection = await asyncpg.connect(EmbeddedPostgres(self.data).url(), timeout=5, command_timeout=10)
        try:
            yield connection
        finally:
            connection.terminate()

    def vault(self) -> Vault:
        """Opens what is sealed in the database."""
        return Vault(read_key(self.data / "master.key"))

    async def steer(self, path: str, **body: Any) -> dict[str, Any]:
        """Do something to the gateways."""
        timeout = aiohttp.ClientTimeout(total=40)
        async with self.session.post(f"{self.control}{path}", json=body, timeout=timeout) as answer:
            found: dict[str, Any] = await answer.json(content_type=None)
            if answer.status != 200:
                raise StepFailed(f"{path} answered {answer.status}: {found}")
            return found

    async def misbehave(self, **behaviour: Any) -> None:
        """Tell the sink how to answer."""
        async with self.session.post(f"{self.sink_url}/behaviour", json=behaviour) as answer:
            if answer.status != 200:
                raise StepFailed(f"The sink answered {answer.status}: {await answer.text()}")

    async def cards(self) -> dict[str, dict[str, Any]]:
        """Where every card is, by IMSI."""
        found = {}
        for name in self.commands:
            async with self.session.get(f"{self.control}/gateways/{name}") as answer:
                for card in (await answer.json())["sims"]:
                    found[card["imsi"]] = card
        return found

    async def locked(self) -> set[tuple[str, str]]:
        """The slots that the gateways hold locked."""
        found = set()
        for name in self.commands:
            async with self.session.get(f"{self.control}/gateways/{name}") as answer:
                found |= {(name, slot) for slot in (await answer.json())["locked"]}
        return found

    async def call(self, method: str, path: str, body: Any, key: Key, name: str = "", *, once: bool = False) -> Reply:
        """Call an API with the token of `key`, fetched when needed, under this x-correlator; `once`: and this
        Idempotency-Key."""
        headers = {"x-correlator": name} if name else {}
        if once:
            headers["idempotency-key"] = name
        for _ in range(2):
            if not key.token:
                await self._log_in(key)
            headers["Authorization"] = f"Bearer {key.token}"
            async with self.session.request(method, f"{self._called}{path}", json=body, headers=headers) as answer:
                if answer.status == 401:
                    key.token = ""
                    continue
                if answer.content_type == "text/csv":
                    return Reply(answer.status, await answer.text())
                return Reply(answer.status, await answer.json(content_type=None))
        return Reply(401, None)

    @property
    def _called(self) -> str:
        """Where customers and the operator call: through the proxy."""
        return f"http://127.0.0.1:{self.calls.port}"

    async def _log_in(self, key: Key) -> None:
        form = {"grant_type": "client_credentials", "client_id": key.app_key, "client_secret": key.secret}
        async with self.session.post(f"{self._called}/oauth2/token", data=form) as answer:
            body = await answer.json(content_type=None)
            if answer.status == 200:
                key.token = body["access_token"]

    def ledger(self, name: str) -> list[dict[str, Any]]:
        """What a player wrote down."""
        path = self.directory / f"{name}.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_bytes().splitlines()]


def signal_tree(process: int, number: int) -> None:
    """Send a signal to a process and all below it."""
    for child in children(process):
        signal_tree(child, number)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)
