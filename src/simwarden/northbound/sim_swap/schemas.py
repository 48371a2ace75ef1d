"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.numbers import INVALID_NUMBER, NumberRequest


class SimSwapCheckRequest(NumberRequest, frozen=True, rename="camel"):
    """CreateCheckSimSwap."""

    max_age: Annotated[int, Meta(ge=1, le=2400)] = 240
    """Hours."""


class SimSwapDateResponse(msgspec.Struct, frozen=True, rename="camel"):
    """SimSwapInfo."""

    latest_sim_change: datetime | None
    """None: not known, or longer ago than `monitored_period`."""
    monitored_period: int | UnsetType = UNSET
    """Days."""


class SimSwapCheckResponse(msgspec.Struct, frozen=True):
    """CheckSimSwapInfo."""

    swapped: bool


WORDING = Wording(
    invalid={**INVALID_NUMBER, "maxAge": (InvalidArgument, "maxAge must be a whole number of hours")},
    limits={"maxAge": "maxAge must be from 1 to 2400"},
)
