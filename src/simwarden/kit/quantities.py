"""Types of settings: numbers within their bounds, with what they count."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

Port: TypeAlias = Annotated[int, Meta(ge=0, le=65535)]
NotNegative: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=1_000_000)]
Days: TypeAlias = Annotated[int, Meta(ge=1, le=36_500)]
Hours: TypeAlias = Annotated[float, Meta(gt=0, le=8_760)]
