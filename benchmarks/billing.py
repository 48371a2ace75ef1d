"""How long bills take: of an account with a year of 20 million calls a day, and closing a month of many accounts.

The ledger is filled as it would lie after that year: days that are over are rolled up, of the last two days each bucket
has its rows. Bound SIMs of the large account change every day. Then its present month and a whole month are previewed,
the last month is closed for `--accounts` accounts, 100 at a time as the API does it, and a day is rolled up as a worker
does it.
"""

from __future__ import annotations

import time
from datetime import timedelta

from benchmarks import machine
from benchmarks.setup import Bench
from simwarden.billing.bills import Billing
from simwarden.billing.invoices import Invoicing
from simwarden.domain.invoice import Party
from simwarden.domain.price import CallPrice, Month, PricePlan, SimPrice, SimService, Tax, Tier
from simwarden.kit.clock import now_utc
from simwarden.store import invoices, ledger
from simwarden.store.accounts import OPERATOR
from simwarden.store.database import Database

CALLS, OPERATIONS, DAYS = 20_000_000, 20, 366
PLAN = PricePlan(
    currency="CNY",
    calls=(CallPrice(name="Calls", tiers=(Tier(up_to=1_000_000, price="0.01"), Tier(price="0.005"))),),
    sims=(SimPrice(name="Bound SIMs", service=SimService.BINDING, tiers=(Tier(price="0.50"),)),),
    taxes=(Tax(name="VAT", percent="6"),),
)
_DAYS = """
insert into usage_day (account_id, day, app_key, api, operation, count)
select a, $2::date - d, 'app', 'api', 'op' || o, $5
from unnest($1::text[]) a, generate_series(2, $3::int) d, generate_series(1, $4::int) o
"""
_LAST = """
insert into usage_count (bucket, account_id, app_key, api, operation, day, count)
select b, a, 'app', 'api', 'op' || o, $2::date - d, $4
from unnest($1::text[]) a, generate_series(0, 255) b, generate_series(0, 1) d, generate_series(1, $3::int) o
"""
_SERVICES = """
insert into service_day (account_id, service, day, change, new_day, new_month, new_year)
select a, 'BINDING', $2::date - d, 10, 500, 100, 50 from unnest($1::text[]) a, generate_series(2, $3::int) d
"""


async def measure(world: Bench, accounts: int, rounds: int) -> None:
    """Fill, and print what each took."""
    today = now_utc().date()
    async with world.database() as db:
        began = time.monotonic()
        many = [f"acc_{n:05}" for n in range(accounts)]
        await db.execute(_DAYS, ["large"], today, DAYS, OPERATIONS, CALLS // OPERATIONS)
        await db.execute(_LAST, ["large"], today, OPERATIONS, CALLS // OPERATIONS // 256)
        await db.execute(_SERVICES, ["large", *many], today, DAYS)
        await db.execute(_DAYS, many, today, DAYS, 5, 1000)
        await db.execute("insert into account (id, name) select a, a from unnest($1::text[]) a", ["large", *many])
        await db.execute(
            """insert into account_plan (account_id, valid_from, plan)
               select a, '2020-01-01', 'p' from unnest($1::text[]) a""",
            ["large", *many],
        )
        for table in ("usage_day", "usage_count", "service_day", "account_plan"):
            await db.execute(f"vacuum analyze {table}")
        print(f"  filled in {time.monotonic() - began:.0f} s", flush=True)
        billing = Billing(db)
        await billing.put_plan("p", Month(2020, 1), PLAN)
        last = Month.of(today.replace(day=1) - timedelta(days=1))
        for text, month in (("the present month", None), ("the last month", last)):
            took = []
            for _ in range(max(rounds, 3) * 5):
                began = time.perf_counter()
                await billing.preview("large", month)
                took.append((time.perf_counter() - began) * 1000)
            print(f"Preview of {text}, {CALLS:,} calls a day for a year: {machine.percentiles(took)}", flush=True)
        await invoices.set_party(db, OPERATOR, OPERATOR, Party(name="Bench"))
        await _close(db, Invoicing(billing), last, accounts + 1)
        began = time.monotonic()
        moved = await ledger.roll_up(db, today)
        print(f"Rolling up a day of the large account: {moved:,} rows in {time.monotonic() - began:.2f} s", flush=True)


async def _close(db: Database, invoicing: Invoicing, month: Month, accounts: int) -> None:
    began, issued, after, slowest = time.monotonic(), 0, "", 0.0
    while True:
        turn = time.monotonic()
        done = await invoicing.close(month, after=after)
        slowest = max(slowest, time.monotonic() - turn)
        issued += len(done.invoices)
        if done.after is None:
            break
        after = done.after
    took = time.monotonic() - began
    assert issued == accounts == await db.fetchval("select last from invoice_series where kind = 'INVOICE'")
    print(
        f"Closing {month} for {issued:,} accounts: {took:.1f} s, {issued / took:,.0f}/s, slowest 100: {slowest:.2f} s"
    )
