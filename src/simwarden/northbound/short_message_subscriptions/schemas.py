"""Requests and answers of `openapi.yaml` beside those of all subscription APIs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.opt_outs import OptOutSource
from simwarden.domain.texts import KEYWORD
from simwarden.northbound.kernel import sinks
from simwarden.northbound.kernel.bodies import Wording, device_wording
from simwarden.northbound.kernel.devices import PhoneNumber, StrictDevice
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.sinks import DateTime
from simwarden.northbound.kernel.subscription_forms import BareConfig, BareRequest, StrictDeviceDetail, wording

MOST = 100
"""Messages of one answer."""
Keyword = Annotated[str, Meta(min_length=1, max_length=KEYWORD, pattern=r"^[^\s\x00]+\Z")]
Sender = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{0,14}\Z")]
_DETAIL = "config.subscriptionDetail"
_ALL = "allDevices can only be true, and stands in the place of device"


class MessageDetail(StrictDeviceDetail, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SubscriptionDetailRequest."""

    all_devices: bool | UnsetType = UNSET
    keyword: Keyword | UnsetType = UNSET
    from_: Annotated[list[Sender], Meta(min_length=1, max_length=50)] | UnsetType = msgspec.field(
        name="from", default=UNSET
    )

    def __post_init__(self) -> None:
        """Refuse what says which SIMs twice."""
        if self.all_devices is False or (self.all_devices is True and self.device is not UNSET):
            raise ValueError(_ALL)


class MessageConfig(BareConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """ConfigRequest."""

    subscription_detail: MessageDetail


class MessageRequest(BareRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SubscriptionRequest."""

    config: MessageConfig
    protocol_settings: sinks.StrictHttpSettings | UnsetType = UNSET
    sink_credential: sinks.StrictSinkCredential | UnsetType = UNSET


class ReceivedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RetrieveReceivedRequest."""

    device: StrictDevice | UnsetType = UNSET
    since: DateTime | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MOST)] = MOST
    cursor: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET


class ReceivedPage(msgspec.Struct, frozen=True):
    """RetrieveReceivedResponse."""

    messages: list[dict[str, Any]]
    cursor: str | UnsetType = UNSET


class OptOutQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """RetrieveOptOutsRequest."""

    device: StrictDevice | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=MOST)] = MOST
    cursor: Annotated[str, Meta(max_length=256)] | UnsetType = UNSET


class OptOutChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """OptOutRequest."""

    receiver: PhoneNumber
    device: StrictDevice | UnsetType = UNSET


class ShownOptOut(msgspec.Struct, frozen=True, rename="camel"):
    """OptOut."""

    since: datetime
    source: OptOutSource
    device: dict[str, str] | UnsetType = UNSET
    all_devices: bool | UnsetType = UNSET
    receiver: str | UnsetType = UNSET


class OptOutPage(msgspec.Struct, frozen=True, rename="camel"):
    """RetrieveOptOutsResponse."""

    opt_outs: list[ShownOptOut]
    cursor: str | UnsetType = UNSET


WORDING = msgspec.structs.replace(
    wording(
        {
            **device_wording(f"{_DETAIL}.device"),
            f"{_DETAIL}.keyword": (InvalidArgument, f"keyword must be one word of 1 to {KEYWORD} characters"),
            f"{_DETAIL}.from": (InvalidArgument, "from must be 1 to 50 numbers, or beginnings of such, as +86138"),
            "config.subscriptionMaxEvents": (
                InvalidArgument,
                "subscriptionMaxEvents must be a whole number from 1 to 1000000",
            ),
        }
    ),
    limits={},
)
RETRIEVE_WORDING = Wording(
    invalid={
        **device_wording(),
        "since": (InvalidArgument, "Invalid format: since must be a date-time by RFC 3339 with a time zone"),
        "limit": (InvalidArgument, f"limit must be a whole number from 1 to {MOST}"),
        "cursor": (InvalidArgument, "cursor is none that this server made"),
    }
)
OPT_OUT_WORDING = Wording(
    missing={"receiver": "receiver must be specified"},
    invalid={
        **device_wording(),
        "receiver": (InvalidArgument, "receiver must be a phone number by E.164, as +8613715266978"),
        "limit": (InvalidArgument, f"limit must be a whole number from 1 to {MOST}"),
        "cursor": (InvalidArgument, "cursor is none that this server made"),
    },
)
