"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import date

import msgspec

from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.numbers import INVALID_NUMBER, NumberRequest


class RecyclingRequest(NumberRequest, frozen=True, rename="camel", kw_only=True):
    """CreateCheckNumRecycling."""

    specified_date: date


class RecyclingResponse(msgspec.Struct, frozen=True, rename="camel"):
    """CheckNumRecyclingInfo."""

    phone_number_recycled: bool


WORDING = Wording(
    missing={"specifiedDate": "specifiedDate must be specified"},
    invalid={**INVALID_NUMBER, "specifiedDate": (InvalidArgument, "Invalid format: specifiedDate")},
)
