"""Requests of `openapi.yaml`; answers are those of all subscription APIs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.devices import Device
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.subscription_forms import MAX_EVENTS, BareConfig, BareRequest, wording

STATUS = "org.camaraproject.sms.v0.sms-delivery-status"


class SenderDetail(msgspec.Struct, frozen=True, rename="camel"):
    """SubscriptionDetail: the number that messages are sent from."""

    sender_id: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00]*\Z")]
    type: Literal["org.camaraproject.sms.v0.sms-delivery-status"]

    def named(self) -> Device | UnsetType:
        """Detail."""
        return Device(phone_number=self.sender_id)


class StatusConfig(BareConfig, frozen=True, kw_only=True):
    """Config."""

    subscription_detail: SenderDetail
    initial_event: bool | UnsetType = UNSET


class StatusRequest(BareRequest, frozen=True, kw_only=True):
    """CreateSubscription."""

    config: StatusConfig


_DETAIL = "config.subscriptionDetail"
WORDING = msgspec.structs.replace(
    wording(
        {
            f"{_DETAIL}.senderId": (InvalidArgument, "Invalid format: senderId"),
            f"{_DETAIL}.type": (InvalidArgument, f"The value of subscriptionDetail.type can only be {STATUS}"),
            "config.subscriptionMaxEvents": (
                InvalidArgument,
                f"subscriptionMaxEvents must be a whole number from 1 to {MAX_EVENTS}",
            ),
        }
    ),
    limits={},
)
"""The document has no OUT_OF_RANGE."""
