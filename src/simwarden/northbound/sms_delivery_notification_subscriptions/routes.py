"""The contract; operations are those of all subscription APIs (`kernel.subscriptions`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.events import EventType
from simwarden.northbound.kernel import subscriptions
from simwarden.northbound.sms_delivery_notification_subscriptions import schemas

if TYPE_CHECKING:
    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.services import Services

NAME = "sms-delivery-notification-subscriptions"
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"v0alpha1": schemas.StatusRequest},
    kinds={schemas.STATUS: EventType.SMS_STATUS},
    operations=subscriptions.Operations(
        "createSubscription", "retrieveSubscriptionList", "retrieveSubscription", "deleteSubscription"
    ),
    wording=schemas.WORDING,
    subscribe="sms-delivery:subscriptions:create",
)


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/sms-delivery-notification-subscriptions`; None where nothing is sent."""
    return None if services.sending is None else subscriptions.build(CONTRACT, services, __package__)
