"""Pages of the console on a large register: how long the server takes for each.

The register is of SQL (`growth`), with all that a list can be narrowed by: two in five SIMs bound, one in a thousand in
another device, some of each state of life, one in fifty with a function closed by the customer, few with rare bars,
a thousand sites as tags. Pages are asked for one after the other by one person, over a kept connection: each page in
turn, so that a busy moment of the machine is not one page's.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from benchmarks import growth
from benchmarks.setup import IMSI_BASE
from simwarden.accounts.logins import Logins
from simwarden.accounts.roles import Role
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.people import People
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from benchmarks.setup import Bench

AIM = 100.0
"""Milliseconds."""
_BINDING = """jsonb_build_object('kind', 'IMEI', 'values', jsonb_build_array({imei}), 'learnt', 'EXPLICIT',
    'since', '2026-03-01T12:00:00Z', 'policy',
    jsonb_build_object('on_mismatch', 'ENFORCE', 'unknown', 'ALLOW', 'resume', 'AUTO'))"""
_BARS = """'[{{"cause": "{cause}", "functions": {functions}, "since": "2026-03-01T12:00:00Z", "event": 1}}]'"""
_CHANGES = (
    ("n % 5 < 2", f"state = 'LOCKED', binding = {_BINDING.format(imei='seen_imei')}"),
    (
        "n % 1000 = 7",
        f"state = 'DIFFERED', binding = {_BINDING.format(imei=repr('35368953070790'))}, functions_off = 7, "
        f"bars = {_BARS.format(cause='IMEI_MISMATCH', functions=7)}",
    ),
    ("n % 100 = 13", "lifecycle = 'SUSPENDED', functions_off = 7"),
    ("n % 20 = 3", "lifecycle = 'PRE_ACTIVE', functions_off = 7"),
    ("n % 5000 = 11", "lifecycle = 'DEACTIVATED', functions_off = 7"),
    ("n % 50 = 21", f"functions_off = 4, bars = {_BARS.format(cause='CLOSED_BY_CUSTOMER', functions=4)}"),
    ("n % 25000 = 31", f"functions_off = 1, bars = {_BARS.format(cause='RISK', functions=1)}"),
)
_CHANGE = """
update sim set tags = array['site:' || (n % 1000)]{set}
from (select imsi as i, right(imsi, 7)::int as n from sim) numbered where imsi = i and bucket & 15 = $1 and {which}
"""
_SLICES = 16
NAME = str(IMSI_BASE + 123_456)
PAGES = {
    "overview": "",
    "SIM list": "/sims",
    "binding NEUTRAL": "/sims?state=NEUTRAL",
    "binding LOCKED": "/sims?state=LOCKED",
    "binding DIFFERED (0.1 %)": "/sims?state=DIFFERED",
    "binding ARMED (none)": "/sims?state=ARMED",
    "life PRE_ACTIVE (5 %)": "/sims?lifecycle=PRE_ACTIVE",
    "life SUSPENDED (1 %)": "/sims?lifecycle=SUSPENDED",
    "life DEACTIVATED (0.02 %)": "/sims?lifecycle=DEACTIVATED",
    "barred at all": "/sims?barred=true",
    "bar CLOSED_BY_CUSTOMER (2 %)": "/sims?bar=CLOSED_BY_CUSTOMER",
    "bar IMEI_MISMATCH (0.1 %)": "/sims?bar=IMEI_MISMATCH",
    "bar RISK (40 SIMs)": "/sims?bar=RISK",
    "bar QUOTA (none)": "/sims?bar=QUOTA",
    "LOCKED with bar RISK": "/sims?state=LOCKED&bar=RISK",
    "tag (1,000 SIMs)": "/sims?tag=site:17",
    "gateway (32 SIMs)": "/sims?gateway=g5",
    "device (one SIM)": f"/sims?imei={growth.IMEI_BASE + 4711}",
    "model (all SIMs)": "/sims?tac=35000000",
    "not seen since a year (none)": "/sims?seenBefore=2020-01-01T00:00:00Z",
    "search, IMSI in full": f"/sims?q={NAME}",
    "search, its beginning": f"/sims?q={NAME[:-2]}",
    "search, three digits": f"/sims?q={NAME[:3]}",
    "search, beginning of a number": "/sims?q=8690000012",
    "search, none begins so": "/sims?q=99999",
    "search inside names": f"/sims?q={NAME[-6:]}&inside=yes",
    "search inside names (none)": "/sims?q=x-y-z&inside=yes",
    "SIM": f"/sims/{NAME}",
}


async def measure(world: Bench, sims: int, times: int) -> None:
    """Fill the register and print the times of each page, in milliseconds."""
    await growth.fill(world, sims)
    async with world.database() as db:
        for which, change in (*((which, f", {change}") for which, change in _CHANGES), ("n % 5 = 4", "")):
            for part in range(_SLICES):
                await db.execute(_CHANGE.format(set=change, which=which), part)
        await db.execute("vacuum analyze sim")
        logins = Logins(People(db), Vault(master_key(Settings(data_dir=str(world.directory / "data")))))
        _, code = await logins.invite("bench@operator.example", "Bench", Role.VIEWER)
        password = secrets.token_urlsafe()
        await logins.set_up(code, password, None, None, "127.0.0.1")
    body = {"email": "bench@operator.example", "password": password, "cookie": True}
    async with world.session.post(f"{world.url}/manage/v1/session", json=body) as answer:
        assert answer.status < 300, await answer.text()
        headers = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    took: dict[str, list[float]] = {name: [] for name in PAGES}
    for turn in range(times + 2):
        for name, path in PAGES.items():
            began = time.perf_counter()
            async with world.session.get(f"{world.url}/console{path}", headers=headers) as answer:
                text = await answer.text()
            assert answer.status == 200, (name, answer.status, text[:500])
            if turn > 1:
                took[name].append(1000 * (time.perf_counter() - began))
    for name, values in took.items():
        ordered = sorted(values)
        middle, high = ordered[len(ordered) // 2], ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)]
        print(f"{name}: p50 {middle:.0f} ms, p99 {high:.0f} ms{'' if high <= AIM else ' (aim 100)'}", flush=True)
