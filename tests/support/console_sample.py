"""What the console shows in tests and on pictures: a small installation with a stolen SIM; and texts that mean harm."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.patience import PATIENCE
from tests.support.subscribing import wish
from tests.support.world import ACCOUNT, Box, World, iccid, imsi

from simwarden.accounts import applications
from simwarden.accounts.logins import Logins
from simwarden.accounts.roles import Role
from simwarden.accounts.scopes import SETS
from simwarden.domain.alarm import AlarmKind, Trouble
from simwarden.domain.area import Circle
from simwarden.domain.device_model import DeviceModel
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.reports import SmsRecord
from simwarden.domain.risk_shipped import shipped
from simwarden.domain.rules.lifecycle import Step, Transition
from simwarden.domain.sim import Sim
from simwarden.engine import provision
from simwarden.engine.areas import NamedAreas
from simwarden.engine.bulk_jobs import BulkJobs
from simwarden.engine.idempotency import IdempotencyStore
from simwarden.engine.risk_rules import RiskRules
from simwarden.engine.sending import NewMessage, Sending
from simwarden.engine.subscriptions import Subscriptions
from simwarden.kit.clock import now_utc
from simwarden.store import alarms, hotzones, listing
from simwarden.store.accounts import Accounts
from simwarden.store.listing import SimFilter
from simwarden.store.people import People
from simwarden.store.tacs import Tacs

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

PASSWORD = "correct horse battery"
STOLEN, ARMED, SUSPENDED = 1, 5, 6
SIMS = 24
PEER = "+4915112345678"
"""The other party of messages."""
HARM = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}"
SAMPLES = {
    "sim": imsi(STOLEN),
    "element": "depot-north",
    "alarm": "1",
    "action": "suspend",
    "account": ACCOUNT,
    "rule_action": "off",
    "delivery_action": "test",
    "step": "rotate",
}
"""What stands for the parameters of pages' paths; `furnish` adds what it made."""


def email(role: str) -> str:
    """Of the person with this role."""
    return f"{role}@operator.example"


async def people(db: Database, vault: Vault) -> None:
    """One of each role."""
    logins = Logins(People(db), vault)
    for role in Role:
        _, code = await logins.invite(email(role), f"{role.capitalize()} Example", role)
        await logins.set_up(code, PASSWORD, None, None, "127.0.0.1")


async def furnish(db: Database, vault: Vault) -> None:
    """Two gateways with SIMs in them; one of these is in another device than its own, and locked there."""
    await db.execute("insert into account (id, name) values ($1, 'Acme Meters')", ACCOUNT)
    await people(db, vault)
    world = World(db, vault)
    world.clock.now = now_utc()
    cause = Cause(CauseKind.OPERATOR, "import", world.clock())
    for number in range(1, SIMS + 1):
        msisdn = f"+8613800{number:06}"
        sim = provision.new_sim(ACCOUNT, imsi=imsi(number), iccid=iccid(number), msisdn=msisdn)
        await provision.add(db, sim, cause)
        await listing.set_tags(db, sim, ["site:north" if number % 2 else "site:south", "meter"])
    north, south = await world.box("depot-north"), await world.box("depot-south")
    for number in range(1, SIMS + 1):
        box = north if number <= SIMS // 2 else south
        place = (number - 1) % (SIMS // 2)
        box.put(number, place // 2 + 1, place % 2 + 1)
    await world.start_enforcement()
    try:
        for box in (north, south):
            await world.take(box.dev_status(ports=range(1, 9)))
        model = DeviceModel(tac=(north.device_at(1) or "")[:8], manufacturer="Quectel", model="EC25")
        await Tacs(db).put([model], now_utc())
        for number in range(1, 5):
            await world.bind(number)
        await world.bind(ARMED, first_seen=True)
        world.clock.turn(1)
        south.put(STOLEN, 8)
        await world.take(south.port_status(8), north.port_status(1, 1))
        async with asyncio.timeout(PATIENCE):
            while (8, 1) not in south.locked:  # noqa: ASYNC110 - the worker cannot tell us
                await asyncio.sleep(0.05)
    finally:
        await world.stop_enforcement()
    jobs = BulkJobs(db, IdempotencyStore(db, vault))
    suspend = Transition(Step("suspend"))
    begun = await jobs.begin(
        *(suspend, SimFilter(tags=("site:south",)), Cause(CauseKind.OPERATOR, "test", now_utc())),
        app_key="test",
        account_id=None,
        preview=True,
    )
    issued = await applications.issue(Accounts(db), ACCOUNT, "meter-reading", SETS["all"])
    SAMPLES.update(operation=begun.id, application=issued.application.app_key)
    await _watched(db, vault, issued.application.app_key)
    await _spoken(world, north)
    await hotzones.change(db, ACCOUNT, "call-centres", ["KH", "MM", "+85620"], now_utc())
    silent = Trouble(
        kind=AlarmKind.GATEWAY_SILENT,
        subject=f"gateway {north.id}",
        gateway_id=north.id,
        facts={
            "gateway": "depot-north",
            "reportInterval": 60,
            "reportedAt": now_utc().isoformat(timespec="seconds"),
            "address": "192.0.2.17",
        },
    )
    async with db.transaction() as connection:
        await alarms.raise_all(connection, [silent], now_utc())
    await world.gateways.reject(north.id, now_utc(), "no JSON", "text/plain", b"+CSQ: 17,99\r\nOK")


async def _spoken(world: World, box: Box) -> None:
    """SIM 2 received a message, and its answer was sent."""
    asked = SmsRecord(
        key=b"asked",
        direction="inbound",
        at=world.clock(),
        imsi=imsi(2),
        port=1,
        slot=2,
        sender=PEER,
        content="How much?",
    )
    await world.take(box.records(sms=[asked]))
    sending = Sending(world.db, world.vault, IdempotencyStore(world.db, world.vault), ["ejoin"])
    answer = NewMessage(sim=await world.sim(2), app_key="test", to=(PEER,), text="4711 kWh")
    made = await sending.submit(answer)
    await world.db.execute("update outgoing_message set stage = 2, gateway_id = $1, due_at = null", box.id)
    SAMPLES["message"] = made.id


async def _watched(db: Database, vault: Vault, app_key: str) -> None:
    """A rule, an area, and a subscription with an event that waits."""
    shape = Circle(52.52, 13.4, 5000.0)
    area = await NamedAreas(db).add(ACCOUNT, "depot", shape)
    rule = await RiskRules(db).add(ACCOUNT, "mass-sms", shipped("mass-sms").rule, is_on=True, by="test")
    new = wish(Sim(bucket=bucket_of(imsi(STOLEN)), imsi=imsi(STOLEN), account_id=ACCOUNT), app_key)
    made, _ = await Subscriptions(db, vault, allow_private_sinks=True).create(new)
    SAMPLES.update(area=area.id, rule=rule.id, subscription=made.id, event=f"{made.id}-1")


async def harm(db: Database, vault: Vault, gateway_id: int) -> None:
    """Texts of customers, elements and people that would run, were they not escaped."""
    await db.execute("update account set name = $1 || id where id <> 'operator'", HARM)
    await db.execute("update operator_user set name = left($1, 100)", HARM)
    gateways = World(db, vault).gateways
    await gateways.reject(gateway_id, now_utc(), HARM, HARM, HARM.encode())
    trouble = Trouble(
        kind=AlarmKind.REPORTS_UNPARSED,
        subject=HARM,
        gateway_id=gateway_id,
        facts={"gateway": "x", "reason": HARM, HARM: HARM, "count": 3, "reportInterval": 60},
    )
    async with db.transaction() as connection:
        await alarms.raise_all(connection, [trouble], now_utc())
