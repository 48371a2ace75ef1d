"""Requests and answers of `openapi.yaml`."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, UnsetType

from simwarden.domain.live_call import InCall
from simwarden.northbound.kernel.bodies import Wording
from simwarden.northbound.kernel.numbers import INVALID_NUMBER, NumberRequest


class CallStatusRequest(NumberRequest, frozen=True, rename="camel", forbid_unknown_fields=True):
    """RetrieveCallStatus."""


class CallStatusResponse(msgspec.Struct, frozen=True, rename="camel"):
    """CallStatus."""

    in_call: InCall
    assessed_at: datetime
    since: datetime | UnsetType = UNSET


WORDING = Wording(invalid=INVALID_NUMBER)
