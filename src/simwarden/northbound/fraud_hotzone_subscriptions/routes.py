"""The contract. Operations are those of all subscription APIs (`kernel.subscriptions`), with traffic to look at."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from simwarden.domain.events import EventType
from simwarden.domain.hotzone import HotzoneWatch, parse_zones
from simwarden.domain.outliers import DEFAULT_THRESHOLD
from simwarden.northbound.fraud_hotzone_subscriptions import schemas
from simwarden.northbound.kernel import subscriptions
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.traffic import LIST, TrafficView, lists_in, zones_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.engine.subscriptions import Subscription
    from simwarden.northbound.kernel.api import Answer, Api, Request
    from simwarden.northbound.kernel.services import Services

NAME = "fraud-hotzone-subscriptions"
ANOMALY = f"org.camaraproject.{NAME}.v0.anomaly-detected"
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"vwip": schemas.HotzoneAlertRequest},
    kinds={ANOMALY: EventType.HOTZONE_ANOMALY},
    operations=subscriptions.Operations(
        "createFraudHotzoneSubscription",
        "retrieveFraudHotzoneSubscriptionList",
        "retrieveFraudHotzoneSubscription",
        "deleteFraudHotzoneSubscription",
    ),
    wording=schemas.WORDING,
    one_identifier=True,
)


class HotzoneSubscriptions(subscriptions.SubscriptionOperations):
    """The operations."""

    def __init__(self, contract: subscriptions.Contract, services: Services, request: type[Any]) -> None:
        super().__init__(contract, services, request)
        assert isinstance(services.sims, TrafficView)
        self._view: TrafficView = services.sims

    async def subscribe(self, request: Request, wanted: Any, created: Callable[[Subscription], Answer]) -> Answer:
        """Raises InvalidArgument too, for a country or a list that there is not, and for both device and allDevices."""
        detail = wanted.config.subscription_detail
        if detail.all_devices is not UNSET and detail.device is not UNSET:
            raise InvalidArgument("Either device or allDevices must be given, not both")
        zones = detail.fraud_hot_zone
        await zones_of(self._view, request.caller.account_id, zones, "fraudHotZone")
        return await super().subscribe(request, wanted, created)

    def watch(self, wanted: Any, now: datetime) -> HotzoneWatch:
        """What the request asks for. Its lists are looked up again whenever traffic is compared."""
        detail = wanted.config.subscription_detail
        return HotzoneWatch(
            zones=parse_zones(text for text in detail.fraud_hot_zone if not text.startswith(LIST)),
            lists=frozenset(lists_in(detail.fraud_hot_zone)),
            kinds=detail.check_type.kinds,
            side=detail.check_target,
            method=detail.method,
            threshold=detail.threshold_ratio or DEFAULT_THRESHOLD[detail.method],
            since=now.astimezone(UTC).date(),
        )


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/fraud-hotzone-subscriptions`; None where nothing is counted."""
    if not isinstance(services.sims, TrafficView):
        return None
    return subscriptions.build(CONTRACT, services, __package__, HotzoneSubscriptions)
