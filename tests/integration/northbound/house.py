"""A server of two accounts with a few SIMs, made of the real parts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import uuid4

import msgspec
from starlette.applications import Starlette
from tests.unit.northbound.asgi import call
from tests.unit.northbound.world import IMEI, Client

from simwarden import northbound
from simwarden.accounts import applications, oauth
from simwarden.accounts.keys import SigningKeys
from simwarden.accounts.request_signing import RequestSignatures
from simwarden.accounts.scopes import SETS
from simwarden.accounts.server import AuthorizationServer
from simwarden.accounts.tokens import Tokens
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.place import Place, PlaceSource
from simwarden.domain.rates import rate_limit
from simwarden.domain.sim import Seen, Sim
from simwarden.engine import areas
from simwarden.engine.buckets import Buckets
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.eligibility import Eligibility
from simwarden.engine.function_status import Functions
from simwarden.engine.idempotency import IdempotencyStore
from simwarden.engine.quota import Quotas, StoredQuotas
from simwarden.engine.rates import DefaultRates, Rates
from simwarden.engine.subscriptions import Subscriptions
from simwarden.engine.usage import Reads
from simwarden.kit.clock import now_utc
from simwarden.northbound.connected_network_type.part import ReportedConnections
from simwarden.northbound.device_data_volume.part import CountedVolumes
from simwarden.northbound.kernel.devices import Devices
from simwarden.northbound.kernel.edge import Edge
from simwarden.northbound.kernel.services import Services
from simwarden.notify.inbox import Inboxes
from simwarden.store import sims as sim_store
from simwarden.store.accounts import Accounts
from simwarden.store.clients import ClientProfile
from simwarden.store.consents import Consent
from simwarden.store.gateways import Gateways
from simwarden.store.lines import Lines
from simwarden.store.listed_devices import ListedDevices
from simwarden.store.places import Places
from simwarden.store.pseudonyms import Pseudonyms
from simwarden.store.record_lists import RecordLists
from simwarden.store.sims import Sims
from simwarden.store.tacs import Tacs

if TYPE_CHECKING:
    from collections.abc import Callable

    from simwarden.northbound.kernel.ports import Answered
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

PHONE = {"phoneNumber": "+8613800000001"}


def sim(number: str) -> Sim:
    imsi = "46000" + number[-10:]
    return Sim(bucket=bucket_of(imsi), imsi=imsi, account_id="", msisdn=number, event_count=1)


class House:
    """A server of two accounts with a few SIMs."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        allow_private_sinks: bool = False,
        subscriptions_async: bool = False,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`clock`: what the ledger and the quotas go by."""
        self.db = database
        self.vault = vault
        self.accounts = Accounts(database)
        self.keys = SigningKeys(self.accounts, vault)
        self.tokens = Tokens(self.accounts, self.keys, issuer="https://warden.example")
        self.sims = Sims(database)
        self.server = AuthorizationServer.over(database, self.accounts, self.tokens, self.keys, find=self.sims.find)
        self.signatures = RequestSignatures(self.server.clients, self.server.once, self.tokens)
        self.inboxes = Inboxes(database, vault, base_url=self.tokens.issuer)
        self.answers = IdempotencyStore(database, vault)
        self.commands = CommandBatcher(database, self.answers, clock=clock)
        self.reads = Reads(database, clock=clock)
        self.metered: list[Answered] = []
        name = uuid4().hex
        self.rates = Rates(database, Buckets(database, name), DefaultRates(rate_limit(1e6), rate_limit(1e5)))
        self.quotas = Quotas(StoredQuotas(database, name, self.reads, clock=clock), self.rates.limits, clock=clock)
        self.edge = Edge(
            tokens=self.tokens,
            meter=self.metered.append,
            answers=self.answers,
            reads=self.reads.count,
            quota=self.quotas,
            rates=self.rates,
            signatures=self.signatures,
        )
        self.app = northbound.ApisFirst(
            Starlette(routes=oauth.routes(self.server)),
            northbound.apis(
                Services(
                    edge=self.edge,
                    sims=self.sims,
                    devices=Devices(self.sims, Lines(database)),
                    places=Places(database),
                    commands=self.commands,
                    functions=Functions(database, self.sims),
                    subscriptions=Subscriptions(
                        database, vault, allow_private_sinks=allow_private_sinks, inboxes=self.inboxes
                    ),
                    inboxes=self.inboxes,
                    models=Tacs(database),
                    pseudonyms=Pseudonyms(vault),
                    records=RecordLists(database, vault),
                    own={
                        "eligibility-info": Eligibility(database, per_account=1000, clock=clock),
                        "connected-network-type": ReportedConnections(database),
                        "device-data-volume": CountedVolumes(database),
                        "device-authenticity": ListedDevices(database),
                    },
                    accounts=self.accounts,
                    allow_private_sinks=allow_private_sinks,
                    subscriptions_async=subscriptions_async,
                )
            ),
        )
        self.client = Client(self.app)

    async def furnish(self) -> None:
        """Two accounts: `meters` with a seen and an unseen SIM, `stranger` with one."""
        self.account = await applications.open_account(self.accounts, "meters")
        stranger = await applications.open_account(self.accounts, "stranger")
        self.issued = await applications.issue(self.accounts, "meters", "billing", SETS["all"])
        self.token = await self.token_of(self.issued)
        theirs = await applications.issue(self.accounts, "stranger", "theirs", SETS["all"])
        self.stranger, self.stranger_key = await self.token_of(theirs), theirs.application.app_key
        mine = [sim("+8613800000001"), sim("+8613800000002")]
        now = datetime.now(UTC)
        cause = Cause(CauseKind.OPERATOR, "test", now)
        async with self.db.transaction() as connection:
            await sim_store.insert(connection, self.account.id, mine, cause, now)
            await sim_store.insert(connection, stranger.id, [sim("+8613800000009")], cause, now)
            seen = Seen(now - timedelta(minutes=1), IMEI)
            await sim_store.save(connection, [msgspec.structs.replace(mine[0], seen=seen)])

    async def token_of(self, issued: applications.Issued) -> str:
        """An access token by way of the token endpoint."""
        form = f"grant_type=client_credentials&client_id={issued.application.app_key}&client_secret={issued.app_secret}"
        headers = [("content-type", "application/x-www-form-urlencoded")]
        reply = await call(self.app, "POST", "/oauth2/token", form.encode(), headers)
        token: str = reply.json["access_token"]
        return token

    async def token_about(self, number: str) -> str:
        """An access token of `billing` with all its scopes that identifies a device, by the back channel."""
        application, purpose = self.issued.application, "FraudPreventionAndDetection"
        profile = ClientProfile(grants=("ciba",), purposes=(purpose,))
        await self.server.clients.change(application.app_key, lambda _: profile)
        consent = Consent(application.app_key, purpose, "", True, (), self.server.time(), "operator")
        await self.server.consents.set(consent)
        form = {"client_id": application.app_key, "client_secret": self.issued.app_secret}
        scope = " ".join([f"dpv:{purpose}", *application.scopes])
        begun = await self._form("/oauth2/bc-authorize", login_hint=f"tel:{number}", scope=scope, **form)
        grant_type = "urn:openid:params:grant-type:ciba"
        reply = await self._form("/oauth2/token", grant_type=grant_type, auth_req_id=begun["auth_req_id"], **form)
        token: str = reply["access_token"]
        return token

    async def _form(self, path: str, /, **form: str) -> dict[str, Any]:
        headers = [("content-type", "application/x-www-form-urlencoded")]
        found: dict[str, Any] = (await call(self.app, "POST", path, urlencode(form).encode(), headers)).json
        return found

    async def stand(self, latitude: float, longitude: float, number: str = "+8613800000001") -> None:
        """Let the SIM of this number be in a gateway that stands there, within 500 m."""
        id_, _ = await Gateways(self.db, self.vault).add(
            f"gw-{uuid4().hex}", kind="ejoin", command_url=None, username=None, password=None
        )
        found = sim(number)
        await self.db.execute(
            "update gateway set latitude = $2, longitude = $3, radius = 500 where id = $1", id_, latitude, longitude
        )
        await self.db.execute(
            """update sim set seen_at = now(), seen_imei = coalesce(seen_imei, '35209900176148'), seen_gateway = $1,
                              seen_port = 1, seen_slot = 1
            where bucket = $2 and imsi = $3""",
            id_,
            found.bucket,
            found.imsi,
        )
        self.gateway_id = id_

    async def move(self, latitude: float, longitude: float, number: str = "+8613800000001") -> None:
        """Let it be seen elsewhere, as the engine does when it is."""
        imsi, now = sim(number).imsi, now_utc()
        place = Place(latitude, longitude, 500, now, PlaceSource.SITE, "99")
        cause = Cause(CauseKind.REPORT, "gw", now)
        async with self.db.transaction() as connection:
            await areas.judge(connection, {imsi: place}, now, {imsi: cause})

    async def ask(
        self,
        path: str,
        device: dict[str, Any],
        *,
        what: str = "IMEIBIND",
        token: str | None = None,
        correlator: str = "c-1",
    ) -> Any:
        """POST to bind, unbind or query; status and body."""
        body = {"device": device, "bindType": what, "unBindType": what, "queryType": what}
        headers = [("x-correlator", correlator)]
        reply = await self.client("POST", path, body, token=token or self.token, headers=headers)
        return reply.status, reply.json
