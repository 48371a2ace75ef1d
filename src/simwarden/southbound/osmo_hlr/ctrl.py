"""The control interface of osmo-hlr (TCP 4259): frames of text, `GET <id> <variable>` and its reply."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import msgspec

from simwarden.domain.sim import Function
from simwarden.southbound.osmo_hlr.vty import CIRCUIT, PACKET
from simwarden.southbound.osmo_hlr.wire import NotUnderstood, connected
from simwarden.southbound.streams import write

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from simwarden.southbound.osmo_hlr.address import HlrAddress

_IPA_OSMO, _EXTENSION_CTRL = 0xEE, 0x00
_HEADER = struct.Struct("!HB")
_MOST = 8192
"""Octets of one frame."""
_REPLY = re.compile(r"(GET_REPLY|ERROR) (\d{1,9}) (.*)", re.DOTALL)


class SubscriberAccess(msgspec.Struct, frozen=True):
    """Where a subscriber may register, and where it is registered."""

    off: Function
    vlr: str | None
    sgsn: str | None


def encode(text: str) -> bytes:
    """One frame."""
    payload = bytes([_EXTENSION_CTRL]) + text.encode()
    return _HEADER.pack(len(payload), _IPA_OSMO) + payload


def read_reply(text: str) -> tuple[int, str | None]:
    """Number of the request and the value of its variable; None: an error. Raises NotUnderstood."""
    found = _REPLY.fullmatch(text)
    if found is None:
        raise NotUnderstood(f"{text[:80]!r} is no reply")
    if found[1] == "ERROR":
        return int(found[2]), None
    return int(found[2]), found[3].partition(" ")[2]


def read_info(value: str, imsi: str) -> SubscriberAccess:
    """The value of `subscriber.by-imsi-X.info`. Raises NotUnderstood."""
    values = dict(line.split("\t", 1) for line in value.splitlines() if "\t" in line)
    modes = values.get("nam_cs"), values.get("nam_ps")
    if values.get("imsi") != imsi or not {*modes} <= {"0", "1"}:
        raise NotUnderstood(f"no network access mode of {imsi} in {value[:80]!r}")
    off = (CIRCUIT if modes[0] == "0" else Function(0)) | (PACKET if modes[1] == "0" else Function(0))
    return SubscriberAccess(
        off, values.get("vlr_number", "")[:100] or None, values.get("sgsn_number", "")[:100] or None
    )


async def accesses(address: HlrAddress, imsis: Sequence[str], *, seconds: float) -> dict[str, SubscriberAccess]:
    """Of subscribers; those that the HLR does not have are missing. Raises CommandFailed."""
    found: dict[str, SubscriberAccess] = {}
    async with connected(address.host, address.ctrl, "control interface", seconds) as (reader, writer):
        write(writer, b"".join(encode(f"GET {n} subscriber.by-imsi-{imsi}.info") for n, imsi in enumerate(imsis, 1)))
        await writer.drain()
        waiting = dict(enumerate(imsis, 1))
        while waiting:
            text = await _frame(reader)
            if text is None:
                continue
            number, value = read_reply(text)
            imsi = waiting.pop(number, None)
            if imsi is None:
                raise NotUnderstood(f"a reply to request {number}, which was not made")
            if value is not None:
                found[imsi] = read_info(value, imsi)
    return found


async def _frame(reader: asyncio.StreamReader) -> str | None:
    """The text of the next frame; None for one of another protocol (keep-alive)."""
    length, protocol = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if length > _MOST:
        raise NotUnderstood(f"a frame of {length} octets")
    payload = await reader.readexactly(length)
    if protocol != _IPA_OSMO or payload[:1] != bytes([_EXTENSION_CTRL]):
        return None
    return payload[1:].decode("ascii", "replace")
