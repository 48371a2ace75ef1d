"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.messages import MOST_TEXT
from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.devices import PhoneNumber
from simwarden.northbound.kernel.errors import InvalidArgument

MOST_RECEIVERS = 50


class Category(enum.StrEnum):
    """What kind of message it is."""

    PROMOTION = "PROMOTION"
    SERVICE = "SERVICE"
    TRANSACTION = "TRANSACTION"


class MessageForm(msgspec.Struct, frozen=True, rename="camel"):
    """MessageRequest."""

    message: Annotated[str, Meta(min_length=1, max_length=MOST_TEXT, pattern=r"^[^\x00]*\Z")]
    to: Annotated[list[PhoneNumber], Meta(min_length=1, max_length=MOST_RECEIVERS)] | UnsetType = UNSET
    from_: PhoneNumber | UnsetType = msgspec.field(name="from", default=UNSET)
    category: Category | UnsetType = UNSET
    in_reply_to: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    """An extension."""


class MessageTaken(msgspec.Struct, frozen=True, rename="camel"):
    """MessageResponse."""

    msg_id: str
    timestamp: datetime


WORDING = Wording(
    invalid={
        "to": (InvalidArgument, f"to must be 1 to {MOST_RECEIVERS} phone numbers by E.164, with plus signs"),
        "from": (InvalidArgument, "from must be a phone number by E.164, with its plus sign"),
        "message": (InvalidArgument, f"message must be a text of 1 to {MOST_TEXT} characters"),
        "category": (InvalidArgument, "category can only be PROMOTION, SERVICE or TRANSACTION"),
    }
)
