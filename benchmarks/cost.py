"""What the token check, the limits and the meter cost a `query`: processor time of the process, in pairs, in one run.

Without HTTP server: the same APIs on the same database are called in turns, once with all of it and once without. The
share is that of the time in Python, to which a server and its client come in reality.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from simwarden import northbound, telemetry
from simwarden.accounts.applications import issue, open_account, set_quota
from simwarden.accounts.keys import SigningKeys
from simwarden.accounts.tokens import Tokens
from simwarden.claim import Claim
from simwarden.customers import Customers, delivery_settings
from simwarden.domain.events import Cause, CauseKind
from simwarden.engine import imports, provision
from simwarden.kit.clock import now_utc
from simwarden.northbound.kernel.ports import no_meter
from simwarden.settings import Settings
from simwarden.store import call_limits, migrate
from simwarden.store.accounts import Accounts
from simwarden.store.call_limits import CallLimit
from simwarden.store.database import Database
from simwarden.store.embedded import EmbeddedPostgres
from simwarden.store.sims import Sims
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message

    from simwarden.northbound.kernel.edge import Edge
    from simwarden.northbound.kernel.ports import TokenHolder

AT_ONCE = 48
TURN = 960
"""Calls in a turn."""
TURNS = 40
"""Turns of each kind."""
SIMS = 1000
PATH = "/iot-sim-fraud-prevention/v0.1/query"
BODY = b'{"queryType":"IMEIBIND","device":{"phoneNumber":"+8690%010d"}}'


class _Anybody:
    """Knows who calls without looking."""

    def __init__(self, caller: TokenHolder) -> None:
        self._caller = caller

    async def check(self, _token: str) -> TokenHolder:
        return self._caller


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
            await _measure(server.acquire(), directory)
        finally:
            server.release()


async def _measure(url: str, directory: str) -> None:
    await migrate.migrate(url)
    db = await Database.connect(url, size=6)
    vault, accounts = Vault(bytes(32)), Accounts(db)
    account = await open_account(accounts, "bench")
    made = await issue(accounts, "bench", "bench")
    rows = [
        provision.NewSim(n, provision.new_sim(account.id, imsi=str(460000990000000 + n), msisdn=f"+8690{n:010}"))
        for n in range(SIMS)
    ]
    cause = Cause(CauseKind.OPERATOR, "benchmark", now_utc())
    await imports.import_rows(db, rows, account.id, imports.Way(cause))
    tokens = Tokens(accounts, SigningKeys(accounts, vault), issuer="https://warden.example")
    token = await tokens.issue(made.application, made.application.scopes)
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    caller = await tokens.check(token)
    assert caller is not None
    settings = Settings(data_dir=directory, calls_per_second=1_000_000)
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
        carriers=[],
        centres=[],
        driver_for=lambda _access: None,  # type: ignore[arg-type,return-value]
    )
    edge = customers.edge
    off: dict[str, Any] = {
        "token": {"tokens": _Anybody(caller)},
        "limits": {"rates": None, "quota": None},
        "meter": {"meter": no_meter, "reads": None},
    }
    nothing = {name: value for each in off.values() for name, value in each.items()}
    kinds = {"all": edge, "none": msgspec.structs.replace(edge, **nothing)}
    kinds |= {f"without {name}": msgspec.structs.replace(edge, **values) for name, values in off.items()}
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
        await customers.rates.stop()
        await db.close()


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
    whole = statistics.median(taken["all"])
    shares = []
    for name in apps:
        if name != "all":
            saved = [a - b for a, b in zip(taken["all"], taken[name], strict=True)]
            share = statistics.median(s / a for s, a in zip(saved, taken["all"], strict=True))
            what = "token, limits and meter" if name == "none" else name.removeprefix("without ")
            shares.append(f"{what} {statistics.median(saved):.1f} us ({share:.1%})")
    print(f"query, {title}: {whole:.0f} us of processor time; of these {', '.join(shares)}", flush=True)
