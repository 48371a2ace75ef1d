"""The contract of both versions; the operations are those of all subscription APIs (`kernel.subscriptions`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simwarden.domain.events import EventType
from simwarden.northbound.iot_sim_fraud_prevention_subscriptions.schemas import CreatedLater
from simwarden.northbound.kernel import subscriptions
from simwarden.northbound.kernel.bodies import device_wording
from simwarden.northbound.kernel.subscription_forms import DeviceRequest, StrictDeviceRequest, wording

if TYPE_CHECKING:
    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.services import Services

NAME = "iot-sim-fraud-prevention-subscriptions"
_PREFIX = "org.camaraproject.iot-sim-fraud-prevention.v0."
IMEI_CHANGE = f"{_PREFIX}imei-change"
AREA_CHANGE = f"{_PREFIX}area-change"
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"v0.1": DeviceRequest, "vwip": StrictDeviceRequest},
    kinds={IMEI_CHANGE: EventType.DEVICE_CHANGED, AREA_CHANGE: EventType.AREA_CHANGED},
    operations=subscriptions.Operations(
        "subscribeFraudPrevention", "listSubscriptions", "getSubscription", "deleteSubscription"
    ),
    wording=wording(device_wording("config.subscriptionDetail.device")),
    subscribe=f"{NAME}:subscribe",
    private_key_jwt=True,
    names_sim_of_token=True,
    created_later=CreatedLater,
)


def build(services: Services) -> Api:
    """The API, to be mounted at `/iot-sim-fraud-prevention-subscriptions`."""
    return subscriptions.build(CONTRACT, services, __package__)
