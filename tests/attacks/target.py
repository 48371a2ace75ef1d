"""The server under attack, an honest tenant and an attacker's, set up through the engine."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from benchmarks import machine

from simwarden.accounts.applications import issue, issue_operator, open_account
from simwarden.demo.processes import Processes, StepFailed, free_port
from simwarden.demo.world import until
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine import imports, provision
from simwarden.kit.clock import now_utc
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Iterator, Mapping

SCOPES = (
    "iot-sim-fraud-prevention:bind",
    "iot-sim-fraud-prevention:unbind",
    "iot-sim-fraud-prevention:query",
    "iot-sim-fraud-prevention-subscriptions:subscribe",
    "iot-sim-fraud-prevention-subscriptions:read",
    "iot-sim-fraud-prevention-subscriptions:delete",
    "geofencing-subscriptions:org.camaraproject.geofencing-subscriptions.v0.area-entered:create",
    "geofencing-subscriptions:org.camaraproject.geofencing-subscriptions.v0.area-left:create",
    "short-message-subscriptions:org.camaraproject.short-message-subscriptions.v0.sms-received:create",
    "short-message-subscriptions:retrieve-received",
    "short-message-subscriptions:opt-outs:write",
    "record-subscriptions:org.simwarden.record-subscriptions.v0.message-recorded:create",
    "records:sms:read",
    "records:content:read",
    "send-sms:short-message",
    "fraud-hotzone:check",
    "device-communication-function:manage",
    "device-communication-function:read",
    "eligibility-info:check",
    "listen:receive",
    "device-card-binding-mgmt:query",
    "iot-device-management:add",
    "iot-device-management:activate",
    "iot-device-management:suspend",
    "iot-device-management:restore",
    "iot-device-management:deactivate",
    "iot-device-management:delete",
    "iot-device-management:retrieve-status",
    "iot-device-management:retrieve-operation",
)
HONEST_SIMS = 40
ATTACKERS_SIMS = 200
HOME = "127.0.0.1"
"""The address that the honest tenant connects from. Attackers take others of 127.0.0.0/8."""


class Card(msgspec.Struct, frozen=True):
    """One SIM."""

    imsi: str
    iccid: str
    phone: str


class Tenant(msgspec.Struct):
    """An account with one application and its SIMs."""

    name: str
    account_id: str
    app_key: str
    secret: str
    cards: list[Card]
    token: str = ""

    @property
    def bearer(self) -> dict[str, str]:
        """The header that its calls carry."""
        return {"authorization": f"Bearer {self.token}"}


class Target:
    """A running server and who uses it."""

    def __init__(self, directory: Path, port: int, processes: Processes, database_url: str | None = None) -> None:
        self._database_url = database_url
        self.directory = directory
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.processes = processes
        self.server: asyncio.subprocess.Process
        self.honest: Tenant
        self.attacker: Tenant
        self.operator: Tenant
        """An operator's key, without SIMs."""
        self.honest_reports = ""
        """The report URL of the honest gateway; attackers leave it alone."""
        self.attacker_reports = ""
        """The report URL of a gateway that the attacker holds."""

    def session(self, address: str = "127.0.0.2", *, kept: bool = True, seconds: float = 30) -> aiohttp.ClientSession:
        """A client that connects from this address of the loopback; without `kept` each call has a new connection."""
        connector = aiohttp.TCPConnector(local_addr=(address, 0), limit=0, force_close=not kept)
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=seconds))

    async def log_in(self, tenant: Tenant) -> None:
        """Get an access token for the tenant's application."""
        form = {"grant_type": "client_credentials", "client_id": tenant.app_key, "client_secret": tenant.secret}
        async with self.session(HOME) as session, session.post(f"{self.url}/oauth2/token", data=form) as answer:
            body = await answer.json()
            if answer.status != 200:
                raise StepFailed(f"No access token: {answer.status} {body}")
        tenant.token = body["access_token"]

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """A connection of our own to the server's database."""
        db = await Database.connect(self._database_url or EmbeddedPostgres(self.directory / "data").url(), size=2)
        try:
            yield db
        finally:
            await db.close()

    async def metrics(self) -> dict[str, float]:
        """The page of metrics: value by series, labels included."""
        async with self.session(HOME) as session, session.get(f"{self.url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {series: float(value) for series, _, value in pairs}

    def memory(self) -> float:
        """MiB (proportional set size) of the server's Python processes now."""
        return machine.memory_of(self.server.pid)["python"]

    def log(self) -> str:
        """What the server wrote to standard error so far."""
        return (self.directory / "server.log").read_text(errors="replace")

    async def _start(self) -> None:
        self.server = process = await self.processes.start("server", "serve")
        async with self.session(HOME, seconds=5) as session:

            async def ready() -> bool:
                if process.returncode is not None:
                    raise StepFailed(f"The server ended:\n{self.log()[-4000:]}")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    async with session.get(f"{self.url}/readyz") as answer:
                        return answer.status == 200
                return False

            await until(ready, "the server is ready", 90)

    async def _set_up(self) -> None:
        async with self.database() as db:
            accounts = Accounts(db)
            self.honest = await self._tenant(db, accounts, "honest", 46000099, HONEST_SIMS)
            self.attacker = await self._tenant(db, accounts, "attacker", 46000066, ATTACKERS_SIMS)
            issued = await issue_operator(accounts, "operator")
            key = issued.application.app_key
            self.operator = Tenant("operator", issued.application.account_id, key, issued.app_secret, [])
            gateways = Gateways(db, Vault(master_key(Settings(data_dir=str(self.directory / "data")))))
            _, token = await gateways.add("honest-gw", kind="ejoin", command_url=None, username=None, password=None)
            self.honest_reports = f"{self.url}/southbound/ejoin/{token}"
            _, token = await gateways.add("attacker-gw", kind="ejoin", command_url=None, username=None, password=None)
            self.attacker_reports = f"{self.url}/southbound/ejoin/{token}"
        for tenant in (self.honest, self.attacker, self.operator):
            await self.log_in(tenant)

    async def _tenant(self, db: Database, accounts: Accounts, name: str, prefix: int, sims: int) -> Tenant:
        account = await open_account(accounts, name)
        numbers = [(f"{prefix}{n:07}", f"8986{prefix}{n:08}", f"+86{prefix % 100}0{n:08}") for n in range(sims)]
        cards = [Card(imsi, iccid, phone) for imsi, iccid, phone in numbers]
        done = await imports.import_rows(db, _rows(account.id, cards), account.id, imports.Way(_cause()))
        assert done.added == sims
        issued = await issue(accounts, name, f"{name}-app", SCOPES)
        return Tenant(name, account.id, issued.application.app_key, issued.app_secret, cards)


def _rows(account_id: str, cards: list[Card]) -> Iterator[provision.NewSim]:
    for number, card in enumerate(cards):
        made = provision.new_sim(account_id, imsi=card.imsi, iccid=card.iccid, msisdn=card.phone)
        yield provision.NewSim(number, made)


def _cause() -> Cause:
    return Cause(CauseKind.OPERATOR, "attacks", now_utc())


@contextlib.asynccontextmanager
async def attacked(settings: Mapping[str, str] | None = None, database_url: str | None = None) -> AsyncIterator[Target]:
    """A fresh server with both tenants; stopped and removed at the end. `settings` by name, as in `simwarden.toml`.

    `database_url`: an empty migrated database; else the server has an embedded PostgreSQL of its own.
    """
    with tempfile.TemporaryDirectory(prefix="simwarden-attacks-") as name:
        directory, port = Path(name), free_port()
        environment = {
            "SIMWARDEN_DATA_DIR": str(directory / "data"),
            "SIMWARDEN_HOST": "127.0.0.1",
            "SIMWARDEN_PORT": str(port),
            "SIMWARDEN_ALLOW_PRIVATE_SINKS": "true",
            "SIMWARDEN_LOG_FORMAT": "json",
            **{f"SIMWARDEN_{name.upper()}": value for name, value in (settings or {}).items()},
        }
        if database_url is not None:
            environment["SIMWARDEN_DATABASE_URL"] = database_url
        target = Target(directory, port, Processes(directory, environment), database_url)
        try:
            await target._start()
            await target._set_up()
            yield target
        finally:
            await target.processes.stop()


def code_of(body: Any) -> str:
    """The code of an error body in any of the server's forms: CAMARA's, RFC 6749's, the gateways' vendor's."""
    if not isinstance(body, dict):
        return ""
    return str(body.get("code") or body.get("error") or "")
