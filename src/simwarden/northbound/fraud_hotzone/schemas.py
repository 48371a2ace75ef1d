"""Requests and answers of `openapi.yaml`."""

from __future__ import annotations

import enum
from datetime import date
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from simwarden.domain.daily import TrafficKind
from simwarden.domain.hotzone import Side
from simwarden.domain.outliers import Method, Risk
from simwarden.northbound.kernel.bodies import Problem, Wording
from simwarden.northbound.kernel.errors import InvalidArgument
from simwarden.northbound.kernel.numbers import INVALID_NUMBER, NumberRequest

MOST_DAYS = 90
HotZone = Annotated[
    str, Meta(max_length=68, pattern=r"^([A-Z]{2}|001|\+[1-9][0-9]{0,4}|list:[A-Za-z0-9][A-Za-z0-9._-]{0,62})\Z")
]


class CheckType(enum.StrEnum):
    """What is looked at."""

    CALL = "CALL"
    SMS = "SMS"
    BOTH = "BOTH"

    @property
    def kinds(self) -> frozenset[TrafficKind]:
        """In the words of the counts."""
        return frozenset(TrafficKind) if self is CheckType.BOTH else frozenset({TrafficKind(self.value)})


class HotzoneRequest(NumberRequest, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """CheckFraudHotzone."""

    look_back_days: Annotated[int, Meta(ge=1, le=MOST_DAYS)]
    fraud_hot_zone: Annotated[list[HotZone], Meta(min_length=1, max_length=50)]
    check_type: CheckType = CheckType.BOTH
    check_target: Side = Side.VICTIM
    method: Method = Method.RATIO
    threshold_ratio: Annotated[float, Meta(gt=1, le=100)] | UnsetType = UNSET
    detail: bool = False


class Coverage(msgspec.Struct, frozen=True):
    """Coverage."""

    from_: date = msgspec.field(name="from")
    to: date
    complete: bool


class HotzoneDetail(msgspec.Struct, frozen=True):
    """DayDetail."""

    date: date
    country: str
    count: int
    baseline: float | None


class HotzoneResponse(msgspec.Struct, frozen=True, rename="camel"):
    """FraudHotzoneInfo."""

    anomaly_detected: bool | None
    anomaly_date: tuple[date, ...]
    coverage: Coverage
    risk_level: Risk | UnsetType = UNSET
    detail: tuple[HotzoneDetail, ...] | UnsetType = UNSET


HOTZONE_WORDING: dict[str, Problem] = {
    "fraudHotZone": (
        InvalidArgument,
        "fraudHotZone must be 1 to 50 of: a country (ISO 3166-1 alpha-2, or 001), + and up to 5 digits, list:NAME",
    ),
    "thresholdRatio": (InvalidArgument, "thresholdRatio must be a number above 1, and 100 at most"),
}
"""What is wrong with properties that the subscriptions have too."""
WORDING = Wording(
    missing={
        "lookBackDays": "lookBackDays must be specified",
        "fraudHotZone": "fraudHotZone must be specified",
    },
    invalid={
        **INVALID_NUMBER,
        "lookBackDays": (InvalidArgument, "lookBackDays must be a whole number of days"),
        **HOTZONE_WORDING,
    },
    limits={"lookBackDays": f"lookBackDays must be from 1 to {MOST_DAYS}"},
)
