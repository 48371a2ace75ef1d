"""What codes in records mean, where the gateway gives no words with them, and times as message centres write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TASK_CODES: Mapping[int, str] = MappingProxyType(
    dict(
        enumerate(
            (
                *("OK", "Invalid User", "Invalid Port", "USSD Expected", "Pending USSD", "SIM Unregistered", "Timeout"),
                *("Server Error", "SMS Expected", "TO Expected", "Pending Transaction", "TID Expected"),
                *("FROM Expected", "Duplicated TaskId", "Unauthorized", "Invalid CMD", "Too Many Task"),
                *("MMS Title Expected", "Too Many MMS Attachments", "MMS Attachments Expected"),
                "MMS attachment cache over limit",
            )
        )
    )
)
"""Of sent messages and sending tasks, as the vendor's HTTP specification has them."""

DELIVERY_CODES: Mapping[int, str] = MappingProxyType(
    {
        0: "Delivered",
        1: "Forwarded, delivery cannot be confirmed",
        2: "Replaced by the message centre",
        32: "Congestion, still trying",
        33: "Receiver busy, still trying",
        34: "No response from the receiver, still trying",
        35: "Service rejected, still trying",
        36: "Quality of service not available, still trying",
        37: "Error at the receiver, still trying",
        64: "Remote procedure error",
        65: "Incompatible destination",
        66: "Connection rejected by the receiver",
        67: "Not obtainable",
        68: "Quality of service not available",
        69: "No interworking available",
        70: "Validity period expired",
        71: "Deleted by the sender",
        72: "Deleted by the message centre",
        73: "The message does not exist",
        96: "Congestion, given up",
        97: "Receiver busy, given up",
        98: "No response from the receiver, given up",
        99: "Service rejected, given up",
        100: "Quality of service not available, given up",
        101: "Error at the receiver, given up",
    }
)
"""Of delivery reports: TP-Status of 3GPP TS 23.040 clause 9.2.3.15. The vendor calls all but 0 "module-dependent";
modules hand the network's value on (inferred)."""

CALL_CAUSES: Mapping[int, str] = MappingProxyType(
    {
        1: "Unassigned number",
        3: "No route to destination",
        6: "Channel unacceptable",
        8: "Operator determined barring",
        16: "Normal call clearing",
        17: "User busy",
        18: "No user responding",
        19: "User alerting, no answer",
        21: "Call rejected",
        22: "Number changed",
        25: "Pre-emption",
        26: "Non selected user clearing",
        27: "Destination out of order",
        28: "Invalid number format",
        29: "Facility rejected",
        30: "Response to STATUS ENQUIRY",
        31: "Normal, unspecified",
        34: "No circuit or channel available",
        38: "Network out of order",
        41: "Temporary failure",
        42: "Switching equipment congestion",
        43: "Access information discarded",
        44: "Requested circuit or channel not available",
        47: "Resources unavailable, unspecified",
        49: "Quality of service unavailable",
        50: "Requested facility not subscribed",
        55: "Incoming calls barred within the CUG",
        57: "Bearer capability not authorized",
        58: "Bearer capability not presently available",
        63: "Service or option not available, unspecified",
        65: "Bearer service not implemented",
        68: "ACM equal to or greater than ACMmax",
        69: "Requested facility not implemented",
        70: "Only restricted digital information bearer capability is available",
        79: "Service or option not implemented, unspecified",
        81: "Invalid transaction identifier value",
        87: "User not member of CUG",
        88: "Incompatible destination",
        91: "Invalid transit network selection",
        95: "Semantically incorrect message",
        96: "Invalid mandatory information",
        97: "Message type non-existent or not implemented",
        98: "Message type not compatible with protocol state",
        99: "Information element non-existent or not implemented",
        100: "Conditional information element error",
        101: "Message not compatible with protocol state",
        102: "Recovery on timer expiry",
        111: "Protocol error, unspecified",
        127: "Interworking, unspecified",
    }
)
"""Of the module: cause values of 3GPP TS 24.008 table 10.5.123 (inferred)."""

_STAMP = re.compile(r"([0-9]{12})(-?[0-9A-Fa-f]{2})?")
_QUARTER = timedelta(minutes=15)
_FARTHEST = 56
"""Quarter hours from UTC: 14 hours."""


def centre_time(text: str | None, at: int | None) -> datetime | None:
    """A time stamp of a message centre, `yymmddHHMMSS` and the zone in quarter hours; None when it is none.

    Gateways write the zone as the network sends it (semi-octets in the other order), as a decimal or a hexadecimal
    number, and do not say which: the one nearest to when the gateway took the message (`at`, epoch seconds) counts.
    """
    match = _STAMP.fullmatch((text or "").strip())
    if match is None or at is None:
        return None
    try:
        local = datetime.strptime(match[1], "%y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    times = [local - quarters * _QUARTER for quarters in _zones(match[2]) if abs(quarters) <= _FARTHEST]
    return min(times, key=lambda time: abs(time.timestamp() - at), default=None)


def _zones(tail: str | None) -> Iterator[int]:
    if tail is None:
        yield 0
        return
    digits, sign = tail.removeprefix("-"), -1 if tail.startswith("-") else 1
    first, second = (int(digit, 16) for digit in digits)
    if first <= 9:  # the tens stand in the second semi-octet, whose highest bit is the sign
        yield ((second & 7) * 10 + first) * (-1 if second & 8 else 1)
    if digits.isdecimal():
        yield sign * int(digits)
    yield sign * int(digits, 16)
