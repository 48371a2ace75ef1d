"""Equipment checks a second by Diameter S13, and their times: the SIMs and devices of `eir`, asked by an MME."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from benchmarks import eir, growth, http_load, machine
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.southbound.s13 import checks, codec
from simwarden.southbound.s13.checks import APPLICATION, COMMAND, RESULT_CODE, SUCCESS
from simwarden.southbound.s13.codec import HEADER, REQUEST, TGPP, Avp, DiameterMessage
from simwarden.southbound.s13.link import CAPABILITIES

SETTING = "SIMWARDEN_S13_PORT"
CONNECTIONS = 8
"""A worker takes 16 of an element. On each one check at a time is on its way."""
PEER = (Avp(264, b"mme.example"), Avp(296, b"example"))
HELLO = codec.write(REQUEST, CAPABILITIES, 0, (1, 1), (*PEER, checks.application()))


class DiameterConnection(http_load.Connection):
    """Capabilities are exchanged first, which is not counted."""

    _opened = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.write(HELLO)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        while len(data) >= HEADER and len(data) >= (length := codec.read_head(data).length):
            found = DiameterMessage(codec.read_head(data), codec.read_avps(data[HEADER:length])).first(RESULT_CODE)
            self._buffer = data = data[length:]
            if self._opened:
                self.answered(0 if found is None else int.from_bytes(found.data, "big"))
            self._opened = True
        self._buffer = data


async def measure(world: Bench, port: int, sims: int, seconds: float, rounds: int) -> None:
    """At the rate that `eir` aims at, and as many as it can."""
    await eir.bind_all(world, sims, "s13", "mme")
    url = f"diameter://127.0.0.1:{port}"
    for moved, what in ((0.0, "repeated"), (0.01, "1 % in another device")):
        for _ in range(rounds):
            paced = await http_load.run(
                url,
                checks_of(sims, moved),
                seconds=seconds,
                connections=CONNECTIONS,
                rate=eir.RATE,
                protocol=DiameterConnection,
            )
            assert set(paced.statuses) == {SUCCESS}, paced.statuses
            print(
                f"Diameter S13 checks, {what}, {sims:,} bound SIMs, {paced.rate:,.0f}/s: "
                f"{machine.percentiles(paced.latencies)}; {paced.late} late",
                flush=True,
            )
    most = await http_load.run(
        url, checks_of(sims, 0.0), seconds=seconds, connections=CONNECTIONS, protocol=DiameterConnection
    )
    print(
        f"Diameter S13 checks, as many as it can: {most.rate:,.0f}/s: {machine.percentiles(most.latencies)}", flush=True
    )


def checks_of(sims: int, moved: float) -> Callable[[int], bytes]:
    """Of SIMs drawn at random, a share of them in another device than they are bound to."""
    chance = random.Random(5)

    def make(number: int) -> bytes:
        n = chance.randrange(sims)
        imei = growth.IMEI_BASE + n + (10**12 if moved and chance.random() < moved else 0)
        device = codec.group(checks.TERMINAL_INFORMATION, Avp(checks.IMEI, b"%d" % imei, TGPP), vendor=TGPP)
        named = Avp(checks.SESSION_ID, b"mme;1;%d" % number), Avp(checks.USER_NAME, b"%d" % (IMSI_BASE + n))
        return codec.write(REQUEST, COMMAND, APPLICATION, (number, 0), (*named, *PEER, device))

    return make
