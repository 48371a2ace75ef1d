"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.devices import PhoneNumber
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.numbers import INVALID_NUMBER

if TYPE_CHECKING:
    from simwarden.domain.eligibility import Obstacle

MOST_SCOPES = 50
"""Of one request."""
LONGEST_SCOPE = 256
"""Characters."""
_SCOPES = f"scopes must be 1 to {MOST_SCOPES} scopes of 1 to {LONGEST_SCOPE} characters each"
_Scope = Annotated[str, Meta(min_length=1, max_length=LONGEST_SCOPE)]


class EligibilityRequest(msgspec.Struct, frozen=True, rename="camel"):
    """EligibilityCheckRequest."""

    phone_number: PhoneNumber
    scopes: Annotated[list[_Scope], Meta(min_length=1, max_length=MOST_SCOPES)]
    purpose: Annotated[str, Meta(max_length=128, pattern=r"^dpv:[a-zA-Z0-9]+\Z")]
    csp_auth_url_required: bool = False
    """Has no effect: no scope needs an address to authorize at."""


class StatusInfoItem(msgspec.Struct, frozen=True, rename="camel"):
    """What is so of one scope."""

    scopes: list[str]
    purpose: str
    eligibility: bool
    context_code: str | UnsetType = UNSET
    context_message: str | UnsetType = UNSET


class EligibilityAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """EligibilityCheckResponse."""

    eligibility_response_id: str
    status_info: list[StatusInfoItem]
    expiration_date: datetime
    ttl: int


def item(scope: str, purpose: str, against: Obstacle | None) -> StatusInfoItem:
    """One scope, with what stands against it."""
    if against is None:
        return StatusInfoItem([scope], purpose, eligibility=True)
    code = str(against.code)
    return StatusInfoItem([scope], purpose, eligibility=False, context_code=code, context_message=against.message)


WORDING = Wording(
    missing={name: f"{name} must be specified" for name in ("phoneNumber", "scopes", "purpose")},
    invalid={
        **INVALID_NUMBER,
        "scopes": (InvalidArgument, _SCOPES),
        "purpose": (InvalidArgument, "Invalid format: purpose"),
        "cspAuthUrlRequired": (InvalidArgument, "Invalid format: cspAuthUrlRequired"),
    },
)
