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

NAME = "device-data-volume-subscriptions"
NAMES = ("data-50-percent", "data-75-percent", "data-90-percent", "data-exceeded")
"""Of the events (`domain.telling` says which is told when)."""
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"v0.1": NamedDeviceRequest},
    kinds={f"org.camaraproject.{NAME}.v0.{name}": EventType.DATA_USED for name in NAMES},
    applies_to=lambda sim: sim.limits.data_allowance is not None,
    unavailable="This device has no data allowance",
    operations=subscriptions.Operations(
        "createDeviceDataVolumeSubscription",
        "retrieveDeviceDataVolumeSubscriptionList",
        "retrieveDeviceDataVolumeSubscription",
        "deleteDeviceDataVolumeSubscription",
    ),
    wording=wording(device_wording("config.subscriptionDetail.device")),
    one_identifier=True,
)


def build(services: Services) -> Api:
    """The API, to be mounted at `/device-data-volume-subscriptions`."""
    return subscriptions.build(CONTRACT, services, __package__)
