"""The usual way, measured in the same run: a naive twin of the query endpoint, and PyHSS's way of checking."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import random
import socket
import time
from pathlib import Path

import asyncpg

from benchmarks import http_load, machine
from benchmarks.peers import pyhss_check
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.domain.identifiers import bucket_of
from simwarden.store.embedded import EmbeddedPostgres

UVICORN = Path(__file__).parent.parent / ".venv-bench" / "bin" / "uvicorn"


async def naive_query(world: Bench, sims: int, seconds: float, ours: float) -> None:
    """FastAPI, pydantic, SQLAlchemy, one query a request, on one worker, on the same database."""
    if not UVICORN.exists():
        print("Naive twin of query: skipped, `make bench` installs what it needs")
        return
    secret = "for-the-naive-twin-of-the-benchmark-only"
    async with world.database() as db:
        account = await db.fetchval("select id from account where name = 'bench'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = EmbeddedPostgres(world.directory / "data").url().replace("postgresql://", "postgresql+asyncpg://")
    process = await asyncio.create_subprocess_exec(
        *(str(UVICORN), "naive_query:app", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
        cwd=Path(__file__).parent / "peers",
        env={**os.environ, "TWIN_SECRET": secret, "TWIN_DATABASE_URL": database},
    )
    try:
        url = f"http://127.0.0.1:{port}/query"
        await _listening(port)
        headers = {"Authorization": f"Bearer {_token({'account': account, 'exp': int(time.time()) + 3600}, secret)}"}
        ready = [
            http_load.request(
                url,
                json.dumps({"device": {"phoneNumber": f"+8690{n:010}"}, "queryType": "IMEIBIND"}).encode(),
                headers,
            )
            for n in range(min(sims, 20_000))
        ]
        await http_load.run(url, lambda n: ready[n % len(ready)], seconds=2, connections=16)
        result = await http_load.run(url, lambda n: ready[n % len(ready)], seconds=seconds, connections=48)
        assert set(result.statuses) == {200}, result.statuses
        print(
            f"Naive twin of query (FastAPI, pydantic, SQLAlchemy): {result.rate:,.0f} requests/s, "
            f"{machine.percentiles(result.latencies)}; ours is {ours / result.rate:.1f} times that"
        )
    finally:
        process.terminate()
        await process.wait()


async def pyhss(world: Bench, sims: int, seconds: float) -> None:
    """One SQL per check and rules in Python, against our set-based check of a batch, on the same database."""
    connection = await asyncpg.connect(EmbeddedPostgres(world.directory / "data").url())
    try:
        await pyhss_check.prepare(connection, min(sims, 100_000), 200)
        known = await pyhss_check.rate(connection, seconds, missing=False)
        missed = await pyhss_check.rate(connection, seconds, missing=True)
        ours = await _set_based(connection, sims, seconds)
        print(
            f"Is this SIM in its device? PyHSS's way, in process: {known:,.0f} checks/s for a known pair, "
            f"{missed:,.0f} for another device (200 patterns); ours, random SIMs in batches of 1,000: "
            f"{ours:,.0f} checks/s, {ours / known:.0f} and {ours / missed:.0f} times that"
        )
    finally:
        await connection.close()


async def _set_based(connection: asyncpg.Connection, sims: int, seconds: float) -> float:
    chance = random.Random(1)
    batches = []
    for _ in range(100):
        imsis = [str(IMSI_BASE + chance.randrange(sims)) for _ in range(1000)]
        batches.append(([bucket_of(imsi) for imsi in imsis], imsis, ["35000000000001"] * 1000))
    statement = await connection.prepare(
        "select i.imsi from unnest($1::smallint[], $2::text[], $3::text[]) as i (bucket, imsi, imei) "
        "join sim s on s.bucket = i.bucket and s.imsi = i.imsi where s.seen_imei = i.imei"
    )
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        await statement.fetch(*batches[done // 1000 % len(batches)])
        done += 1000
    return done / (time.perf_counter() - began)


async def _listening(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await asyncio.sleep(0.05)
    raise RuntimeError("The naive twin does not listen")


def _token(claims: dict[str, object], secret: str) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
