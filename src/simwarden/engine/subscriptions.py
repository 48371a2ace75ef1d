"""Subscribing to what happens to a SIM."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain import subscription_ids
from simwarden.domain.errors import SecretOfInbox, SimNotFound, SubscriptionNotFound, TooManySubscriptions
from simwarden.domain.events import EventType
from simwarden.domain.geofence import at_begin
from simwarden.domain.identifiers import full_imei
from simwarden.domain.sink import InvalidSink, parse_sink
from simwarden.domain.standing import Remembered
from simwarden.domain.telling import initially
from simwarden.engine import standing
from simwarden.engine.idempotency import IdempotencyStore
from simwarden.engine.new_subscription import Credential, NewSubscription
from simwarden.engine.subscription_limits import SubscriptionLimits
from simwarden.kit.clock import now_utc
from simwarden.kit.gate import Gate
from simwarden.kit.ids import signing_secret, uuid7
from simwarden.store import fanout, geofences, hotzone_alerts, places, sims, targets, usage
from simwarden.store import standing as standing_store
from simwarden.store import subscriptions as store
from simwarden.store.outbox import EndReason, Outbox, Status, save_outboxes
from simwarden.store.sink_secrets import SigningSecret, seal_credential, seal_secrets, unseal_secrets
from simwarden.store.subscriptions import Subscription
from simwarden.store.targets import SinkAddress

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from simwarden.domain.hotzone import HotzoneWatch
    from simwarden.domain.place import Place
    from simwarden.engine.idempotency import IdempotentRequest
    from simwarden.engine.ports import InboxSinks
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

__all__ = [
    "Credential",
    "EndReason",
    "InvalidSink",
    "NewSubscription",
    "Status",
    "Subscription",
    "SubscriptionLimits",
    "Subscriptions",
]

MAX_LISTED = 1000
"""Longest answer of `list` (CAMARA, maxItems of listSubscriptions)."""
CREDENTIAL_LEAD = timedelta(seconds=60)
"""A subscription ends so long before its access token expires: the notice of the end still needs the token."""
ROTATION = timedelta(hours=24)
"""So long after a rotation notifications are signed with the old secret too."""
OLD_SECRETS = 4
"""Most old secrets that sign, however often a secret is rotated: each makes every notification longer."""
_ID = re.compile(r"[0-9a-f]{34}")
MADE_AT_ONCE = 1
"""Subscriptions of one account that a process makes at once. Each takes some milliseconds of the processor: a burst
of one account's is not to hold the connections that others wait for."""


class _Row(msgspec.Struct, frozen=True):
    """What is written of a new subscription."""

    subscription: Subscription
    origin: str
    credential: bytes | None
    secret: str
    ends_at: datetime | None
    inbox: str | None


class _NearLimit(Exception):
    """Once more, alone with the account."""


class Subscriptions:
    """A client's subscriptions."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        *,
        allow_private_sinks: bool,
        inboxes: InboxSinks | None = None,
        answers: IdempotencyStore | None = None,
        credential_lead: timedelta = CREDENTIAL_LEAD,
        limits: SubscriptionLimits | None = None,
        refused: Callable[[str], None] = lambda _limit: None,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """`refused` is called with the name of the limit that prevented a subscription."""
        self._db = db
        self._limits = limits or SubscriptionLimits()
        self._refused = refused
        self._inboxes = inboxes
        self._answers = answers or IdempotencyStore(db, vault)
        self._vault = vault
        self._allow_private_sinks = allow_private_sinks
        self._credential_lead = credential_lead
        self._clock = clock
        self._gate = Gate(MADE_AT_ONCE)

    async def create(self, new: NewSubscription, once: IdempotentRequest | None = None) -> tuple[Subscription, str]:
        """Subscribe; returns the subscription and its signing secret `whsec_…`, which is shown this once.

        The sink is sent `subscription-started`, and with `initial_event` at once the device that the SIM is in, if that
        is known; this counts towards `max_events`. Raises InvalidSink, SimNotFound, TooManySubscriptions,
        StoreUnavailable; with `once` ReplayedResponse, KeyReused.
        """
        inbox = None if self._inboxes is None else await self._inboxes.of_sink(new.account_id, new.sink)
        if inbox is None:
            origin = parse_sink(new.sink, allow_private=self._allow_private_sinks).origin
            secret = signing_secret()
        else:
            origin, secret = inbox  # an inbox is an origin of its own, and signs with a secret of its own
        now = self._clock()
        bucket, imsi = new.subject
        subscription = Subscription(
            id=new_id(bucket, now),
            bucket=bucket,
            imsi=imsi,
            account_id=new.account_id,
            app_key=new.app_key,
            api=new.api,
            topic=str(new.topic),
            type=new.type,
            protocol=new.protocol,
            sink=new.sink,
            protocol_settings=new.protocol_settings,
            device=new.device,
            config=new.config,
            status=Status.ACTIVE,
            starts_at=now,
            expires_at=new.expires_at,
            max_events=new.max_events,
            event_count=0,
            created_at=now,
            ended_at=None,
            ended_reason=None,
        )
        credential = None
        if new.credential is not None:
            credential = seal_credential(self._vault, subscription.id, new.credential.access_token)
        row = _Row(subscription, origin, credential, secret, self._ends_at(new, now), inbox and inbox[0])
        try:
            async with self._gate.enter(new.account_id):
                try:
                    return await self._make(new, row, once, alone=False)
                except _NearLimit:
                    return await self._make(new, row, once, alone=True)
        except TooManySubscriptions as error:
            self._refused(error.setting)
            raise

    async def _make(
        self, new: NewSubscription, row: _Row, once: IdempotentRequest | None, *, alone: bool
    ) -> tuple[Subscription, str]:
        """Write a subscription, in one transaction. Raises _NearLimit when that is only safe `alone`."""
        made, now = row.subscription, row.subscription.created_at
        async with self._db.transaction() as connection:
            if once is not None:
                await self._answers.claim_one(connection, once)
            await store.lock_making(connection, made.account_id, made.imsi, alone=alone)
            active = await store.active(connection, made.bucket, made.imsi, made.account_id, made.app_key)
            if not alone and self._limits.is_near(active):
                raise _NearLimit
            self._limits.check(active, all_devices=new.all_devices)
            place = None if new.fence is None else await self._place(connection, new)
            stand = await self._stand(connection, new) if str(new.topic) in standing_store.TOPICS else None
            device, last_event = (None, 0) if new.all_devices else await self._device(connection, new)
            outbox = await store.insert(
                connection,
                made,
                origin=f"{new.account_id} {row.origin}",
                credential=row.credential,
                credential_expires_at=None if new.credential is None else new.credential.expires_at,
                signing_secrets=seal_secrets(self._vault, made.id, [SigningSecret(row.secret)]),
                ends_at=row.ends_at,
                told_event=last_event,
                inbox=row.inbox,
                sealed_target=targets.seal(self._vault, made.id, SinkAddress(made.sink, made.protocol_settings)),
            )
            outbox.start(now)
            if new.initial_event and new.topic is EventType.DEVICE_CHANGED and device is not None:
                outbox.append({"imei": full_imei(device)}, now, event=None)
            if new.fence is not None:
                fence, is_so = at_begin(new.fence, place, initial_event=new.initial_event)
                await geofences.add(connection, made.bucket, made.imsi, made.id, fence)
                if is_so:
                    outbox.append({}, now, event=None)
            if new.watch is not None:
                await self._watch(connection, new, made.id, new.watch)
            if new.initial_event and stand is not None and (told := initially(new.type, stand)) is not None:
                outbox.append(told, now, event=None)
            await save_outboxes(connection, [outbox])
            await self._begun(connection, new, outbox)
            begun = msgspec.structs.replace(
                made,
                event_count=outbox.event_count,
                status=str(outbox.status),
                ended_at=outbox.ended_at,
                ended_reason=outbox.ended_reason,
            )
            if once is not None:
                await self._answers.keep(connection, [(once, (begun, row.secret))])
            if new.usage is not None:
                await usage.count(connection, {(now.astimezone(UTC).date(), made.bucket, new.usage): 1})
        return begun, row.secret

    async def _device(self, connection: asyncpg.Connection, new: NewSubscription) -> tuple[str | None, int]:
        """The device that the SIM is in now and the number of its last event, held so until the end of the transaction.

        Raises SimNotFound.
        """
        seen = await store.lock_seen(connection, new.sim.bucket, new.sim.imsi, new.account_id)
        if seen is None or new.number not in (None, seen["msisdn"]):
            raise SimNotFound
        return seen["imei"], 0 if new.number else seen["event_count"]

    async def _place(self, connection: asyncpg.Connection, new: NewSubscription) -> Place | None:
        """Where the SIM is now, which it stays until the end of the transaction."""
        found = await sims.lock(connection, [new.sim.imsi])
        return (await places.latest(connection, found.values(), self._clock())).get(new.sim.imsi)

    async def _stand(self, connection: asyncpg.Connection, new: NewSubscription) -> Remembered:
        """How the SIM stands now, which it does until the end of the transaction."""
        await standing_store.hold_elements(connection, new.sim)
        sim = (await sims.lock(connection, [new.sim.imsi])).get(new.sim.imsi)
        if sim is None:
            return Remembered()
        return await standing.begin(connection, sim, new.topic, self._clock())

    async def _watch(self, connection: asyncpg.Connection, new: NewSubscription, id_: str, watch: HotzoneWatch) -> None:
        """From now on reports leave behind what it waits for."""
        subject = new.account_id if new.all_devices else new.sim.imsi
        await hotzone_alerts.add(connection, new.sim.bucket, id_, subject, watch, everyone=new.all_devices)

    async def _begun(self, connection: asyncpg.Connection, new: NewSubscription, outbox: Outbox) -> None:
        """What else belongs to the transaction that makes a subscription: nothing here."""

    async def get(self, app_key: str, id: str) -> Subscription:  # noqa: A002
        """A client's subscription. Raises SubscriptionNotFound, also for another client's and for a deleted one."""
        found = await store.find(self._db, app_key, bucket_of_id(id), id)
        if found is None:
            raise SubscriptionNotFound
        return self._shown(found)

    async def list(
        self,
        app_key: str,
        api: str,
        *,
        imsi: str | None = None,
        after: store.Place | None = None,
        limit: int = MAX_LISTED,
    ) -> list[Subscription]:
        """A client's subscriptions of one API, to one SIM or to all, live ones first, then the newest.

        At most `limit`, those behind `after`.
        """
        rows = await store.list_of(self._db, app_key, api, imsi=imsi, after=after, limit=limit)
        return [self._shown(found) for found in rows]

    async def delete(self, app_key: str, id: str) -> None:  # noqa: A002
        """End a subscription; the last thing that a live one's sink gets is subscription-ended.

        Raises SubscriptionNotFound.
        """
        async with self._db.transaction() as connection:
            row = await store.lock_one(connection, app_key, bucket_of_id(id), id)
            if row is None:
                raise SubscriptionNotFound
            outbox = Outbox.of_row(row)
            if row["ended_at"] is None:
                await fanout.catch_up(connection, [outbox])
            ended_at: datetime | None = row["ended_at"] or outbox.ended_at
            if ended_at is None:
                outbox.end(EndReason.SUBSCRIPTION_DELETED, self._clock())
            else:
                outbox.close(EndReason.SUBSCRIPTION_DELETED, ended_at)
            await save_outboxes(connection, [outbox])

    async def rotate_secret(self, app_key: str, id: str) -> tuple[str, datetime]:  # noqa: A002
        """Make a new signing secret; returns it, and until when the old one signs too.

        Of old ones the newest few sign. Raises SubscriptionNotFound, SecretOfInbox.
        """
        secret = signing_secret()
        async with self._db.transaction() as connection:
            row = await store.lock_one(connection, app_key, bucket_of_id(id), id)
            if row is None:
                raise SubscriptionNotFound
            if row["inbox"] is not None:
                raise SecretOfInbox
            now = self._clock()
            until = now + ROTATION
            current, *older = unseal_secrets(self._vault, id, row["signing_secrets"])
            old = [msgspec.structs.replace(current, until=until), *(s for s in older if s.until and s.until > now)]
            sealed = seal_secrets(self._vault, id, [SigningSecret(secret, since=now), *old[:OLD_SECRETS]])
            await store.save_secrets(connection, row["bucket"], id, sealed)
        return secret, until

    def _shown(self, found: Subscription) -> Subscription:
        """As its client sees it: its sink in clear, and over when its time is, even if nobody has written so yet."""
        found = targets.opened(self._vault, found)
        over = found.expires_at is not None and found.expires_at <= self._clock()
        if over and found.status == Status.ACTIVE:
            return msgspec.structs.replace(found, status=Status.EXPIRED)
        return found

    def _ends_at(self, new: NewSubscription, now: datetime) -> datetime | None:
        limits = [] if new.expires_at is None else [new.expires_at]
        if new.credential is not None:
            remaining = max(new.credential.expires_at - now, timedelta(0))
            limits.append(new.credential.expires_at - min(self._credential_lead, remaining / 2))
        return min(limits, default=None)


def new_id(bucket: int, now: datetime) -> str:
    """An id that says where it lives (`domain.subscription_ids`), of a UUID version 7 (RFC 9562 5.7)."""
    return subscription_ids.made(bucket, uuid7(now))


def bucket_of_id(id: str) -> int:  # noqa: A002
    """The bucket in which the subscription of this id lives. Raises SubscriptionNotFound when it cannot be one."""
    if not _ID.fullmatch(id):
        raise SubscriptionNotFound
    return int(id[:2], 16)
