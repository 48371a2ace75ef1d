"""Ids of subscriptions: as they are stored, and as UUIDs, for documents that want those. Pure.

Stored is the bucket in which the subscription lives, as two hexadecimal digits, before the digits of a UUID that ends
with the bucket too: so the UUID alone says as much.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

_UUIDS = ("org.camaraproject.device-data-volume-subscriptions.",)
"""Beginnings of the event types whose document has UUIDs (RFC 9562) as ids of subscriptions; others take any text."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def made(bucket: int, unique: UUID) -> str:
    """An id as it is stored; the last octet of `unique` is given up."""
    return f"{bucket:02x}{unique.hex[:-2]}{bucket:02x}"


def told(kind: str, stored_id: str) -> str:
    """The id of a subscription to this type of CloudEvents, as its client sees it."""
    if not kind.startswith(_UUIDS):
        return stored_id
    digits = stored_id[2:]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def stored(id: str) -> str:  # noqa: A002
    """An id as it is stored, of either form; anything else as it is."""
    if not _UUID.fullmatch(id):
        return id
    digits = id.replace("-", "")
    return digits[-2:] + digits
