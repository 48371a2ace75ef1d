"""GSUP frames, mutated: every one is read, refused or left alone, and no octet is lost."""

from __future__ import annotations

import random

from tests.fuzz.bench import Finding

from simwarden.southbound.osmo_hlr import gsup
from simwarden.southbound.osmo_hlr.gsup import ElementTag, FrameCutter, MessageType, NotGsup

IMSI = "460000990123698"


def samples() -> list[bytes]:
    """What peers really send."""
    imei = b"\x07" + gsup.bcd("35368953070790")
    return [
        gsup.encode(MessageType.CHECK_IMEI_REQUEST, IMSI, (ElementTag.IMEI, imei)),
        gsup.encode(MessageType.UPDATE_LOCATION_REQUEST, IMSI, (ElementTag.CN_DOMAIN, b"\x02")),
        gsup.encode(MessageType.LOCATION_CANCEL_RESULT, IMSI),
        gsup.encode(MessageType.UPDATE_LOCATION_ERROR, IMSI, (ElementTag.CAUSE, b"\x07")),
        gsup.identity("MSC-1"),
        gsup.link(0),
    ]


class Gsup:
    """`counts`: frames that were read, and streams that were refused."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._samples = samples()
        self.counts = {"read": 0, "messages": 0, "refused": 0}

    def run(self, count: int) -> None:
        """So many packets. Raises Finding with the packet that broke a promise."""
        for _ in range(count):
            data = self._packet()
            try:
                self._try(data)
            except Exception as error:
                raise Finding(f"{data.hex()}: {error!r}") from error

    def _packet(self) -> bytes:
        data = bytearray(self._random.choice(self._samples))
        for _ in range(self._random.randrange(4)):
            at = self._random.randrange(len(data) + 1)
            match self._random.randrange(4):
                case 0:
                    data[at:at] = self._random.randbytes(self._random.randrange(8))
                case 1:
                    del data[at : at + self._random.randrange(8)]
                case 2 if at < len(data):
                    data[at] ^= 1 << self._random.randrange(8)
                case _:
                    data += self._random.choice(self._samples)
        return bytes(data)

    def _try(self, data: bytes) -> None:
        cutter = FrameCutter()
        try:
            frames = cutter.feed(data)
        except NotGsup:
            self.counts["refused"] += 1
            return
        passed = b"".join(frame.raw for frame in frames)
        if not data.startswith(passed) or len(data) - len(passed) != cutter.waiting:
            raise AssertionError("octets are lost")
        for frame in frames:
            self.counts["read"] += 1
            gsup.name_of(frame)
            try:
                message = gsup.decode(frame.payload)
            except NotGsup:
                self.counts["refused"] += 1
                continue
            self.counts["messages"] += 1
            imei, imsi = message.imei, message.imsi
            if imei is not None and not (imei.isdecimal() and len(imei) == 14):
                raise AssertionError(f"{imei!r} is no IMEI")
            if imsi is not None and not (imsi.isdecimal() and 6 <= len(imsi) <= 15):
                raise AssertionError(f"{imsi!r} is no IMSI")
