"""A wish for events of a SIM, as an API hands it to the engine."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from simwarden.domain import identifiers
from simwarden.domain.events import EventType
from simwarden.domain.geofence import Geofence
from simwarden.domain.hotzone import HotzoneWatch
from simwarden.domain.sim import Sim
from simwarden.domain.usage import Usage

_WHOLE = "account:"


def whole_account(account_id: str) -> Sim:
    """What subscriptions to all SIMs of an account stand under, in the place of one. No network has such an IMSI."""
    subject = f"{_WHOLE}{account_id}"
    return Sim(bucket=identifiers.bucket_of(subject), imsi=subject, account_id=account_id)


class Credential(msgspec.Struct, frozen=True):
    """What the sink wants to see (CAMARA sinkCredential ACCESSTOKEN)."""

    access_token: str
    expires_at: datetime


class NewSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A wish for events, checked against the API's contract by the caller."""

    sim: Sim
    number: str | None = None
    """The SIM's phone number, where it is that which is followed from SIM to SIM (`engine.following`)."""
    account_id: str
    app_key: str
    api: str
    topic: EventType
    type: str
    protocol: str
    sink: str
    protocol_settings: dict[str, Any] | None
    device: dict[str, Any] | None
    """The device as the client named it, or as its token does; sent with every event."""
    config: dict[str, Any]
    credential: Credential | None
    expires_at: datetime | None
    max_events: int | None
    initial_event: bool
    fence: Geofence | None = None
    """The circle that it is about, where it is about one."""
    all_devices: bool = False
    """It is about every SIM of the account, and `sim` stands for that (`whole_account`)."""
    watch: HotzoneWatch | None = None
    """The traffic that it is about, where it is about some."""
    usage: Usage | None = None
    """What making it counts as."""

    @property
    def subject(self) -> tuple[int, str]:
        """Bucket and name of what the subscription stands under: the SIM's IMSI, or the number."""
        if self.number is None:
            return self.sim.bucket, self.sim.imsi
        return identifiers.bucket_of(self.number), self.number
