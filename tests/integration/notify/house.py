"""What the tests of subscriptions and notifications do to a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simwarden.domain.events import Cause, CauseKind, Event, EventType
from simwarden.domain.identifiers import bucket_of, full_imei
from simwarden.domain.sim import Sim
from simwarden.engine.publishing import publish
from simwarden.engine.subscriptions import Credential, NewSubscription, Subscription, Subscriptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

API = "iot-sim-fraud-prevention-subscriptions"
FAMILY = "org.camaraproject.iot-sim-fraud-prevention.v0"
DEVICE = {"phoneNumber": "+8613800000001"}


def imei(number: int) -> str:
    """The 14 digits of some device."""
    return f"35209900{number:06}"


def device_changed(n: int, number: int, **cause: Any) -> Event:
    """The SIM's n-th event: it is in device `number` now."""
    made = Cause(**{"kind": CauseKind.REPORT, "source": "gw-1", "at": datetime.now(UTC), **cause})
    return Event(n, EventType.DEVICE_CHANGED, datetime.now(UTC), made, {"imei": full_imei(imei(number))})


class House:
    """A database with an account, its SIMs, and its client's subscriptions."""

    def __init__(self, db: Database, vault: Vault, subscriptions: Subscriptions) -> None:
        self.db = db
        self.vault = vault
        self.subscriptions = subscriptions
        self.sim = Sim(bucket=bucket_of("460000000000001"), imsi="460000000000001", account_id="acme")
        self._events = 0

    async def prepare(self) -> None:
        """Make the accounts and the first SIM."""
        await self.db.execute("insert into account (id, name) values ('acme', 'Acme'), ('other', 'Other')")
        await self.add_sim(self.sim)

    async def add_sim(self, sim: Sim) -> None:
        """Make a SIM that was seen in no device."""
        await self.db.execute(
            "insert into sim (bucket, imsi, account_id) values ($1, $2, $3)", sim.bucket, sim.imsi, sim.account_id
        )

    async def see(self, number: int) -> None:
        """The SIM is in this device; nobody is told."""
        await self.db.execute(
            "update sim set seen_imei = $2, seen_at = now() where imsi = $1", self.sim.imsi, imei(number)
        )

    async def subscribe(
        self,
        sink: str,
        *,
        sim: Sim | None = None,
        token: str | None = None,
        token_expires_at: datetime | None = None,
        expires_at: datetime | None = None,
        max_events: int | None = None,
        initial_event: bool = False,
        headers: dict[str, str] | None = None,
        account_id: str = "acme",
        app_key: str = "app-1",
    ) -> tuple[Subscription, str]:
        """Subscribe to the changes of device of a SIM; returns the subscription and its signing secret."""
        credential = None
        if token is not None:
            assert token_expires_at is not None
            credential = Credential(token, token_expires_at)
        return await self.subscriptions.create(
            NewSubscription(
                sim=sim or self.sim,
                account_id=account_id,
                app_key=app_key,
                api=API,
                topic=EventType.DEVICE_CHANGED,
                type=f"{FAMILY}.imei-change",
                protocol="HTTP",
                sink=sink,
                protocol_settings={"headers": headers} if headers else None,
                device=DEVICE,
                config={"subscriptionDetail": {"device": DEVICE}},
                credential=credential,
                expires_at=expires_at,
                max_events=max_events,
                initial_event=initial_event,
            )
        )

    async def publish(self, *numbers: int, sim: Sim | None = None) -> int:
        """The SIM changes into these devices, one after the other, in one transaction."""
        events = []
        for number in numbers:
            self._events += 1
            events.append(device_changed(self._events, number))
        async with self.db.transaction() as connection:
            return await publish(connection, [(sim or self.sim, events)])

    async def deliveries(self, subscription_id: str) -> Sequence[asyncpg.Record]:
        """The queue of a subscription, in order."""
        return await self.db.fetch("select * from delivery where subscription_id = $1 order by n", subscription_id)

    async def queue(self, subscription_id: str) -> list[tuple[str, str]]:
        """What a queue holds: the last part of the type, and the reason or the number of the device."""
        return [
            (row["type"].removeprefix(f"{FAMILY}."), _essence(row["data"]))
            for row in await self.deliveries(subscription_id)
        ]


def _essence(data: dict[str, Any]) -> str:
    if "imei" in data:
        return str(int(data["imei"][8:14]))
    return str(data.get("terminationReason") or data["initiationReason"])
