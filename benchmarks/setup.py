"""A server with many SIMs and gateways, made quickly: through the engine, not through hundreds of commands."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp

from simwarden.accounts.applications import issue, open_account
from simwarden.accounts.scopes import SETS
from simwarden.demo.story import IMEI_CHANGE, SUBSCRIPTIONS
from simwarden.demo.world import World
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.rules.device import Bind
from simwarden.domain.sim import IdentifierKind, SimRef
from simwarden.engine import imports, provision
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.commands.command import SimCommand
from simwarden.kit.clock import now_utc
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

IMSI_BASE = 460000990000000
CAUSE = Cause(CauseKind.OPERATOR, "benchmark", now_utc())
UNLIMITED = {"SIMWARDEN_CALLS_PER_SECOND": "1000000", "SIMWARDEN_SUBSCRIPTIONS_PER_SECOND": "1000000"}
"""One application calls as fast as it can."""


class Bench(World):
    """The demo's world, with means to fill it."""

    def __init__(self, session: aiohttp.ClientSession, directory: Path) -> None:
        os.environ.update(UNLIMITED)
        super().__init__(session, directory)
        self.directory = directory
        self.session = session
        self.server: asyncio.subprocess.Process

    async def fill(self, sims: int) -> tuple[str, str]:
        """Register SIMs with consecutive IMSIs; returns an app key and secret of their account."""
        async with self.database() as db:
            account = await open_account(Accounts(db), "bench")
            await imports.import_rows(db, _rows(account.id, sims), account.id, imports.Way(CAUSE))
            await db.execute("analyze")
            made = await issue(Accounts(db), "bench", "bench", SETS["all"])
        return made.application.app_key, made.app_secret

    async def import_file(self, sims: int) -> float:
        """Register SIMs as `simwarden sim import` does, from a file in memory; returns rows/s."""
        lines = (f"8986{IMSI_BASE + n},{IMSI_BASE + n},+8690{n:010}\n" for n in range(sims))
        data = ("iccid,imsi,msisdn\n" + "".join(lines)).encode()
        async with self.database() as db:
            account = await db.fetchval("select id from account where name = 'bench'")
            began = time.monotonic()
            rows = imports.read_rows(imports.lines_of(data), account)
            done = await imports.import_rows(db, rows, account, imports.Way(CAUSE))
            took = time.monotonic() - began
        assert done.added == sims
        return sims / took

    async def add_gateways(self, prefix: str = "") -> None:
        """Register the virtual gateways that run, and tell each where to report."""
        async with self.database() as db:
            vault = Vault(master_key(Settings(data_dir=str(self.directory / "data"))))
            for gateway in self.gateways:
                _, token = await Gateways(db, vault).add(
                    prefix + gateway["name"],
                    kind="ejoin",
                    command_url=gateway["command_url"],
                    username=gateway["username"],
                    password=gateway["password"],
                )
                url = f"{self.url}/southbound/ejoin/{token}"
                await self.steer(f"/gateways/{gateway['name']}/report-url", url=url, report_now=False)

    async def start_load(self, *, gateways: int, rate: int, changed: float) -> asyncio.subprocess.Process:
        """Gateways that report as fast as asked; their SIMs are the register's from the 50,000th on."""
        process = await self.processes.start(
            *("load", "simulate", "--gateways", str(gateways), "--slots", "1", "--interval", "0", "--json"),
            *("--rate", str(rate), "--changed", str(changed), "--imsi-base", str(IMSI_BASE + 50_000)),
        )
        assert process.stdout is not None
        line = json.loads(await process.stdout.readline())
        kept = (self.control, self.gateways)
        self.control, self.gateways = line["control"].rstrip("/"), line["gateways"]
        await self.add_gateways("load-")
        self.control, self.gateways = kept
        return process

    async def bind_current(self, imsis: list[str]) -> None:
        """Bind SIMs to the devices they are in."""
        async with self.database() as db:
            account = (await Accounts(db).list())[0]
            commands = CommandBatcher(db)
            for imsi in imsis:
                await commands.submit(
                    SimCommand(SimRef(IdentifierKind.IMSI, imsi), Bind(again=True), CAUSE, account.id)
                )

    async def subscribe(self, number: int) -> None:
        """Subscribe the sink to imei-change of a SIM, over HTTP."""
        device = {"phoneNumber": f"+8690{number:010}"}
        config = {"subscriptionDetail": {"device": device}}
        body = {"protocol": "HTTP", "sink": self.sink, "types": [IMEI_CHANGE], "config": config}
        await self.call(f"{SUBSCRIPTIONS}/subscriptions", body, 201)

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """A connection of our own to the server's database."""
        db = await Database.connect(EmbeddedPostgres(self.directory / "data").url(), size=4)
        try:
            yield db
        finally:
            await db.close()


def _rows(account_id: str, sims: int) -> Iterator[provision.NewSim]:
    for number in range(sims):
        imsi = str(IMSI_BASE + number)
        made = provision.new_sim(account_id, imsi=imsi, iccid=f"8986{IMSI_BASE + number}", msisdn=f"+8690{number:010}")
        yield provision.NewSim(number, made)


@contextlib.asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """A fresh server; everything is stopped and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="simwarden-bench-") as directory:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            world = Bench(session, Path(directory))
            try:
                world.server = await world.start_server()
                yield world
            finally:
                await world.processes.stop()
