"""Query parameters, and cursors: where the next page begins."""

from __future__ import annotations

import base64
import binascii
import zlib
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from simwarden.domain.identifiers import BUCKETS
from simwarden.northbound.kernel.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Collection

LIMIT = 100
MAX_LIMIT = 1000
"""Rows of a page."""
Bucket = Annotated[int, Meta(ge=0, lt=BUCKETS)]
Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]
RowId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Time = Annotated[datetime, Meta(tz=True)]
Text = Annotated[str, Meta(pattern=r"^[^\x00]*\Z")]
"""What cursors are made of: what they may hold, whoever wrote them."""


class Query:
    """The parameters of one request. Everything wrong with them is InvalidArgument, naming the parameter."""

    def __init__(self, text: str, known: Collection[str], of: str) -> None:
        """`known`: the filters that there are; `of`: the list, to which its cursors belong."""
        allowed = {*known, "cursor", "limit"}
        self._of = of
        try:
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=50)
        except ValueError as error:
            raise InvalidArgument("The query is not form-encoded UTF-8") from error
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in allowed:
                raise InvalidArgument(f"There is no parameter {name[:40]!r}; there are: {', '.join(sorted(allowed))}")
            if "\x00" in value:
                raise InvalidArgument(f"Invalid value: {name}")
            self._values.setdefault(name, []).append(value)

    def text(self, name: str, longest: int = 256) -> str | None:
        """A parameter that may be given once."""
        values = self._values.get(name, [])
        if len(values) > 1:
            raise InvalidArgument(f"{name} may be given once")
        if not values:
            return None
        if not values[0] or len(values[0]) > longest:
            raise InvalidArgument(f"Invalid value: {name}")
        return values[0]

    def texts(self, name: str) -> tuple[str, ...]:
        """A parameter that may be given several times."""
        return tuple(self._values.get(name, ()))

    def choice(self, name: str, of: Collection[str]) -> str | None:
        """A parameter with a few values."""
        value = self.text(name)
        if value is not None and value not in of:
            raise InvalidArgument(f"The value of {name} can only be {','.join(of)}")
        return value

    def time(self, name: str) -> datetime | None:
        """A time with its zone (RFC 3339)."""
        value = self.text(name)
        if value is None:
            return None
        try:
            found: datetime = msgspec.convert(value, datetime, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidArgument(f"{name} must be a time with its zone (RFC 3339)") from error
        if found.tzinfo is None:
            raise InvalidArgument(f"{name} must be a time with its zone (RFC 3339)")
        return found

    def day(self, name: str) -> date | None:
        """A day, as 2026-11-21."""
        value = self.text(name)
        try:
            return None if value is None else msgspec.convert(value, date)
        except msgspec.ValidationError as error:
            raise InvalidArgument(f"{name} must be a day, as 2026-11-21") from error

    @property
    def limit(self) -> int:
        """Rows of the page."""
        value = self.text("limit", 16)
        if value is None:
            return LIMIT
        if not (value.isascii() and value.isdigit()) or not 1 <= int(value) <= MAX_LIMIT:
            raise InvalidArgument(f"limit must be 1 to {MAX_LIMIT}")
        return int(value)

    def cursor(self, form: Any) -> Any:
        """Where the page begins, in this form; None for the first page.

        A cursor belongs to the list and the filters that it came from.
        """
        value = self.text("cursor", 2048)
        if value is None:
            return None
        try:
            mark, place = msgspec.json.decode(base64.urlsafe_b64decode(value.encode() + b"=="), type=tuple[int, Any])
            if mark != self._mark():
                raise InvalidArgument("cursor belongs to another list or other filters: begin again without it")
            return msgspec.convert(place, form)
        except (ValueError, RecursionError, binascii.Error) as error:
            raise InvalidArgument("cursor is none that this server made") from error

    def next(self, place: Any) -> str:
        """The cursor of the page that begins behind `place`."""
        return base64.urlsafe_b64encode(msgspec.json.encode((self._mark(), place))).rstrip(b"=").decode()

    def _mark(self) -> int:
        """Tells lists and filters apart."""
        filters = sorted((k, v) for k, values in self._values.items() if k not in ("cursor", "limit") for v in values)
        return zlib.crc32(f"{self._of} {filters}".encode())
