"""A server of the real parts with two accounts, an operator's key, and a worker driven by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from tests.conformance import contract
from tests.support.documents import read_yaml
from tests.unit.northbound.asgi import Reply, call

from simwarden import northbound
from simwarden.accounts import applications, oauth
from simwarden.accounts.keys import SigningKeys
from simwarden.accounts.logins import Logins
from simwarden.accounts.passwords import Passwords
from simwarden.accounts.scopes import SETS
from simwarden.accounts.server import AuthorizationServer
from simwarden.accounts.tokens import Tokens
from simwarden.billing.customers import CustomerBilling
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.numbering import parse_range
from simwarden.engine import imports, provision
from simwarden.engine.bulk_jobs import BulkJobs
from simwarden.engine.bulk_worker import BulkWorker
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.function_status import Functions
from simwarden.engine.idempotency import IdempotencyStore
from simwarden.engine.sending import Sending
from simwarden.engine.subscriptions import Subscriptions
from simwarden.engine.usage import Reads
from simwarden.kit.clock import now_utc
from simwarden.management import routes
from simwarden.management.house import House as Parts
from simwarden.northbound.kernel.devices import Devices
from simwarden.northbound.kernel.edge import Edge
from simwarden.northbound.kernel.services import Services
from simwarden.notify.inbox import Inboxes
from simwarden.notify.request_preview import preview
from simwarden.reference.bundle import bundled
from simwarden.southbound import registry
from simwarden.store import ranges
from simwarden.store.accounts import Accounts
from simwarden.store.gateways import Gateways
from simwarden.store.leases import Leases
from simwarden.store.lines import Lines
from simwarden.store.people import People
from simwarden.store.pseudonyms import Pseudonyms
from simwarden.store.sims import Sims
from simwarden.store.tacs import Tacs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

FIRST = 460000990000000
CAUSE = Cause(CauseKind.OPERATOR, "tester", now_utc())
MANAGE = contract.Contract(read_yaml(bundled(routes.PACKAGE)), beyond=set())
LIFE = "/iot-device-management/vwip"
NO_TOKEN = "-"
"""In place of a token: the call has no Authorization header."""
MINE = (("imsi", "460000990"), ("msisdn", "+86900000"), ("iccid", "898600"), ("iccid", "8986460000990"))
THEIRS = (("imsi", "460000991"), ("msisdn", "+86900001"), ("iccid", "8986460000991"))
"""The number ranges of the two accounts."""


def imsi(number: int) -> str:
    return str(FIRST + number)


def phone(number: int) -> str:
    return f"+8690{number:010}"


class House:
    """`meters` has the SIMs from 0 on, `stranger` those from 1,000,000 on."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self.db = database
        self.accounts = Accounts(database)
        keys = SigningKeys(self.accounts, vault)
        self.tokens = Tokens(self.accounts, keys, issuer="https://warden.example")
        self.sims = Sims(database)
        self.gateways = Gateways(database, vault)
        self.answers = answers = IdempotencyStore(database, vault)
        commands = CommandBatcher(database, answers)
        self.operations = BulkJobs(database, answers)
        self.worker = BulkWorker(database, Leases(database, "operate", "w1"))
        self.parts = Parts(
            database,
            accounts=self.accounts,
            sims=self.sims,
            gateways=self.gateways,
            kinds={kind.name: kind.rules for kind in registry.kinds()},
            operations=self.operations,
            commands=commands,
            sending=Sending(database, vault, answers, ["ejoin"], ["smpp"]),
            base_url="https://warden.example",
            vault=vault,
            keys=keys,
            preview=lambda queue, at: preview(queue, at, vault, source="urn:test"),
            logins=Logins(People(database), vault, Passwords(kib=64, passes=1)),
        )
        self.reads = Reads(database)
        self.server = AuthorizationServer.over(database, self.accounts, self.tokens, keys, find=self.sims.find)
        inboxes = Inboxes(database, vault, base_url=self.tokens.issuer)
        services = Services(
            edge=Edge(tokens=self.tokens, answers=answers, reads=self.reads.count),
            sims=self.sims,
            devices=Devices(self.sims, Lines(database)),
            accounts=self.accounts,
            commands=commands,
            functions=Functions(database, self.sims),
            subscriptions=Subscriptions(database, vault, allow_private_sinks=False, inboxes=inboxes),
            inboxes=inboxes,
            models=Tacs(database),
            pseudonyms=Pseudonyms(vault),
            operations=self.operations,
            billing=CustomerBilling(database),
        )
        self.app = northbound.ApisFirst(
            Starlette(routes=oauth.routes(self.server)),
            {
                routes.NAME: routes.api(self.parts, Edge(tokens=self.tokens, answers=answers)),
                **northbound.apis(services),
            },
        )
        self.token = ""

    async def furnish(self, mine: int = 20, others: int = 2) -> None:
        """The accounts with their SIMs, and a token for each kind of caller."""
        self.account = await applications.open_account(self.accounts, "meters")
        self.stranger = await applications.open_account(self.accounts, "stranger")
        for account_id, first, count in ((self.account.id, 0, mine), (self.stranger.id, 1_000_000, others)):
            rows = [
                provision.NewSim(
                    n, provision.new_sim(account_id, imsi=imsi(n), iccid=f"8986{FIRST + n}", msisdn=phone(n))
                )
                for n in range(first, first + count)
            ]
            await imports.import_rows(self.db, rows, account_id, imports.Way(CAUSE))
        for account_id, texts in ((self.account.id, MINE), (self.stranger.id, THEIRS)):
            for kind, text in texts:
                await ranges.add(self.db, account_id, parse_range(kind, text))
        self.token = await self.token_of(await applications.issue_operator(self.accounts, "ops"))
        self.reader = await self.token_of(await applications.issue_operator(self.accounts, "eyes", ["manage:read"]))
        self.customer = await self.token_of(await applications.issue(self.accounts, "meters", "app", SETS["all"]))
        self.colleague = await self.token_of(
            await applications.issue(self.accounts, "meters", "other app", SETS["all"])
        )
        self.foreign = await self.token_of(await applications.issue(self.accounts, "stranger", "app", SETS["all"]))

    async def token_of(self, issued: applications.Issued) -> str:
        """An access token by way of the token endpoint."""
        form = f"grant_type=client_credentials&client_id={issued.application.app_key}&client_secret={issued.app_secret}"
        reply = await call(
            *(self.app, "POST", "/oauth2/token", form.encode()),
            headers=[("content-type", "application/x-www-form-urlencoded")],
        )
        token: str = reply.json["access_token"]
        return token

    async def manage(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, headers: Sequence[Any] = ()
    ) -> Reply:
        """Call the management API; the answer is held against its document."""
        reply = await self._call(method, f"/manage/v1{path}", body, token or self.token, headers)
        plain = path.partition("?")[0]
        if reply.headers.get("content-type", "").startswith(("text/csv", "application/pdf", "application/xml")):
            assert "x-correlator" in reply.headers
        else:
            MANAGE.check(method, plain, reply)
        return reply

    async def life(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, headers: Sequence[Any] = ()
    ) -> Reply:
        """Call IoT Device Management; the answer is held against its document."""
        reply = await self._call(method, f"{LIFE}{path}", body, token or self.customer, headers)
        contract.ours("iot-device-management").check(method, path, reply)
        return reply

    async def _call(self, method: str, path: str, body: Any, token: str, headers: Sequence[Any]) -> Reply:
        sent = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        given = [("authorization", f"Bearer {token}")] if token != NO_TOKEN else []
        given += [("content-type", "application/json"), *headers]
        return await call(self.app, method, path, sent, given)

    async def work(self) -> None:
        """Let the worker work until there is nothing to do."""
        while await self.worker.look():
            pass
