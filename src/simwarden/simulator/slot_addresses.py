"""Ports and slots as the vendor writes them: `1.02`, `2B`, `4-32`, `1.02-32.08`, `all` (HTTP API 2.x and 3.x)."""

from __future__ import annotations

import re
from typing import NamedTuple

from simwarden.simulator.errors import InvalidRequest

_PLACE = re.compile(r"(?P<port>\d{1,4})(?:\.(?P<slot>\d{1,3})|(?P<letter>[A-Za-z]))?", re.ASCII)


class SlotAddress(NamedTuple):
    """One SIM slot of one port, both counted from 1."""

    port: int
    slot: int

    def __str__(self) -> str:
        return f"{self.port}.{self.slot:02d}"

    @property
    def as_number(self) -> float:
        """The form of API v3, where port 1 slot 10 is the number 1.1."""
        return float(str(self))


def parse_place(text: str) -> SlotAddress:
    """Read exactly one slot, `1.02` or `1B`."""
    port, slot = _read(text.strip())
    if slot is None:
        raise InvalidRequest(f"{text!r} names a port without a slot; write it like 1.02")
    return SlotAddress(port, slot)


def parse_pattern(pattern: str, *, ports: int, slots: int) -> list[SlotAddress]:
    """Every slot that `pattern` names on a device of `ports` x `slots`, each once, in order.

    A port without a slot means all its slots (API 2.x, lock); a range with slots runs through all slots between its
    ends. Raises InvalidRequest, naming the part, for what the device does not have.
    """
    found: dict[SlotAddress, None] = {}
    first: tuple[int, int | None]
    last: tuple[int, int | None]
    for part in (piece.strip() for piece in pattern.split(",")):
        if part in {"all", "*"}:
            first, last = (1, None), (ports, None)
        elif "-" in part:
            left, _, right = part.partition("-")
            first, last = _read(left.strip()), _read(right.strip())
        else:
            first = last = _read(part)
        low = SlotAddress(first[0], 1 if first[1] is None else first[1])
        high = SlotAddress(last[0], slots if last[1] is None else last[1])
        if low > high or not (_exists(low, ports, slots) and _exists(high, ports, slots)):
            raise InvalidRequest(f"{part!r} is not on a device of {ports} ports x {slots} slots")
        for port in range(low.port, high.port + 1):
            for slot in range(1, slots + 1):
                if low <= (port, slot) <= high:
                    found[SlotAddress(port, slot)] = None
    return list(found)


def _exists(place: SlotAddress, ports: int, slots: int) -> bool:
    return 1 <= place.port <= ports and 1 <= place.slot <= slots


def _read(text: str) -> tuple[int, int | None]:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"{text!r} is not a port or slot; write 3, 3.02, 3B, 1-4 or all")
    slot = int(match["slot"]) if match["slot"] else None
    if match["letter"]:
        slot = ord(match["letter"].upper()) - ord("A") + 1
    return int(match["port"]), slot
