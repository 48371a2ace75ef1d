"""The contract; the operations are those of all subscription APIs (`kernel.subscriptions`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.events import EventType
from simwarden.northbound.kernel import subscriptions
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.subscription_forms import PhoneRequest, wording

if TYPE_CHECKING:
    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.services import Services

NAME = "sim-swap-subscriptions"
SWAPPED = f"org.camaraproject.{NAME}.v0.swapped"
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"v0.3": PhoneRequest},
    kinds={SWAPPED: EventType.NUMBER_MOVED},
    operations=subscriptions.Operations(
        "createSimSwapSubscription", "retrieveSubscriptionList", "retrieveSubscription", "deleteSubscription"
    ),
    wording=wording({"config.subscriptionDetail.phoneNumber": (InvalidArgument, "Invalid format: phoneNumber")}),
    follows_number=True,
)


def build(services: Services) -> Api:
    """The API, to be mounted at `/sim-swap-subscriptions`."""
    return subscriptions.build(CONTRACT, services, __package__)
