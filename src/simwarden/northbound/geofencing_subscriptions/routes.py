"""The contract. Operations are those of all subscription APIs (`kernel.subscriptions`), with a circle to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simwarden.domain.events import EventType
from simwarden.domain.geofence import Geofence
from simwarden.northbound.geofencing_subscriptions import schemas
from simwarden.northbound.kernel import subscriptions
from simwarden.northbound.kernel.areas import CircleRules
from simwarden.northbound.kernel.errors import CamaraError

if TYPE_CHECKING:
    from datetime import datetime

    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.services import Services

NAME = "geofencing-subscriptions"
_PREFIX = f"org.camaraproject.{NAME}.v0."
AREA_ENTERED = f"{_PREFIX}area-entered"
AREA_LEFT = f"{_PREFIX}area-left"
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"v0.5": schemas.GeofenceRequest},
    kinds={AREA_ENTERED: EventType.GEOFENCE_ENTERED, AREA_LEFT: EventType.GEOFENCE_LEFT},
    operations=subscriptions.Operations(
        "createGeofencingSubscription",
        "retrieveGeofencingSubscriptionList",
        "retrieveGeofencingSubscription",
        "deleteGeofencingSubscription",
    ),
    wording=schemas.WORDING,
    one_identifier=True,
)


class GeofenceNotCovered(CamaraError):
    """Unable to cover the requested area"""

    status, code = 422, "GEOFENCING_SUBSCRIPTIONS.AREA_NOT_COVERED"


class GeofenceTooSmall(CamaraError):
    """The requested area is too small"""

    status, code = 422, "GEOFENCING_SUBSCRIPTIONS.INVALID_AREA"


class GeofencingSubscriptions(subscriptions.SubscriptionOperations):
    """The operations."""

    def __init__(self, contract: subscriptions.Contract, services: Services, request: type[Any]) -> None:
        super().__init__(contract, services, request)
        self._circles = CircleRules(GeofenceTooSmall, GeofenceNotCovered, services.smallest_area_radius)

    def check(self, wanted: Any, now: datetime) -> None:
        """Raises GeofenceTooSmall and GeofenceNotCovered too."""
        super().check(wanted, now)
        self._circles.check(wanted.config.subscription_detail.area)

    def fence(self, wanted: Any) -> Geofence:
        """The circle of the request, to be entered or left."""
        return Geofence(wanted.config.subscription_detail.area.circle, wanted.types == [AREA_ENTERED])


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/geofencing-subscriptions`; None where nobody knows places."""
    if services.places is None:
        return None
    return subscriptions.build(CONTRACT, services, __package__, GeofencingSubscriptions)
