"""Packets of a form that is known: taken apart at once, where `codec.decode` goes from attribute to attribute. No I/O.

A network access server sends packets of a few forms: the same attributes of the same lengths in the same order, again
and again. All octets that say so are compared with those of a packet of that form before its values are believed, so
what is read is what `codec.decode` would have read.
"""

from __future__ import annotations

import struct
from operator import itemgetter

from simwarden.southbound.radius.codec import HEADER, VENDOR_3GPP, VENDOR_SPECIFIC, Packet

MOST = 4096
"""Forms that are remembered."""


class PacketShape:
    """One form."""

    __slots__ = ("_form", "_layout", "_mask", "_types", "_values", "_vendor_types", "_vendor_values")

    def __init__(self, raw: bytes) -> None:
        """`raw`: a packet of this form, without padding, that `codec.decode` has taken apart."""
        layout = ["!BB2x16s"]
        mask = bytearray(len(raw))
        mask[2:4] = b"\xff\xff"
        found: tuple[dict[int, int], dict[int, int]] = {}, {}

        def head(at: int, octets: int) -> None:
            mask[at : at + octets] = b"\xff" * octets
            layout.append(f"{octets}x")

        def value(kind: int, type_: int, octets: int) -> None:
            """The first of each type counts, as in `codec.decode`."""
            if type_ in found[kind]:
                layout.append(f"{octets}x")
            else:
                found[kind][type_] = 3 + len(found[0]) + len(found[1])
                layout.append(f"{octets}s")

        at = HEADER
        while at < len(raw):
            size = raw[at + 1]
            if raw[at] != VENDOR_SPECIFIC:
                head(at, 2)
                value(0, raw[at], size - 2)
            else:
                head(at, 6)
                if int.from_bytes(raw[at + 2 : at + 6], "big") != VENDOR_3GPP:
                    layout.append(f"{size - 6}x")
                else:
                    inner = at + 6
                    while inner < at + size:
                        head(inner, 2)
                        value(1, raw[inner], raw[inner + 1] - 2)
                        inner += raw[inner + 1]
            at += size
        self._mask = int.from_bytes(mask, "big")
        self._form = int.from_bytes(raw, "big") & self._mask
        self._layout = struct.Struct("".join(layout))
        # Two more, as itemgetter of one alone gives no tuple; `zip` ends with the types.
        self._types, self._values = tuple(found[0]), itemgetter(*found[0].values(), 0, 0)
        self._vendor_types, self._vendor_values = tuple(found[1]), itemgetter(*found[1].values(), 0, 0)

    def read(self, data: bytes) -> Packet | None:
        """A packet as long as the first one; None: it has another form."""
        if int.from_bytes(data, "big") & self._mask != self._form:
            return None
        fields = self._layout.unpack(data)
        return Packet(
            fields[0],
            fields[1],
            fields[2],
            data,
            dict(zip(self._types, self._values(fields))),  # noqa: B905 - to name `strict` is a third of the time
            dict(zip(self._vendor_types, self._vendor_values(fields))),  # noqa: B905
        )


class PacketShapes:
    """The forms in which senders sent packets last, one of each length."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[tuple[int, int], PacketShape] = {}

    def read(self, sender: int, data: bytes) -> Packet | None:
        """A packet of a known form; None: it has to be taken apart by `codec.decode`."""
        shape = self._known.get((sender, len(data)))
        return None if shape is None else shape.read(data)

    def learn(self, sender: int, packet: Packet) -> None:
        """Remember the form of a packet, which is one that the sender has proved."""
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[sender, len(packet.raw)] = PacketShape(packet.raw)
