"""Whether a SIM may be used for what a scope allows, and which events put an end to such an answer. Pure."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.errors import SimwardenError
from simwarden.domain.events import EventType
from simwarden.domain.sim import BarCause, Lifecycle

if TYPE_CHECKING:
    from simwarden.domain.sim import Sim


class ContextCode(enum.StrEnum):
    """Why not: the codes of CAMARA's Eligibility Info, whose list may be extended, and two of our own."""

    SUBSCRIPTION_CANCELLED = "SUBSCRIPTION_CANCELLED"
    SUBSCRIBER_NOT_SUPPORTED = "SUBSCRIBER_NOT_SUPPORTED"
    SUSPENDED = "SUSPENDED"
    """Own: the SIM is suspended, and can be restored."""
    BARRED = "BARRED"
    """Own: something else than its customer's wish keeps the SIM from working."""
    TENURE_TOO_SHORT = "TENURE_TOO_SHORT"
    """Own, of payments (`domain.payments`), as those below."""
    SIM_SWAPPED = "SIM_SWAPPED"
    DEVICE_SWAPPED = "DEVICE_SWAPPED"
    NUMBER_RECYCLED = "NUMBER_RECYCLED"


class Obstacle(msgspec.Struct, frozen=True):
    """Why a SIM is not eligible."""

    code: ContextCode
    message: str
    """For people."""


class NotEligible(SimwardenError):
    """The eligibility response that the call names does not allow it."""

    status, code = 403, "PERMISSION_DENIED"


class TooManyResponses(SimwardenError):
    """The account has as many eligibility responses as it may."""

    status, code = 429, "TOO_MANY_REQUESTS"
    retry_after = 60


ENDING = frozenset(
    {
        EventType.SIM_ADDED,
        EventType.SIM_CHANGED,
        EventType.SIM_IDENTITY_CONFLICT,
        EventType.SIM_IDENTITY_RESTORED,
        EventType.DEVICE_CHANGED,
        EventType.BAR_RAISED,
        EventType.BAR_LIFTED,
        EventType.LIFECYCLE_CHANGED,
    }
)
"""Events of a SIM after which no answer from before them holds: it has another number, card, device, bar or state."""
_BY_LIFECYCLE = {
    Lifecycle.PRE_ACTIVE: Obstacle(ContextCode.SUBSCRIBER_NOT_SUPPORTED, "The subscription has not been activated yet"),
    Lifecycle.SUSPENDED: Obstacle(ContextCode.SUSPENDED, "The subscription is suspended"),
    Lifecycle.DEACTIVATED: Obstacle(ContextCode.SUBSCRIPTION_CANCELLED, "The subscription is no longer active"),
    Lifecycle.DELETED: Obstacle(ContextCode.SUBSCRIPTION_CANCELLED, "The subscription is no longer active"),
}


def by_lifecycle(sim: Sim) -> Obstacle | None:
    """What a SIM's state keeps it from: everything, or nothing."""
    return _BY_LIFECYCLE.get(sim.lifecycle)


def obstacle(sim: Sim) -> Obstacle | None:
    """What keeps a SIM from everything; None: nothing does.

    A function that the customer closed is as the customer wants it, and no obstacle.
    """
    if sim.lifecycle in _BY_LIFECYCLE:
        return _BY_LIFECYCLE[sim.lifecycle]
    causes = sorted({str(bar.cause) for bar in sim.bars if bar.cause is not BarCause.CLOSED_BY_CUSTOMER})
    return Obstacle(ContextCode.BARRED, f"The SIM is barred: {', '.join(causes)}") if causes else None
