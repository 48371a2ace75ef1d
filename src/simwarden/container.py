"""The composition root: builds the parts of one worker process and wires them. Nothing else knows all of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import structlog
from starlette.routing import BaseRoute

from simwarden import __version__, logs, northbound, standby, telemetry
from simwarden.access import AccessLog
from simwarden.accounts import oauth
from simwarden.accounts.forgetting import Forgetting
from simwarden.accounts.keys import SigningKeys
from simwarden.accounts.logins import Logins
from simwarden.accounts.openid import OpenIdLogin, Provider, roles_of
from simwarden.claim import Claim, claim
from simwarden.console.frame import Console
from simwarden.customers import Customers, delivery_settings
from simwarden.edge import tls
from simwarden.edge.throttle import Allowance, Guard
from simwarden.engine import texting
from simwarden.engine.areas import NamedAreas
from simwarden.engine.buckets import Buckets
from simwarden.engine.bulk_worker import CHANNEL, BulkWorker
from simwarden.engine.deciders import Deciders
from simwarden.engine.enforcement import Enforcement
from simwarden.engine.ingest import Ingest, Tally
from simwarden.engine.keeping import Keeping
from simwarden.engine.polling import Polls
from simwarden.engine.risk_rules import RiskRules
from simwarden.engine.silence import Silence
from simwarden.identity import authorization_server, tokens_of
from simwarden.kit.worker import ended
from simwarden.management import routes as management
from simwarden.management.house import House as Management
from simwarden.management.journal import RequestLog
from simwarden.notify.metrics import NotifyMetrics
from simwarden.notify.notifier import Notifier
from simwarden.notify.request_preview import preview
from simwarden.probes import Probes
from simwarden.ready import ready
from simwarden.reference import routes as reference
from simwarden.reference.documents import Documents
from simwarden.sandbox.gateways import VirtualGateways
from simwarden.settings import keys
from simwarden.southbound import registry
from simwarden.southbound.registry import Sources
from simwarden.southbound.source import SourceServices
from simwarden.store import attachments, call_limits, doubts
from simwarden.store.accounts import Accounts
from simwarden.store.database import Database
from simwarden.store.gateways import Gateways
from simwarden.store.leases import Leases
from simwarden.store.listener import Listener
from simwarden.store.people import People
from simwarden.store.sims import Sims
from simwarden.store.vault import Vault
from simwarden.watching import Watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simwarden.engine.unit_of_work import Outcome
    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.ports import Answered
    from simwarden.settings import Settings

_log = structlog.get_logger()
ELEMENT_TERM = timedelta(hours=1)
"""For how long a worker holds what it drew of the limits of a network element,"""
ELEMENT_AHEAD = 32
"""and how much ahead of need at least: most report now and then, and should seldom cost a statement more."""


class Container:
    """All parts of one worker process."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        background: Database,
        session: aiohttp.ClientSession,
        worker: Claim,
        metrics: telemetry.Metrics | None = None,
    ) -> None:
        """`background`: connections for what may wait, so that calls never wait for it."""
        vault = self.vault = Vault(keys.master_key(settings))
        self._settings = settings
        self._worker_name = worker.name
        self._session = session
        self._access_log = AccessLog(settings.access_log, logs.json_stream(settings))
        self.db = db
        self.background = background
        self.is_standby = True
        """Nothing is changed or sent."""
        self.metrics = metrics or telemetry.Metrics()
        self.accounts = Accounts(db)
        self.keys = SigningKeys(self.accounts, vault)
        self.tokens = tokens_of(settings, db, self.accounts, self.keys)
        self.sims = Sims(db)
        self.gateways = Gateways(db, vault)
        days = settings.records_kept_days, settings.places_kept_days, settings.traffic_kept_days
        refresh, ages = timedelta(seconds=settings.seen_refresh), [timedelta(days=each) for each in days]
        self.ingest = Ingest(db, vault, refresh=refresh, records_kept=ages[0], committed=self._took_in)
        self.keeping = Keeping(background, vault, *ages, expired=northbound.prune)
        kept = settings.requests_kept_days, settings.audit_kept_days
        self.logins = Logins(
            *(People(db), vault),
            idle=timedelta(minutes=settings.login_idle_minutes),
            life=timedelta(hours=settings.login_hours),
            second_factor=settings.login_second_factor,
        )
        self.request_log = RequestLog.keeping(background, settings.request_log, *kept, also=self.logins.prune)
        self.buckets = Buckets(db, worker.name, heir_of=worker.heir_of)
        self.element_buckets = Buckets(db, worker.name, term=ELEMENT_TERM, least_ahead=ELEMENT_AHEAD)
        self.customers = Customers(
            settings,
            db,
            vault,
            tokens=self.tokens,
            accounts=self.accounts,
            sims=self.sims,
            delivering=delivery_settings(settings),
            meter=self._meter,
            committed=self._wake,
            accepted=lambda: self.operate.wake(),
            refused=lambda limit: self.metrics.subscriptions_refused.labels(limit).inc(),
            limited=lambda limit: self.metrics.calls_limited.labels(limit).inc(),
            worker=worker,
            buckets=self.buckets,
            carriers=[kind.name for kind in registry.kinds() if kind.sends],
            centres=[kind.name for kind in registry.kinds() if kind.sends_from_numbers],
            driver_for=lambda access: self.sources.driver(access),
        )
        self.enforcement = Enforcement(
            db,
            self.gateways,
            self.ingest,
            Leases(db, "enforce", worker.name, heir_of=worker.heir_of),
            lambda access: self.sources.driver(access),
            observed=lambda command, result, seconds: self.metrics.commands.labels(command, result).observe(seconds),
        )
        self.deciders = Deciders(db, background, self.sims, self._wake)
        watching = Leases(background, "silence", worker.name, shares=1, heir_of=worker.heir_of)
        self.silence = Silence(background, watching, committed=self._wake)
        self.polls = Polls(
            db,
            self.gateways,
            self.ingest,
            lambda access: self.sources.driver(access),
            observed=lambda result: self.metrics.polls.labels(result).inc(),
        )
        self.notifier = Notifier(
            db,
            vault,
            worker=worker.name,
            heir_of=worker.heir_of,
            allow_private_sinks=settings.allow_private_sinks,
            settings=delivery_settings(settings),
            metrics=NotifyMetrics(self.metrics.registry),
            tls=tls.client_context(settings),
        )
        self.watching = Watching(settings, db, background, worker, self.metrics)
        self.probes = Probes(
            settings.host,
            background,
            self.tokens,
            is_standby=lambda: self.is_standby,
            page=self._metrics_page,
        )
        self.answered = 0
        """Customers' calls, and reports, so far."""
        self.operate = BulkWorker(
            background,
            Leases(background, "operate", worker.name, heir_of=worker.heir_of),
            committed=self._wake,
            calls=lambda: self.answered,
        )
        self.guard = Guard(settings.failed_logins_per_client, settings.failed_logins_per_address)
        self.authorization = authorization_server(
            *(settings, db, self.tokens),
            accounts=self.accounts,
            keys=self.keys,
            sims=self.sims,
            guard=self.guard,
            refused=self._refused,
        )
        self.forgetting = Forgetting(background)
        self.sources = Sources(
            SourceServices(
                elements=self.gateways,
                ingest=self.ingest,
                db=self.db,
                session=session,
                vault=vault,
                buckets=self.element_buckets,
                guesses=Allowance(settings.failed_logins_per_address),
                counted=self.metrics.took_message,
                refused=self._refused,
                command_timeout=settings.command_timeout,
            ),
            settings.of,
        )
        self.management = self._management()
        self.console = None
        if settings.serves_console:
            manage = management.api(self.management, self.customers.edge)
            self.console = Console(manage, settings.console_tiles, settings.console_tiles_by)
        self.listener = Listener(
            db.url,
            self.notifier.handlers,
            {
                attachments.CHANNEL: lambda _payload: self.enforcement.wake(),
                doubts.CHANNEL: lambda _payload: self.polls.wake(),
                "simwarden_application": self._application_changed,
                call_limits.CHANNEL: self.customers.rates.invalidate,
                CHANNEL: lambda _payload: self.operate.wake(),
                texting.CHANNEL: lambda _payload: self.customers.texting.wake(),
                "simwarden_delivery": lambda _payload: self.customers.inboxes.wake(),
                **self.deciders.handlers,
            },
        )

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, settings: Settings, metrics: telemetry.Metrics | None = None) -> AsyncIterator[Container]:
        """Connect, start what works in the background, and stop it all in order at the end.

        Raises StoreUnavailable and DatabaseRefuses, WrongMasterKey, OSError when it cannot work here yet.
        """
        assert settings.database_url is not None, "the command that serves names the database"
        async with contextlib.AsyncExitStack() as stack:
            await ready(settings)
            worker = stack.enter_context(claim(Path(settings.data_dir)))
            reads_only = standby.is_standby(settings)
            db = await Database.connect(settings.database_url, size=settings.database_connections, read_only=reads_only)
            stack.push_async_callback(db.close)
            background = await Database.connect(settings.database_url, size=2, read_only=reads_only)
            stack.push_async_callback(background.close)
            session = await stack.enter_async_context(
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=tls.client_context(settings) or True))
            )
            container = cls(settings, db, background, session, worker, metrics)
            container.listener.start()
            stack.push_async_callback(container.listener.stop)
            stack.callback(container._access_log.flush)
            stack.callback(container.metrics.flush)
            stack.push_async_callback(container.ingest.drain)
            stack.push_async_callback(container.management.audit.drain)
            stack.push_async_callback(container.customers.drain)
            stack.callback(container.customers.inboxes.stop)
            if container.console is not None:
                stack.callback(container.console.stop)
            work = await stack.enter_async_context(contextlib.AsyncExitStack())
            if reads_only:
                container.metrics.standby.set(1)
                stack.push_async_callback(ended, asyncio.create_task(container._take_over(work), name="take-over"))
            else:
                await container._work(work)
            _log.info(
                "ready", version=__version__, worker=worker.name, process=os.getpid(), standby=container.is_standby
            )
            yield container
            _log.info("stopping", worker=worker.name)

    async def _work(self, stack: contextlib.AsyncExitStack) -> None:
        """Start everything that changes or sends something by itself."""
        for each in (
            *(self.buckets, self.element_buckets, self.customers.quotas, self.customers.answers),
            self.keeping,
            self.request_log,
            self.forgetting,
            self.customers.reads,
            self.notifier,
            self.enforcement,
            *(self.deciders, self.silence),
            *(
                self.polls,
                self.operate,
                self.watching,
                self.customers.player,
                self.customers.waiting,
                self.customers.texting,
            ),
        ):
            each.start()
            stack.push_async_callback(each.stop)
        await self.sources.start()
        stack.push_async_callback(self.sources.stop)
        self.is_standby = False

    async def _take_over(self, stack: contextlib.AsyncExitStack) -> None:
        """Be a standby until it is promoted, then work. What goes wrong ends the worker: the next one is none."""
        try:
            await standby.promotion(self._settings)
            await self.db.make_writable()
            await self.background.make_writable()
            await self._work(stack)
        except Exception:
            _log.exception("the standby could not take over, this worker ends")
            os._exit(70)
        self.metrics.standby.set(0)
        _log.info("promoted")

    def routes(self, *, administration: bool = True) -> list[BaseRoute]:
        """What is answered beside the APIs; without `administration` what gateways and customers need."""
        documents = dict(northbound.DOCUMENTS)
        routes: list[BaseRoute] = [
            *self.probes.routes(administration=administration),
            *self.sources.routes(),
            *oauth.routes(self.authorization),
        ]
        if administration:
            documents[management.NAME] = management.PACKAGE
            if self.console is not None:
                routes += self.console.routes()
        return [*routes, *reference.routes(Documents(documents, self._settings.base_url), page=administration)]

    def apis(self, *, administration: bool = True) -> dict[str, Api]:
        """The APIs by name: the customers', live and in the sandbox, and with `administration` the operator's."""
        operators = {management.NAME: management.api(self.management, self.customers.edge)} if administration else {}
        return self.customers.apis() | operators

    def _management(self) -> Management:
        return Management(
            self.db,
            accounts=self.accounts,
            sims=self.sims,
            gateways=self.gateways,
            kinds={kind.name: kind.rules for kind in registry.kinds()},
            operations=self.customers.operations,
            commands=self.customers.commands,
            sending=self.customers.sending,
            base_url=self._settings.base_url,
            committed=self._wake,
            intake=self._settings.intake,
            vault=self.vault,
            keys=self.keys,
            preview=lambda queue, at: preview(queue, at, self.vault, source=self._settings.event_source),
            areas=NamedAreas(self.db, most=self._settings.areas_per_account, changed=self.deciders.areas.wake),
            rules=RiskRules(self.db, most=self._settings.rules_per_account),
            server=self._worker_name,
            audit_days=self._settings.audit_kept_days,
            logins=self.logins,
            openid=self._openid(),
            simulator=VirtualGateways(self._settings.simulator_file, self._session),
        )

    async def _metrics_page(self) -> bytes:
        return self.metrics.page(await self.watching.counts())

    def _meter(self, call: Answered) -> None:
        self.answered += call.api != management.NAME  # who watches an operation is not to slow it down
        self.metrics.answered(call)
        self._access_log(call)
        self.request_log.add(call)

    def _openid(self) -> OpenIdLogin | None:
        settings = self._settings
        if settings.login_issuer is None:
            return None
        provider = Provider(
            issuer=settings.login_issuer,
            client_id=settings.login_client_id,
            client_secret=settings.login_client_secret,
            claim=settings.login_claim,
            roles=roles_of(settings.login_roles),
        )
        return OpenIdLogin(provider, lambda: self._session, self.vault, (settings.base_url, settings.admin_url))

    def _application_changed(self, app_key: str) -> None:
        self.tokens.invalidate(app_key)
        self.management.grants.invalidate(app_key)

    def _refused(self, reason: str) -> None:
        self.metrics.refused.labels(reason).inc()

    def _took_in(self, tally: Tally) -> None:
        self.answered += 1
        self.metrics.took_in(tally)
        self.watching.pulse.note(tally.sightings)
        self._wake(tally.outcome)
        if tally.doubts:
            self.polls.wake()

    def _wake(self, outcome: Outcome) -> None:
        self.metrics.committed(outcome)
        self.watching.pulse.note(0, outcome.changed, outcome.blocked)
        if outcome.enforcement_due:
            self.enforcement.wake()
        if outcome.deliveries:
            self.notifier.wake()
