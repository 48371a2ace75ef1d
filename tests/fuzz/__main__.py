"""`python -m tests.fuzz --ejoin 200000 --camara 50000 --tokens 20000 --files 5000 --gsup 1000000 --radius 1000000
--sbi 1000000 --s13 1000000`, as `make fuzz` does. What is not named gets no input.

Ends with 1 and the input that broke a promise, or with how many inputs were answered how.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import asyncpg
from tests.conftest import at_database
from tests.fuzz import radius, s13, sbi
from tests.fuzz.bench import Finding, bench
from tests.fuzz.camara import Camara
from tests.fuzz.ejoin import Ejoin
from tests.fuzz.files import Files, clean_environment
from tests.fuzz.gsup import Gsup
from tests.fuzz.tokens import Token

from simwarden.store import migrate
from simwarden.store.embedded import EmbeddedPostgres

CODECS = {"radius": radius.run, "sbi": sbi.run, "s13": s13.run}
DRIVERS: dict[str, type[Ejoin | Camara | Token]] = {"ejoin": Ejoin, "camara": Camara, "tokens": Token}


async def fresh(server: str, name: str) -> str:
    """The URL of a new, migrated database."""
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f"create database fuzz_{name}")
    finally:
        await connection.close()
    url = at_database(server, f"fuzz_{name}")
    await migrate.migrate(url)
    return url


async def run(name: str, url: str, directory: Path, seed: int, count: int) -> str:
    """One driver; returns how its inputs were answered. Raises Finding."""
    async with bench(url, directory) as made:
        driver = await DRIVERS[name].prepare(made, seed)
        await driver.run(count)
        return ", ".join(f"{status}: {times:,}" for status, times in sorted(made.statuses.items()))


def _gsup(count: int, seed: int) -> int:
    """Packets, which need no server; returns how many findings there were."""
    begun, packets = time.monotonic(), Gsup(seed)
    try:
        packets.run(count)
    except Finding as finding:
        print(f"gsup (seed {seed}) FOUND: {finding}")
        return 1
    print(f"gsup (seed {seed}): {count:,} packets in {time.monotonic() - begun:.0f} s, nothing found {packets.counts}")
    return 0


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--ejoin", type=int, default=0)
    parser.add_argument("--camara", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--radius", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sbi", type=int, default=0)
    parser.add_argument("--gsup", type=int, default=0)
    parser.add_argument("--s13", type=int, default=0)
    given = parser.parse_args()
    clean_environment()
    found = _gsup(given.gsup, given.seed) if given.gsup else 0
    for name, run_codec in CODECS.items():
        count = getattr(given, name)
        if not count:
            continue
        begun = time.monotonic()
        try:
            taken = ", ".join(f"{how}: {times:,}" for how, times in sorted(run_codec(count, given.seed).items()))
            print(f"{name} (seed {given.seed}): {count:,} in {time.monotonic() - begun:.0f} s; {taken}", flush=True)
        except Finding as finding:
            print(f"{name} (seed {given.seed}) FOUND: {finding}")
            found += 1
    with tempfile.TemporaryDirectory(prefix="simwarden-fuzz-") as name:
        server = EmbeddedPostgres(Path(name))
        server.acquire()
        try:
            for kind in (*DRIVERS, "files"):
                count = getattr(given, kind)
                if not count:
                    continue
                begun = time.monotonic()
                url = asyncio.run(fresh(server.url("postgres"), kind))
                try:
                    if kind == "files":
                        files = Files(url, Path(name), given.seed)
                        files.run(count)
                        answers = ", ".join(f"exit {code}: {times:,}" for code, times in sorted(files.codes.items()))
                    else:
                        answers = asyncio.run(run(kind, url, Path(name), given.seed, count))
                except Finding as finding:
                    print(f"{kind} (seed {given.seed}) FOUND: {finding}")
                    found += 1
                else:
                    seconds = time.monotonic() - begun
                    print(f"{kind} (seed {given.seed}): {count:,} inputs in {seconds:.0f} s, nothing found ({answers})")
                sys.stdout.flush()
        except KeyboardInterrupt:
            print("stopped")
            return 130
        finally:
            server.release()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
