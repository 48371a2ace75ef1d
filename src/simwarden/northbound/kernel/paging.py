"""Lists in pages: `perPage` rows behind a `cursor`, and the next page in the header Link (RFC 8288). An extension."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from simwarden.northbound.kernel.errors import InvalidArgument

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""A place that is the number of a row."""


class Page(msgspec.Struct, frozen=True):
    """Which rows are wanted."""

    rows: int
    """How many at most."""
    after: Any
    """Where the page before ended; None for the first page."""

    def next(self, place: Any) -> list[tuple[bytes, bytes]]:
        """The header that leads to the page behind `place`: a reference relative to the list itself."""
        return [(b"link", f'<?perPage={self.rows}&cursor={cursor(place)}>; rel="next"'.encode())]


def cursor(place: Any) -> str:
    """What names a place in a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def read(query: str, most: int, form: Any) -> Page:
    """The page that a query string asks for: `most` rows unless it says fewer. Raises InvalidArgument.

    `form`: type of the place in a cursor. Other parameters are left alone.
    """
    try:
        given = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError as error:
        raise InvalidArgument("The query is not form-encoded UTF-8") from error
    for name in ("perPage", "cursor"):
        if sum(name == each for each, _ in given) > 1:
            raise InvalidArgument(f"{name} may be given once")
    values = dict(given)
    rows = values.get("perPage", str(most))
    if not (rows.isascii() and rows.isdecimal() and len(rows) <= 9 and 1 <= int(rows) <= most):
        raise InvalidArgument(f"perPage must be a whole number from 1 to {most}")
    return Page(int(rows), place(values["cursor"], form) if "cursor" in values else None)


def place(cursor: str, form: Any) -> Any:
    """The place that a cursor names, of a type. Raises InvalidArgument."""
    if len(cursor) > 512:
        raise InvalidArgument("cursor is none that this server made")
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor.encode() + b"=="), type=form)
    except (ValueError, RecursionError, binascii.Error) as error:
        raise InvalidArgument("cursor is none that this server made") from error
