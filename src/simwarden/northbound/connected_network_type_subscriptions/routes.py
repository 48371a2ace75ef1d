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

NAME = "connected-network-type-subscriptions"
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"v0.2": NamedDeviceRequest},
    kinds={f"org.camaraproject.{NAME}.v0.network-type-changed": EventType.NETWORK_TYPE_CHANGED},
    operations=subscriptions.Operations(
        "createConnectedNetworkTypeSubscription",
        "retrieveConnectedNetworkTypeSubscriptionList",
        "retrieveConnectedNetworkTypeSubscription",
        "deleteConnectedNetworkTypeSubscription",
    ),
    wording=wording(device_wording("config.subscriptionDetail.device")),
    one_identifier=True,
)


def build(services: Services) -> Api:
    """The API, to be mounted at `/connected-network-type-subscriptions`."""
    return subscriptions.build(CONTRACT, services, __package__)
