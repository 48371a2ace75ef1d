"""What fills the remaining pages of the console: bills, sessions, records, hotzones; and names that are long."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from tests.support.console_sample import SAMPLES, SIMS, SUSPENDED
from tests.support.world import ACCOUNT, Box, World, device, imsi, ref

from simwarden.accounts import applications
from simwarden.accounts.scopes import SETS
from simwarden.billing.bills import Billing
from simwarden.billing.invoices import Invoicing
from simwarden.domain.area import Circle
from simwarden.domain.events import Cause, CauseKind, EventType
from simwarden.domain.invoice import Party
from simwarden.domain.locating import Site
from simwarden.domain.price import Month, PricePlan
from simwarden.domain.reports import CallRecord, SmsRecord
from simwarden.domain.rules.area import LimitArea
from simwarden.domain.rules.functions import FunctionState, SetFunctions
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.session import Session
from simwarden.domain.sim import Function
from simwarden.domain.usage import Usage
from simwarden.engine import hotspots
from simwarden.engine.commands.command import SimCommand
from simwarden.engine.unit_of_work import UnitOfWork
from simwarden.kit.clock import now_utc
from simwarden.store import hotzones, invoices, sessions, sites, usage
from simwarden.store.accounts import OPERATOR, Accounts
from simwarden.store.gateways import GatewayRef

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

LONG = "Nordwind Wasser- und Energieversorgungsgesellschaft mbH & Co. KG"
NAS = "warehouse-rotterdam-europoort-rack-12-packet-gateway-03"
NORTH, SOUTH = Site(52.52, 13.405, 500.0), Site(48.137, 11.575, 500.0)
PLAN = {
    "currency": "EUR",
    "calls": [
        {
            "name": "Calls",
            "tiers": [{"upTo": 1000, "price": "0.02"}, {"upTo": 10000, "price": "0.012"}, {"price": "0.008"}],
        }
    ],
    "taxes": [{"name": "VAT", "percent": "19"}],
}
TEXTS = (
    "Meter 00123-7 reads 4711.250 m3",
    "Ihre mTAN lautet 482913. Geben Sie sie niemandem weiter, auch nicht der Bank; sie gilt fünf Minuten.",
    "余额不足,请尽快充值",
    "STATUS?",
)


async def enrich(db: Database, vault: Vault) -> None:
    """Add to what `console_sample.furnish` made."""
    world = World(db, vault)
    world.clock.now = now_utc()
    names = await db.fetch("select id, name from gateway order by name")
    north, south = (Box(world, GatewayRef(row["id"], row["name"], 60, None)) for row in names)
    world.boxes += [north, south]
    async with db.transaction() as connection:
        await sites.set_sites(connection, {"depot-north": NORTH, "depot-south": SOUTH}, world.clock())
    await _states(world)
    await _records(world, north)
    await _sessions(db, (await world.box(NAS, kind="radius", url=None)).id)
    await _hotzones(world)
    await _bills(db)


async def _states(world: World) -> None:
    cause = Cause(CauseKind.CALL, SAMPLES["application"], world.clock())
    for number, command in (
        (SUSPENDED, Transition(Step.SUSPEND)),
        (7, SetFunctions(state=FunctionState.CLOSED, functions=Function.DATA)),
        (2, LimitArea(area=Circle(52.5, 13.4, 8000.0))),
    ):
        await world.commands.submit(SimCommand(ref(number), command, cause, ACCOUNT))


async def _records(world: World, box: Box) -> None:
    now = world.clock()
    sms = [
        SmsRecord(
            key=f"message {n}".encode(),
            direction=("outbound", "inbound")[n % 2],
            at=now - timedelta(minutes=7 * n),
            imsi=imsi(n % 5 + 2),
            sender=f"+4915{n:08}",
            receiver=f"+4917{n:08}",
            content=TEXTS[n % len(TEXTS)],
            status=(0, 0, 0, 38)[n % 4],
            status_text=("Sent", "Sent", "Sent", "The network is out of order")[n % 4],
        )
        for n in range(12)
    ]
    calls = [
        CallRecord(
            call_id=f"call-{n}",
            imsi=imsi(n % 3 + 2),
            direction=("outbound", "inbound")[n % 2],
            caller=f"+8613800{n:06}",
            callee=f"+53591{n:05}",
            begin_at=now - timedelta(minutes=9 * n + 3),
            answer_at=now - timedelta(minutes=9 * n + 2, seconds=50) if n % 3 else None,
            end_at=now - timedelta(minutes=9 * n) if n else None,
            reason="NORMAL_CLEARING" if n % 3 else "USER_BUSY",
        )
        for n in range(8)
    ]
    await world.take(box.records(sms=sms, calls=calls))


async def _sessions(db: Database, element: int) -> None:
    now = now_utc()
    async with db.transaction() as connection:
        await sessions.save(
            connection,
            [
                Session(
                    imsi=imsi(n),
                    element_id=element,
                    key=f"{n:08X}-session",
                    began_at=now - timedelta(hours=n),
                    seen_at=now - timedelta(minutes=n),
                    ended_at=now - timedelta(minutes=n) if n % 4 == 0 else None,
                    imei=device(n),
                    plmn="26201",
                    apn="iot.meters.nordwind-energieversorgung.example",
                    rat="EUTRAN",
                    ipv4=f"10.64.{n}.17",
                    up=n * 7_654_321,
                    down=n * 98_765_432,
                )
                for n in range(2, 13)
            ],
        )


async def _hotzones(world: World) -> None:
    for name, zones in (("caribbean-premium", ["CU", "JM", "HT", "+1876"]), ("satellite", ["+870", "+881"])):
        await hotzones.change(world.db, ACCOUNT, name, zones, world.clock())
    cause = Cause(CauseKind.REPORT, "depot-south", world.clock())
    numbers = range(SIMS - 5, SIMS + 1)
    async with world.db.transaction() as connection:
        work = UnitOfWork(connection, world.clock())
        await work.lock(imsi(number) for number in numbers)
        for number in numbers:
            work.record(imsi(number), EventType.RULE_FIRED, cause, None, {"rule": "mass-sms", "subscriptions": []})
        await work.write()
    await hotspots.look(world.db, world.clock())


async def _bills(db: Database) -> None:
    accounts = Accounts(db)
    other = (await applications.open_account(accounts, LONG)).id
    await applications.issue(accounts, other, "remote-reading-and-tariff-switching-of-district-heating", SETS["all"])
    billing = Billing(db)
    today = billing.now().date()
    last = today.replace(day=1) - timedelta(days=1)
    seller = Party(name="Example Mobile Ltd", street="1 Network Road", city="Dublin", country="IE", tax_id="IE1234567X")
    await invoices.set_party(db, OPERATOR, OPERATOR, seller)
    await billing.put_plan("standard", Month.of(date(2026, 1, 1)), msgspec.convert(PLAN, PricePlan))
    for account in (ACCOUNT, other):
        await billing.assign(account, "standard", Month.of(date(2026, 1, 1)))
    used: dict[usage.Key, int] = {}
    for n in range(40):
        day = today - timedelta(days=n)
        for api, operation in (("iot-sim-fraud-prevention", "bind"), ("subscription-status", "retrieve")):
            caller = Usage(ACCOUNT, SAMPLES["application"], api, operation)
            used[day, usage.bucket_of_application(caller.app_key), caller] = 40 + n * 37 % 170
    used[last, 1, Usage(other, "meters", "device-swap", "check")] = 2400
    async with db.transaction() as connection:
        await usage.count(connection, used)
    month_after = datetime.combine(today.replace(day=1), datetime.min.time(), billing.now().tzinfo)
    closing = Invoicing(Billing(db, clock=lambda: max(now_utc(), month_after + timedelta(hours=2))))
    closed = await closing.close(Month.of(last))
    numbers = [each.number for each in closed.invoices]
    await closing.credit(numbers[-1], "Readings of 12 November were counted twice", "3.00")
    SAMPLES.update(invoice=numbers[0])
