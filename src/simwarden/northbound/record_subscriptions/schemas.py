"""Requests of `openapi.yaml`; answers are those of all subscription APIs."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.counters import LARGEST, Meter
from simwarden.domain.record_views import MessageKind, RecordDirection
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


class RecordDetail(StrictDeviceDetail, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """SubscriptionDetail: of one device, or of all."""

    all_devices: Literal[True] | UnsetType = UNSET
    kinds: Annotated[list[MessageKind], Meta(min_length=1, max_length=len(MessageKind))] | UnsetType = UNSET
    direction: RecordDirection | UnsetType = UNSET
    meter: Meter | UnsetType = UNSET
    amount: Annotated[float, Meta(gt=0, le=LARGEST)] | UnsetType = UNSET
    content: Literal[True] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse what says which SIMs twice."""
        if self.all_devices is not UNSET and self.device is not UNSET:
            raise ValueError("Either device or allDevices must be given, not both")


class RecordConfig(BareConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ConfigRequest."""

    subscription_detail: RecordDetail


class RecordRequest(BareRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SubscriptionRequest."""

    config: RecordConfig
    protocol_settings: StrictHttpSettings | UnsetType = UNSET
    sink_credential: StrictSinkCredential | UnsetType = UNSET


WORDING = msgspec.structs.replace(
    wording(
        {
            **device_wording(f"{_DETAIL}.device"),
            f"{_DETAIL}.allDevices": (InvalidArgument, "allDevices must be true, or left out"),
            f"{_DETAIL}.content": (InvalidArgument, "content must be true, or left out"),
            f"{_DETAIL}.kinds": (InvalidArgument, f"kinds must be 1 to {len(MessageKind)} of {', '.join(MessageKind)}"),
            f"{_DETAIL}.direction": (InvalidArgument, f"direction must be one of {', '.join(RecordDirection)}"),
            f"{_DETAIL}.meter": (InvalidArgument, f"meter must be one of {', '.join(Meter)}"),
            f"{_DETAIL}.amount": (InvalidArgument, f"amount must be a number above 0, at most {LARGEST}"),
            "config.subscriptionMaxEvents": (
                InvalidArgument,
                f"subscriptionMaxEvents must be a whole number from 1 to {MAX_EVENTS}",
            ),
        }
    ),
    limits={},
)
"""The document has no OUT_OF_RANGE."""
