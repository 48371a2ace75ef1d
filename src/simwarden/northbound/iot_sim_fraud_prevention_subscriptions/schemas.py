"""What differs from the requests and answers that all subscription APIs share (`kernel.subscription_forms`)."""

from __future__ import annotations

import msgspec


class CreatedLater(msgspec.Struct, frozen=True, rename="camel"):
    """SubscribeFraudPreventionResponseAsync."""

    subscription_id: str
