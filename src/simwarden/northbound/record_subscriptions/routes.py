"""The contract; operations are those of all subscription APIs (`kernel.subscriptions`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from simwarden.domain.events import EventType
from simwarden.northbound.kernel import subscriptions
from simwarden.northbound.kernel.errors import InvalidArgument, PermissionDenied
from simwarden.northbound.record_subscriptions import schemas
from simwarden.northbound.records.routes import CONTENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simwarden.engine.subscriptions import Subscription
    from simwarden.northbound.kernel.api import Answer, Api, Request
    from simwarden.northbound.kernel.services import Services

NAME = "record-subscriptions"
_TYPE = f"org.simwarden.{NAME}.v0"
MESSAGE, CALL, USAGE = f"{_TYPE}.message-recorded", f"{_TYPE}.call-ended", f"{_TYPE}.usage-reached"
CONTRACT = subscriptions.Contract(
    name=NAME,
    requests={"v0.1": schemas.RecordRequest},
    kinds={MESSAGE: EventType.MESSAGE_RECORDED, CALL: EventType.CALL_ENDED, USAGE: EventType.USAGE_REACHED},
    operations=subscriptions.Operations(
        "createRecordSubscription",
        "retrieveRecordSubscriptionList",
        "retrieveRecordSubscription",
        "deleteRecordSubscription",
    ),
    wording=schemas.WORDING,
    one_identifier=True,
)
_FILTERS = {"kinds": MESSAGE, "direction": CALL, "meter": USAGE, "amount": USAGE}
"""Properties that only one type knows."""


class RecordSubscriptions(subscriptions.SubscriptionOperations):
    """The operations."""

    def check(self, wanted: Any, now: datetime) -> None:
        """As for all, then whether what is asked for fits the type."""
        super().check(wanted, now)
        [kind], detail = wanted.types, wanted.config.subscription_detail
        for name, only in _FILTERS.items():
            if getattr(detail, name) is not UNSET and kind != only:
                raise InvalidArgument(f"{name} is for {only} alone")
        if kind == USAGE and UNSET in (detail.meter, detail.amount):
            raise InvalidArgument(f"{USAGE} needs meter and amount")
        if detail.content is not UNSET and kind == USAGE:
            raise InvalidArgument(f"There are no texts and numbers in {USAGE}")

    async def subscribe(self, request: Request, wanted: Any, created: Callable[[Subscription], Answer]) -> Answer:
        """Raises PermissionDenied too, where texts and numbers are wanted that the caller may not see."""
        if wanted.config.subscription_detail.content is not UNSET and CONTENT not in request.caller.scopes:
            raise PermissionDenied
        return await super().subscribe(request, wanted, created)


def build(services: Services) -> Api | None:
    """The API, to be mounted at `/record-subscriptions`; None where nothing is kept."""
    if services.records is None:
        return None
    return subscriptions.build(CONTRACT, services, __package__, RecordSubscriptions)
