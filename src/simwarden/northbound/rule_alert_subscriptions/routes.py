"""The contract; the operations are those of all subscription APIs (`kernel.subscriptions`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.events import EventType
from simwarden.northbound.kernel import subscriptions
from simwarden.northbound.kernel.bodies import device_wording
from simwarden.northbound.kernel.subscription_forms import NamedDeviceRequest, wording

if TYPE_CHECKING:
    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.services import Services

NAME = "rule-alert-subscriptions"
RULE_FIRED = f"org.simwarden.{NAME}.v0.rule-fired"
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"v0.1": NamedDeviceRequest},
    kinds={RULE_FIRED: EventType.RULE_FIRED},
    operations=subscriptions.Operations(
        "createRuleAlertSubscription",
        "retrieveRuleAlertSubscriptionList",
        "retrieveRuleAlertSubscription",
        "deleteRuleAlertSubscription",
    ),
    wording=wording(device_wording("config.subscriptionDetail.device")),
    one_identifier=True,
)


def build(services: Services) -> Api:
    """The API, to be mounted at `/rule-alert-subscriptions`."""
    return subscriptions.build(CONTRACT, services, __package__)
