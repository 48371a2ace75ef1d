"""Requests of `openapi.yaml`; answers are those of all subscription APIs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.hotzone import Side
from simwarden.domain.outliers import Method
from simwarden.northbound.fraud_hotzone.schemas import HOTZONE_WORDING, CheckType, HotZone
from simwarden.northbound.kernel.bodies import device_wording
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.sinks import StrictHttpSettings, StrictSinkCredential
from simwarden.northbound.kernel.subscription_forms import (
    MAX_EVENTS,
    BareConfig,
    BareRequest,
    StrictDeviceDetail,
    wording,
)

_DETAIL = "config.subscriptionDetail"


class HotzoneAlertDetail(StrictDeviceDetail, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """SubscriptionDetail: of one device, or of all."""

    all_devices: Literal[True] | UnsetType = UNSET
    fraud_hot_zone: Annotated[list[HotZone], Meta(min_length=1, max_length=50)]
    check_type: CheckType = CheckType.BOTH
    check_target: Side = Side.VICTIM
    method: Method = Method.RATIO
    threshold_ratio: Annotated[float, Meta(gt=1, le=100)] | UnsetType = UNSET


class HotzoneAlertConfig(BareConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ConfigRequest."""

    subscription_detail: HotzoneAlertDetail


class HotzoneAlertRequest(BareRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SubscriptionRequest."""

    config: HotzoneAlertConfig
    protocol_settings: StrictHttpSettings | UnsetType = UNSET
    sink_credential: StrictSinkCredential | UnsetType = UNSET


WORDING = msgspec.structs.replace(
    wording(
        {
            **device_wording(f"{_DETAIL}.device"),
            **{f"{_DETAIL}.{name}": told for name, told in HOTZONE_WORDING.items()},
            f"{_DETAIL}.allDevices": (InvalidArgument, "allDevices must be true, or left out"),
            "config.subscriptionMaxEvents": (
                InvalidArgument,
                f"subscriptionMaxEvents must be a whole number from 1 to {MAX_EVENTS}",
            ),
        }
    ),
    limits={},
)
"""The document has no OUT_OF_RANGE."""
