"""Requests of `openapi.yaml`, with the property names of CAMARA; answers are those of all subscription APIs."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.northbound.kernel.areas import CircleArea, area_wording
from simwarden.northbound.kernel.bodies import device_wording
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.subscription_forms import (
    MAX_EVENTS,
    BareConfig,
    BareRequest,
    DeviceDetail,
    wording,
)

_DETAIL = "config.subscriptionDetail"
WORDING = msgspec.structs.replace(
    wording(
        {
            **device_wording(f"{_DETAIL}.device"),
            **area_wording(f"{_DETAIL}.area"),
            "config.subscriptionMaxEvents": (
                InvalidArgument,
                f"subscriptionMaxEvents must be a whole number from 1 to {MAX_EVENTS}",
            ),
        }
    ),
    limits={},
)
"""The document has no OUT_OF_RANGE."""


class GeofenceDetail(DeviceDetail, frozen=True, kw_only=True):
    """SubscriptionDetailRequest."""

    area: CircleArea


class GeofenceConfig(BareConfig, frozen=True, kw_only=True):
    """ConfigRequest."""

    subscription_detail: GeofenceDetail
    initial_event: bool | UnsetType = UNSET


class GeofenceRequest(BareRequest, frozen=True, kw_only=True):
    """SubscriptionRequest."""

    config: GeofenceConfig
