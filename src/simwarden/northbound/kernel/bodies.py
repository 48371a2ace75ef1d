"""Reading JSON bodies into structs, and saying what is wrong with them in the words of the API's document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

import msgspec

from simwarden.domain.errors import SimwardenError
from simwarden.northbound.kernel.errors import InvalidArgument, OutOfRange

if TYPE_CHECKING:
    from collections.abc import Mapping


T = TypeVar("T")
Problem = tuple[type[SimwardenError], str | None]
"""Which error to answer with, and its message (None: the error's own)."""
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `")
_LIMIT = re.compile(r"Expected `int` [<>]=? ")
_PATH = re.compile(r" - at (?:`|key in `)([^`]+)`$")
_INDEX = re.compile(r"\[[^\]]*\]")

NO_DEVICE = "At least one of phoneNumber, networkAccessIdentifier, ipv4Address and ipv6Address must be specified"


class Wording(msgspec.Struct, frozen=True):
    """The API's own texts for what may be wrong. Paths are written `device.phoneNumber`."""

    missing: Mapping[str, str] = {}
    """Message by the path of a required property that is not there."""
    invalid: Mapping[str, Problem] = {}
    """Error by the path of a property whose value is wrong; it counts for everything below the path too."""
    limits: Mapping[str, str] = {}
    """Message by the path of a number that lies outside its range: 400 OUT_OF_RANGE."""


def device_wording(prefix: str = "device") -> dict[str, Problem]:
    """The texts for a device object at `prefix`, as all documents on Commonalities 0.6 word them."""
    return {
        prefix: (InvalidArgument, NO_DEVICE),
        f"{prefix}.phoneNumber": (InvalidArgument, "Invalid format: phoneNumber"),
        f"{prefix}.networkAccessIdentifier": (InvalidArgument, "Invalid format: networkAccessIdentifier"),
        f"{prefix}.ipv4Address": (InvalidArgument, "Invalid format: ipv4Address"),
        f"{prefix}.ipv4Address.publicPort": (InvalidArgument, "Invalid value: ipv4Address.publicPort"),
        f"{prefix}.ipv6Address": (InvalidArgument, "Invalid format: ipv6Address"),
    }


def decode(decoder: msgspec.json.Decoder[T], body: bytes, wording: Wording) -> T:
    """The request in `body`. Raises SimwardenError (400)."""
    if not body:
        raise InvalidArgument("The request body must be specified")
    try:
        body.decode(
            "utf-8"
        )  # also where the decoder does not look: in properties that are ignored (RFC 8259 clause 8.1)
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _worded(str(error), wording) from error
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, nested without end
        raise InvalidArgument from error


def _worded(text: str, wording: Wording) -> SimwardenError:
    """Turn msgspec's text, which ends with a JSONPath, into the API's own error."""
    at = _PATH.search(text)
    path = _INDEX.sub("", at[1]).removeprefix("$").removeprefix(".") if at else ""
    missing = _MISSING.match(text)
    if missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
        return InvalidArgument(wording.missing.get(path, f"{path} must be specified"))
    if _UNKNOWN.match(text):
        return InvalidArgument(text)
    if path in wording.limits and _LIMIT.match(text):
        return OutOfRange(wording.limits[path])
    while path:
        if path in wording.invalid:
            kind, message = wording.invalid[path]
            return kind(message)
        path = path.rpartition(".")[0]
    return InvalidArgument(text)
