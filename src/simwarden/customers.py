"""What customers call: the APIs over what is live and over the sandbox, and what they alone need."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden import northbound
from simwarden.billing.customers import CustomerBilling
from simwarden.domain.rates import rate_limit
from simwarden.engine.bulk_jobs import BulkJobs, OperationLimits
from simwarden.engine.commands.batcher import CommandBatcher
from simwarden.engine.function_status import Functions
from simwarden.engine.idempotency import IdempotencyStore
from simwarden.engine.messages import WaitingMessages
from simwarden.engine.quota import Quotas, StoredQuotas
from simwarden.engine.rates import DefaultRates, Rates
from simwarden.engine.sending import Sending, SendingLimits
from simwarden.engine.subscriptions import SubscriptionLimits, Subscriptions
from simwarden.engine.texting import Texting
from simwarden.engine.usage import Reads
from simwarden.identity import signatures_of
from simwarden.northbound.kernel.devices import Devices
from simwarden.northbound.kernel.edge import Edge
from simwarden.northbound.kernel.services import Making, Services
from simwarden.notify.inbox import Inboxes
from simwarden.notify.retry import Schedule
from simwarden.notify.settings import NotifySettings
from simwarden.sandbox.billing import VirtualBilling
from simwarden.sandbox.ports import VirtualModels, VirtualOptOuts, VirtualSending, VirtualSims
from simwarden.sandbox.records import VirtualRecords
from simwarden.sandbox.subscriptions import Player, SandboxSubscriptions
from simwarden.store.gateways import Gateways
from simwarden.store.leases import Leases
from simwarden.store.lines import Lines
from simwarden.store.messages import Messages
from simwarden.store.opt_outs import OptOutList
from simwarden.store.places import Places
from simwarden.store.pseudonyms import Pseudonyms
from simwarden.store.record_lists import RecordLists
from simwarden.store.tacs import RememberedTacs, Tacs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from simwarden.accounts.tokens import Tokens
    from simwarden.claim import Claim
    from simwarden.engine.buckets import Buckets
    from simwarden.engine.ports import DriverFactory
    from simwarden.engine.unit_of_work import Outcome
    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.ports import Answered
    from simwarden.settings import Settings
    from simwarden.store.accounts import Accounts
    from simwarden.store.database import Database
    from simwarden.store.sims import Sims
    from simwarden.store.vault import Vault


def delivery_settings(settings: Settings) -> NotifySettings:
    """What the operator wants of handing out events; inboxes and sinks alike."""
    return NotifySettings(
        source=settings.event_source,
        schedule=Schedule(window=timedelta(hours=settings.delivery_hours)),
        keep_deliveries=timedelta(days=settings.deliveries_kept_days),
        keep_attempts=timedelta(days=settings.attempts_kept_days),
    )


class Customers:
    """The parts of one worker process that answer customers; `app.Container` starts and stops them."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        vault: Vault,
        *,
        tokens: Tokens,
        accounts: Accounts,
        sims: Sims,
        delivering: NotifySettings,
        meter: Callable[[Answered], None],
        committed: Callable[[Outcome], None],
        accepted: Callable[[], None],
        refused: Callable[[str], None],
        limited: Callable[[str], None],
        worker: Claim,
        buckets: Buckets,
        carriers: Collection[str],
        centres: Collection[str],
        driver_for: DriverFactory,
    ) -> None:
        """`meter` is given each answered call, `refused` the name of a limit that refused a subscription or a message,
        `limited` that of one that refused a call; `committed` is called after each commit of a command, `accepted`
        after each operation to be done in the background. `buckets`: those that calls are held against. `carriers`,
        `centres`: the kinds of network elements that can send messages, from slots or from any number.
        """
        self._settings = settings
        self._db = db
        self._vault = vault
        self._accounts = accounts
        self._sims = sims
        self.answers = IdempotencyStore(db, vault)
        self.reads = Reads(db)
        subscribed = settings.subscriptions_per_second
        self.rates = Rates(
            db,
            buckets,
            DefaultRates(rate_limit(settings.calls_per_second), rate_limit(subscribed, 10 * subscribed)),
            refused=limited,
        )
        self.quotas = Quotas(StoredQuotas(db, worker.name, self.reads), self.rates.limits, refused=limited)
        self.edge = Edge(
            tokens=tokens,
            meter=meter,
            answers=self.answers,
            reads=self.reads.count,
            quota=self.quotas,
            rates=self.rates,
            signatures=signatures_of(settings, db, vault, tokens),
        )
        self._own = northbound.own_parts(Making(database=db, settings=settings))
        self._own_of_sandbox = northbound.own_parts(Making(database=db, settings=settings, virtual=True))
        self.commands = CommandBatcher(db, self.answers, committed=committed)
        self.inboxes = Inboxes(db, vault, base_url=settings.base_url, settings=delivering)
        self.operations = BulkJobs(
            db,
            self.answers,
            accepted=accepted,
            limits=OperationLimits(
                settings.open_operations, settings.operation_devices_per_hour, settings.unknown_devices_per_hour
            ),
        )
        subscribing: dict[str, Any] = {
            "allow_private_sinks": settings.allow_private_sinks,
            "inboxes": self.inboxes,
            "answers": self.answers,
            "limits": SubscriptionLimits(
                **{name: getattr(settings, name) for name in SubscriptionLimits.__struct_fields__}
            ),
            "refused": refused,
        }
        self.subscriptions = Subscriptions(db, vault, **subscribing)
        self.player = Player(db)
        self.sending = Sending(
            db,
            vault,
            self.answers,
            carriers,
            centres,
            limits=SendingLimits(**{name: getattr(settings, name) for name in SendingLimits.__struct_fields__}),
            refused=refused,
        )
        self.texting = Texting(
            db,
            vault,
            Gateways(db, vault),
            Leases(db, "texting", worker.name, heir_of=worker.heir_of),
            driver_for,
            committed=committed,
        )
        self.waiting = WaitingMessages(db, vault, committed=committed)
        self.sandboxed = SandboxSubscriptions(self.player, db, vault, **subscribing)

    async def drain(self) -> None:
        """Wait until what calls brought is committed or refused."""
        await self.commands.drain()
        await northbound.drain(self._own)
        await northbound.drain(self._own_of_sandbox)

    def apis(self) -> dict[str, Api]:
        """The APIs by name."""
        nais, virtual = self._settings.nai_identification, VirtualSims()
        live = Services(
            edge=self.edge,
            devices=Devices(self._sims, Lines(self._db), network_access_identifiers=nais),
            sims=self._sims,
            commands=self.commands,
            accounts=self._accounts,
            functions=Functions(self._db, self._sims),
            subscriptions=self.subscriptions,
            inboxes=self.inboxes,
            places=Places(self._db),
            smallest_area_radius=self._settings.smallest_area_radius,
            models=RememberedTacs(Tacs(self._db)),
            pseudonyms=Pseudonyms(self._vault),
            swaps_monitored_days=self._settings.swaps_monitored_days,
            traffic_kept_days=self._settings.traffic_kept_days,
            messages=Messages(self._db, self._vault),
            opt_outs=OptOutList(self._db, self._vault),
            hotzone_baselines_per_minute=self._settings.hotzone_baselines_per_minute,
            sending=self.sending,
            records=RecordLists(self._db, self._vault),
            billing=CustomerBilling(self._db),
            operations=self.operations,
            own=self._own,
            allow_private_sinks=self._settings.allow_private_sinks,
            subscriptions_async=self._settings.subscriptions_async,
        )
        sandbox = msgspec.structs.replace(
            live,
            edge=msgspec.structs.replace(self.edge, reads=None, quota=None),  # nothing of the sandbox is counted
            own=self._own_of_sandbox,
            devices=Devices(virtual, network_access_identifiers=nais),
            sims=virtual,
            commands=virtual,
            functions=virtual,
            places=virtual,
            subscriptions=self.sandboxed,
            models=VirtualModels(),
            messages=virtual,
            opt_outs=VirtualOptOuts(),
            sending=VirtualSending(),
            records=VirtualRecords(),
            billing=VirtualBilling(),
            operations=None,
        )
        return northbound.apis(live, sandbox)
