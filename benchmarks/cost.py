"""What the token check, the limits and the meter cost a `query`: processor time, in pairs, in one run.

Over HTTP: one server with one worker, whose query is there twice, once with all of it and once without. Both are called
in turns; what counts is the processor time of the server and of PostgreSQL.

Without HTTP: the same APIs on the same database, called in turns in this process. The share is that of the time in
Python, and the parts are shown one by one.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import http_load, machine
from simwarden import app as server_app
from simwarden import logs, northbound, telemetry
from simwarden import settings as settings_module
from simwarden.accounts.applications import issue, open_account, set_quota
from simwarden.accounts.keys import SigningKeys
from simwarden.accounts.tokens import Tokens
from simwarden.claim import Claim
from simwarden.container import Container
from simwarden.customers import Customers, delivery_settings
from simwarden.demo.processes import free_port
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine import imports, provision
from simwarden.engine.buckets import Buckets
from simwarden.kit.clock import now_utc
from simwarden.northbound.kernel.ports import no_meter
from simwarden.settings import Settings
from simwarden.settings import keys as settings_keys
from simwarden.store import call_limits, migrate
from simwarden.store.accounts import Accounts
from simwarden.store.call_limits import CallLimit
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.sims import Sims
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

    from simwarden.northbound.kernel.api import Api
    from simwarden.northbound.kernel.edge import Edge
    from simwarden.northbound.kernel.ports import TokenCheck, TokenHolder

ISSUER = "https://warden.example"
AT_ONCE = 48
TURN = 960
"""Calls in a turn."""
TURNS = 40
"""Turns of each kind."""
SIMS = 1000
API = "iot-sim-fraud-prevention"
PATH = f"/{API}/v0.1/query"
BODY = b'{"queryType":"IMEIBIND","device":{"phoneNumber":"+8690%010d"}}'


OFF: dict[str, dict[str, Any]] = {
    "limits": {"rates": None, "quota": None},
    "meter": {"meter": no_meter, "reads": None},
}
"""What an edge without these is made of; without token check: with `_Anybody`."""
HTTP_TURNS = 10
"""Turns of each kind over HTTP,"""
HTTP_SECONDS = 1.2
"""and how long each takes."""


class _Anybody:
    """Knows who calls without looking; who that is, it learns from the first call."""

    def __init__(self, tokens: TokenCheck, caller: TokenHolder | None = None) -> None:
        self._tokens = tokens
        self._caller = caller

    async def check(self, token: str) -> TokenHolder | None:
        if self._caller is None:
            self._caller = await self._tokens.check(token)
        return self._caller


def application() -> ASGIApp:
    """The server, with the API of `query` once more, without what is measured. Granian loads this."""

    class Measured(Container):
        def apis(self, *, administration: bool = True) -> dict[str, Api]:
            found = super().apis(administration=administration)
            full = self.customers.edge
            for name, edge in _kinds(full, _Anybody(full.tokens)).items():
                self.customers.edge = edge
                api = self.customers.apis()[API]
                api.name = _path_of(name)
                found[api.name] = api
            self.customers.edge = full
            return found

    vars(server_app)["Container"] = Measured
    settings, _ = settings_module.load()
    logs.configure_logs(settings)
    made = server_app.create(settings)
    server_app.spare_collector()
    return made


def _kinds(full: Edge, anybody: TokenCheck) -> dict[str, Edge]:
    off: dict[str, dict[str, Any]] = {"token": {"tokens": anybody}, **OFF}
    none = {name: value for each in off.values() for name, value in each.items()}
    kinds = {"all": full, "none": msgspec.structs.replace(full, **none)}
    return kinds | {f"without {name}": msgspec.structs.replace(full, **values) for name, values in off.items()}


def _path_of(kind: str) -> str:
    return API if kind == "all" else kind.replace(" ", "-")


async def _over_http(url: str, directory: str, token: str) -> None:
    port = free_port()
    environment = os.environ | {
        "SIMWARDEN_DATABASE_URL": url,
        "SIMWARDEN_DATA_DIR": directory,
        "SIMWARDEN_PORT": str(port),
        "SIMWARDEN_PUBLIC_URL": ISSUER,
        "SIMWARDEN_ACCESS_LOG": "off",
        "SIMWARDEN_CALLS_PER_SECOND": "1000000",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--loop", "uvloop", "--no-ws"),
        *("--log-level", "error", "--port", str(port), "benchmarks.cost:application"),
        env=environment,
    )
    try:
        await _compare_over_http(f"http://127.0.0.1:{port}", token, process.pid, Path(directory))
    finally:
        process.terminate()
        await process.wait()


async def _compare_over_http(url: str, token: str, server: int, directory: Path) -> None:
    requests = {}
    for name in ("all", "none", "without token", "without limits", "without meter"):
        where = url + PATH.replace(API, _path_of(name))
        headers = {"Authorization": f"Bearer {token}"}
        requests[name] = where, [http_load.request(where, BODY % n, headers) for n in range(SIMS)]
    taken: dict[str, list[float]] = {name: [] for name in requests}

    async def turn(name: str, seconds: float) -> float:
        """Microseconds of processor time of a call, in the server and PostgreSQL."""
        where, ready = requests[name]
        before = _processor_time(server, directory)
        result = await http_load.run(where, lambda n: ready[n % SIMS], seconds=seconds, connections=AT_ONCE)
        assert set(result.statuses) == {200}, result.statuses
        return (_processor_time(server, directory) - before) / len(result.latencies) * 1e6

    for _ in range(200):
        try:
            for name in requests:
                await turn(name, 0.3)
            break
        except (OSError, AssertionError):
            await asyncio.sleep(0.2)
    for number in range(HTTP_TURNS):
        for name in list(requests)[:: 1 if number % 2 else -1]:
            taken[name].append(await turn(name, HTTP_SECONDS))
    _print("query over HTTP (server and PostgreSQL; aim: under 10 %)", taken)


def _processor_time(server: int, directory: Path) -> float:
    postmaster = EmbeddedPostgres(directory).process_id()
    assert postmaster is not None
    return machine.cpu_of(server, postmaster)


async def _call(app: ASGIApp, headers: list[tuple[bytes, bytes]], number: int) -> None:
    status = 0
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers, "query_string": b""}

    async def receive() -> Message:
        return {"type": "http.request", "body": BODY % number, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    assert status == 200, status


async def _turn(app: ASGIApp, headers: list[tuple[bytes, bytes]]) -> float:
    """Microseconds of processor time a call."""

    async def some(first: int) -> None:
        for number in range(first, TURN, AT_ONCE):
            await _call(app, headers, number % SIMS)

    begun = time.process_time()
    await asyncio.gather(*(some(first) for first in range(AT_ONCE)))
    return (time.process_time() - begun) / TURN * 1e6


async def measure() -> None:
    """Print the cost with the default limits, and with limits and quotas of the application's own."""
    with tempfile.TemporaryDirectory(prefix="simwarden-bench-") as directory:
        server = EmbeddedPostgres(Path(directory))
        try:
            url = server.acquire()
            token = await _measure(url, directory)
            await _over_http(url, directory, token)
        finally:
            server.release()


async def _measure(url: str, directory: str) -> str:
    await migrate.migrate(url)
    db = await Database.connect(url, size=6)
    settings = Settings(data_dir=directory, calls_per_second=1_000_000)
    vault, accounts = Vault(settings_keys.master_key(settings)), Accounts(db)
    account = await open_account(accounts, "bench")
    made = await issue(accounts, "bench", "bench")
    rows = [
        provision.NewSim(n, provision.new_sim(account.id, imsi=str(460000990000000 + n), msisdn=f"+8690{n:010}"))
        for n in range(SIMS)
    ]
    cause = Cause(CauseKind.OPERATOR, "benchmark", now_utc())
    await imports.import_rows(db, rows, account.id, imports.Way(cause))
    tokens = Tokens(accounts, SigningKeys(accounts, vault), issuer=ISSUER)
    token = await tokens.issue(made.application, made.application.scopes)
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    caller = await tokens.check(token)
    assert caller is not None
    metrics = telemetry.Metrics()
    customers = Customers(
        settings,
        db,
        vault,
        tokens=tokens,
        accounts=accounts,
        sims=Sims(db),
        delivering=delivery_settings(settings),
        meter=metrics.answered,
        committed=lambda _outcome: None,
        accepted=lambda: None,
        refused=lambda _limit: None,
        limited=lambda _limit: None,
        worker=Claim("bench", ()),
        buckets=(buckets := Buckets(db, "bench")),
        carriers=[],
        centres=[],
        driver_for=lambda _access: None,  # type: ignore[arg-type,return-value]
    )
    edge = customers.edge
    kinds = _kinds(edge, _Anybody(tokens, caller))
    customers.reads.start()
    try:
        await _compare("default limits", {name: _app(customers, each) for name, each in kinds.items()}, headers)
        await call_limits.change(
            db, account.id, CallLimit(app_key=caller.app_key, rate=1e6, burst=10**7, monthly=10**12)
        )
        await set_quota(accounts, caller.app_key, 10**12)
        for forget in (customers.rates.invalidate, tokens.invalidate):
            forget("")
        customers.quotas.start()
        own = {name: _app(customers, kinds[name]) for name in ("all", "none", "without limits")}
        await _compare("a rate and two quotas of its own", own, headers)
        await customers.quotas.stop()
    finally:
        await customers.reads.stop()
        await buckets.stop()
        await call_limits.remove(db, account.id, CallLimit(app_key=caller.app_key))
        await set_quota(accounts, caller.app_key, None)
        await db.close()
    return token


def _app(customers: Customers, edge: Edge) -> ASGIApp:
    async def nowhere(*_: object) -> None:
        raise AssertionError("an API takes every call")

    customers.edge = edge
    return northbound.ApisFirst(nowhere, customers.apis())


async def _compare(title: str, apps: dict[str, ASGIApp], headers: list[tuple[bytes, bytes]]) -> None:
    for app in apps.values():
        await _turn(app, headers)
    taken: dict[str, list[float]] = {name: [] for name in apps}
    for turn in range(TURNS):
        for name in list(apps)[:: 1 if turn % 2 else -1]:
            taken[name].append(await _turn(apps[name], headers))
    _print(f"query, {title}", taken)


def _print(title: str, taken: dict[str, list[float]]) -> None:
    whole = statistics.median(taken["all"])
    shares = []
    for name in taken:
        if name != "all":
            saved = [a - b for a, b in zip(taken["all"], taken[name], strict=True)]
            share = statistics.median(s / a for s, a in zip(saved, taken["all"], strict=True))
            what = "token, limits and meter" if name == "none" else name.removeprefix("without ")
            shares.append(f"{what} {statistics.median(saved):.1f} us ({share:.1%})")
    print(f"{title}: {whole:.0f} us of processor time; of these {', '.join(shares)}", flush=True)
