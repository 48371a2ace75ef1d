"""What rules cost a record: messages and calls taken in durably, with ten rules for every SIM and without.

The register is that of `growth`. Each report has ten messages, or ten calls, of SIMs drawn at random; both kinds of
turns, with the account's rules switched on and off, follow each other, so that what the machine does beside falls on
both. No rule fires but for the few SIMs that are drawn often enough.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from datetime import timedelta

import msgspec

from benchmarks import growth, machine
from benchmarks.setup import IMSI_BASE, Bench
from simwarden.app import spare_collector
from simwarden.domain.reports import CallRecord, Report, SmsRecord
from simwarden.domain.risk import RiskRule
from simwarden.engine.ingest import Ingest
from simwarden.engine.risk_rules import RiskRules
from simwarden.kit.clock import now_utc
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.database import Database
from simwarden.store.vault import Vault

WARM = 0.2
"""Share of a round of worker processes that is not counted, at its begin."""
RECORDS = 10
"""Of a report."""
AT_ONCE = 128
"""Reports under way together; half of them are written while the other half is made ready."""
TURN = 400
"""Reports of one turn."""
CALLS = 0.2
"""Share of the reports that are of calls."""
_RULES = (
    ({"smsSent": 30}, 60),
    ({"smsSent": 100}, 1440),
    ({"callsMade": 20}, 60),
    ({"callsMade": 60}, 1440),
    ({"callMinutes": 60}, 60),
    ({"receivers": 20}, 60),
    ({"receivers": 100}, 1440),
    ({"countries": 3}, 1440),
    ({"newCountries": 2}, 1440),
    ({"smsSent": 10, "callsMade": 10}, 60),
)


class Traffic:
    """Reports of gateways, of SIMs drawn at random."""

    def __init__(self, first: int, sims: int, seed: int = 3, made: int = 0) -> None:
        """`first`: id of the first gateway. `made`: the number from behind which records are counted."""
        self._first = first
        self._sims = sims
        self._chance = random.Random(seed)
        self._made = made

    def report(self) -> Report:
        """Ten messages, or ten calls."""
        now = now_utc()
        calls = self._chance.random() < CALLS
        gateway = self._chance.randrange(max(self._sims // growth.PORTS, 1))
        records = [self._call() if calls else self._message() for _ in range(RECORDS)]
        return Report(
            gateway_id=self._first + gateway,
            gateway_name=f"g{gateway}",
            received_at=now,
            message="cdr" if calls else "sent-sms",
            sms=tuple(each for each in records if isinstance(each, SmsRecord)),
            calls=tuple(each for each in records if isinstance(each, CallRecord)),
        )

    def _whose(self) -> tuple[int, str, str]:
        self._made += 1
        imsi = str(IMSI_BASE + self._chance.randrange(self._sims))
        return self._made, imsi, f"+86139{self._chance.randrange(10**8):08}"

    def _message(self) -> SmsRecord:
        n, imsi, other = self._whose()
        return SmsRecord(
            key=n.to_bytes(8, "big"),
            direction="outbound",
            at=now_utc(),
            imsi=imsi,
            receiver=other,
            content="4711.3 kWh",
        )

    def _call(self) -> CallRecord:
        n, imsi, other = self._whose()
        end = now_utc()
        begin = end - timedelta(seconds=40)
        return CallRecord(
            call_id=f"bench-{n}",
            direction="outbound",
            imsi=imsi,
            callee=other,
            begin_at=begin,
            answer_at=begin,
            end_at=end,
        )


async def _turn(ingest: Ingest, traffic: Traffic, count: int) -> float:
    """Records/s, of so many reports."""
    reports = [traffic.report() for _ in range(count)]
    places = asyncio.Semaphore(AT_ONCE)

    async def submit(report: Report) -> None:
        async with places:
            await ingest.submit(report)

    begun = time.perf_counter()
    await asyncio.gather(*(submit(report) for report in reports))
    return count * RECORDS / (time.perf_counter() - begun)


async def _compare(db: Database, vault: Vault, sims: int, seconds: float, rounds: int) -> None:
    account = await db.fetchval("select id from account where name = 'bench'")
    first = await db.fetchval("select min(id) from gateway")
    rules = RiskRules(db)
    made = [
        await rules.add(account, f"rule-{n}", _rule(when, minutes), is_on=True, by="bench")
        for n, (when, minutes) in enumerate(_RULES)
    ]
    ingest, traffic = Ingest(db, vault), Traffic(first, sims)
    await _turn(ingest, traffic, TURN)
    spare_collector()  # as a server's process does
    pairs: list[dict[bool, float]] = []
    until = time.monotonic() + seconds * rounds
    while time.monotonic() < until or len(pairs) < 3:
        pair: dict[bool, float] = {}
        for on in (True, False) if len(pairs) % 2 else (False, True):
            made = [await rules.change(each, is_on=on, by="bench") for each in made]
            pair[on] = await _turn(ingest, traffic, TURN)
        pairs.append(pair)
    for each in made:
        await rules.change(each, is_on=True, by="bench")
    ratio = machine.median([pair[False] / pair[True] for pair in pairs])
    [states] = await db.fetch("select count(*) as sims, avg(length(state))::int as bytes from risk_state")
    fired = await db.fetchval("select count(*) from event where type = 'RULE_FIRED'")
    print(
        f"Records in process, durable, {sims:,} SIMs: {machine.median([pair[True] for pair in pairs]):,.0f}/s with "
        f"{len(_RULES)} rules for each, {machine.median([pair[False] for pair in pairs]):,.0f}/s without; "
        f"time with rules {ratio:.2f} of that without (median of {len(pairs)} pairs); aim 10,000/s",
        flush=True,
    )
    print(f"Remembered: {states['sims']:,} SIMs, {states['bytes']} bytes each; rules fired {fired:,} times", flush=True)


def _rule(when: dict[str, int], minutes: int) -> RiskRule:
    said = [{"signal": signal, "atLeast": least} for signal, least in when.items()]
    return msgspec.convert({"when": said, "inMinutes": minutes, "then": {"alert": True}}, RiskRule)


async def _beside(world: Bench, sims: int, workers: int, seconds: float) -> float:
    """Records/s that so many processes take in beside each other, the making of the reports included."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.rules_worker", str(world.directory / "data"), str(sims), str(number)),
            str(seconds),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(workers)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    told = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    return sum(int(out) for out, _ in told) / ((1 - WARM) * seconds)


async def measure(world: Bench, sims: int, seconds: float, rounds: int, workers: int) -> None:
    """All of it on one register."""
    await world.fill(0)
    await growth.fill(world, sims)
    vault = Vault(master_key(Settings(data_dir=str(world.directory / "data"))))
    async with world.database() as db:
        await _compare(db, vault, sims, seconds, rounds)
        rates = [await _beside(world, sims, workers, seconds) for _ in range(rounds)]
    spread = ", ".join(f"{rate:,.0f}" for rate in rates)
    print(
        f"Records by {workers} processes, {len(_RULES)} rules for each SIM, the making of reports included: "
        f"{machine.median(rates):,.0f}/s (rounds {spread})",
        flush=True,
    )
