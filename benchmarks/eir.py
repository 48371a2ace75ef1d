"""Equipment checks a second at the 5G-EIR, and their times: bound SIMs in their own devices, and some in others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Iterator

from benchmarks import bare, growth, http_load, machine
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.demo.processes import free_port
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.southbound.address_book import REFRESH
from simwarden.southbound.eir.codec import PATH
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

RATE = 3_000
AIM = f"p99 under 5 ms at {RATE:,}/s"
CONNECTIONS = 16
SETTING = "SIMWARDEN_EIR_PORT"


@contextlib.contextmanager
def listening(setting: str = SETTING) -> Iterator[int]:
    """The server that starts meanwhile answers checks; its port, which this setting gives it."""
    port = free_port()
    os.environ[setting] = str(port)
    try:
        yield port
    finally:
        del os.environ[setting]


async def bind_all(world: Bench, sims: int, kind: str, name: str) -> None:
    """So many SIMs, each bound to the device that it is in, and an element of this kind that asks for all of them."""
    await growth.fill(world, sims)
    async with world.database() as db:
        await db.execute(
            """update sim set state = 'LOCKED', binding = jsonb_build_object('kind', 'IMEI', 'learnt', 'EXPLICIT',
                   'values', jsonb_build_array(seen_imei), 'since', now(),
                   'policy', jsonb_build_object('on_mismatch', 'ENFORCE', 'unknown', 'ALLOW', 'resume', 'AUTO'))"""
        )
        await db.execute("vacuum analyze sim")
        vault = Vault(master_key(Settings(data_dir=str(world.directory / "data"))))
        given = {"kind": kind, "command_url": None, "username": None, "password": None}
        await Gateways(db, vault).add(name, **given, source_addresses=["127.0.0.1/32"])  # type: ignore[arg-type]
    await asyncio.sleep(REFRESH + 1)  # until every worker knows the element


async def measure(world: Bench, port: int, sims: int, seconds: float, rounds: int, beside: str) -> None:
    """At the rate of the aim: checks that repeat what is known, then with one of a hundred in another device; and as
    many as it can. `beside`: the URL of a bare server, whose times at the same rate are printed too."""
    await bind_all(world, sims, "eir", "amf")
    url = f"http://127.0.0.1:{port}"
    for moved, what in ((0.0, "repeated"), (0.01, "1 % in another device")):
        for _ in range(rounds):
            paced = await http_load.run(url, checks(sims, moved), seconds=seconds, connections=CONNECTIONS, rate=RATE)
            assert set(paced.statuses) == {200}, paced.statuses
            print(
                f"Equipment checks, {what}, {sims:,} bound SIMs, {paced.rate:,.0f}/s: "
                f"{machine.percentiles(paced.latencies)}; {paced.late} late; aim {AIM}; "
                + await bare.paced(beside, seconds, RATE, CONNECTIONS),
                flush=True,
            )
    most = await http_load.run(url, checks(sims, 0.0), seconds=seconds, connections=CONNECTIONS)
    print(f"Equipment checks, as many as it can: {most.rate:,.0f}/s: {machine.percentiles(most.latencies)}", flush=True)


def checks(sims: int, moved: float) -> Callable[[int], bytes]:
    """Of SIMs drawn at random, a share of them in another device than they are bound to."""
    chance = random.Random(5)

    def make(_number: int) -> bytes:
        n = chance.randrange(sims)
        imei = growth.IMEI_BASE + n + (10**12 if moved and chance.random() < moved else 0)
        query = f"pei=imeisv-{imei}01&supi=imsi-{IMSI_BASE + n}"
        return f"GET {PATH}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    return make
