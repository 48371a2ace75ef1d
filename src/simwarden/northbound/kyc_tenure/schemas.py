"""Requests and answers of `openapi.yaml`, with the property names of CAMARA."""

from __future__ import annotations

from datetime import date

import msgspec

from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.numbers import INVALID_NUMBER, NumberRequest


class TenureRequest(NumberRequest, frozen=True, rename="camel", kw_only=True):
    """Tenure."""

    tenure_date: date


class TenureResponse(msgspec.Struct, frozen=True, rename="camel"):
    """TenureInfo; `contractType` is not known here."""

    tenure_date_check: bool


WORDING = Wording(
    missing={"tenureDate": "tenureDate must be specified"},
    invalid={**INVALID_NUMBER, "tenureDate": (InvalidArgument, "Invalid format: tenureDate")},
)
