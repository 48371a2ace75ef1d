"""One round: the load and the faults together, everything healed, and the model asked until it has no complaint."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from tests.faults import model
from tests.faults.control import READS
from tests.faults.faults import draw, inject
from tests.faults.load import NOT_NOW, Load
from tests.faults.model import Card, Complaint, Seen
from tests.faults.records import METERS

from simwarden.demo.processes import StepFailed

if TYPE_CHECKING:
    from tests.faults.faults import Fault
    from tests.faults.house import House

    from simwarden.store.vault import Vault

SECONDS = 2.2
"""For which the load lasts, at least."""
PATIENCE = 50.0
"""Seconds that all may take to settle after the last fault is healed."""
LIARS = ("gateway: lie", "kill the gateways")
"""With these a gateway may have answered that it opened a slot, and not have done it: one killed a moment later too."""
LIES_AFTER = 8.0
"""Seconds after which that is what is believed to have happened."""
PER_HOUSE = 12
"""Rounds in one house before a fresh one is started."""


class Result(msgspec.Struct, frozen=True):
    """What came of a round."""

    faults: list[Fault]
    complaints: list[str]
    seconds: float
    settled: float
    """Seconds from the last fault's end until everything was as it must be."""
    works: int = 0
    """How often work on many SIMs was done."""
    cut: int = 0
    """How many of these went on while somebody was killed."""
    last: str = ""
    """What had to be waited for longest."""


def chance_of(seed: int, number: int, what: str) -> random.Random:
    """The same chance for the same round in every run."""
    return random.Random(f"{seed}:{number}:{what}")


async def play(house: House, load: Load, seed: int, number: int) -> Result:
    """Play one round and check it."""
    begun = time.monotonic()
    works, cut = len(load.control.works), load.control.interrupted
    chance = chance_of(seed, number, "round")
    await load.look()
    steps = load.plan(chance, SECONDS)
    faults = draw(house, chance_of(seed, number, "faults"), SECONDS)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(load.play(steps, f"w-{seed}-{number}"))
            group.create_task(load.records.play(chance_of(seed, number, "records"), SECONDS, f"{seed}-{number}"))
            group.create_task(inject(house, faults))
    except ExceptionGroup as errors:
        return Result(faults, [f"{type(e).__name__}: {e}" for e in flat(errors)], time.monotonic() - begun, 0.0)
    healed = time.monotonic()
    complaints: list[Complaint] = [Complaint("nothing was checked")]
    last = ""
    while complaints and time.monotonic() - healed < PATIENCE and not any(one.final for one in complaints):
        try:
            complaints = await check(house, load)
            if time.monotonic() - healed > LIES_AFTER and any(fault.name in LIARS for fault in faults):
                complaints = await forgive_lies(house, complaints)
        except (*NOT_NOW, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            complaints = [Complaint(f"cannot be checked: {type(error).__name__}: {error}")]
        if complaints:
            last = str(complaints[0])
            await asyncio.sleep(0.25)
    end = time.monotonic()
    complaints.sort(key=lambda one: not one.final)
    works, cut = len(load.control.works) - works, load.control.interrupted - cut
    return Result(faults, [str(one) for one in complaints], end - begun, end - healed, works, cut, last)


def flat(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors of a group of groups."""
    found: list[BaseException] = []
    for error in errors.exceptions:
        found += flat(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


async def check(house: House, load: Load) -> list[Complaint]:
    """Compare everything with the model, now."""
    if house.server is not None and house.server.returncode is not None:
        return [model.never(f"the server ended, and nobody had ended its supervisor:\n{house.log_tail()}")]
    if not await house.is_ready():
        raise StepFailed("the server is not ready")
    cards = {imsi: Card(card["gateway"], card["slot"], card["imei"]) for imsi, card in (await house.cards()).items()}
    if cards.keys() != load.start.keys():
        return [model.never(f"cards were lost by the harness: {sorted(load.start.keys() - cards.keys())}")]
    locked = await house.locked()
    received = house.ledger("sink")  # read before the database: what was told must be committed by then
    seen, refused = read_reports(house.ledger("reports"))
    async with house.database() as db:
        sims, attachments, events, stored, usage, subscriptions, services = await read(db, house.vault())
        records = await load.records.check(db, house.vault(), received)
    control = load.control
    subscriptions.pop(load.records.app, None)  # what that one does is checked there
    usage = {key: count for key, count in usage.items() if key[0] != load.records.app}
    found = records + model.check_states(cards, house.should, sims)
    found += model.check_locks(cards, house.should, locked)
    found += model.check_attachments(cards, [row for row in attachments if row["imsi"] not in METERS])
    found += [model.never(f"a report was refused: {item}") for item in refused]
    for row in sims:
        imsi = row["imsi"]
        found += model.check_switches(imsi, events[imsi])
        if imsi not in cards:
            found += model.check_events(imsi, row["event_count"], events[imsi], "", [], set())
            continue
        start, moves = load.start[imsi], load.moves[imsi]
        kept = model.acknowledged_moves(moves, seen[imsi])
        expected = model.expected_changes(start, kept, model.bound_to(events[imsi]))
        ever = {start, cards[imsi].imei, *(move.card.imei for move in moves), *(item.imei for item in seen[imsi])}
        found += model.check_events(imsi, row["event_count"], events[imsi], start, expected, ever)
    found += model.check_deliveries(house.subscriptions, events, received)
    found += model.check_witnesses(load.acknowledged, stored, load.sent)
    reads: Counter[str] = Counter()
    for (_, _, operation), count in usage.items():
        reads[operation] += count if operation in READS else 0
    writes = {key: count for key, count in usage.items() if key[2] not in READS}
    found += model.check_causes(control.intents, events)
    found += model.check_usage(control.intents, events, subscriptions, writes)
    found += model.check_services(sims, services)
    found += model.check_reads(control.read_sent, control.read_answered, reads, killed=bool(house.deaths))
    return found


Counts = dict[tuple[str, str, str], int]


async def read(
    db: asyncpg.Connection, vault: Vault
) -> tuple[list[Any], list[Any], dict[str, list[Any]], list[str], Counts, dict[str, int], dict[str, int]]:
    """What the database says, in one snapshot."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        sims = await db.fetch(
            """select s.*, g.name as gateway, s.seen_port || '.' || lpad(s.seen_slot::text, 2, '0') as slot
               from sim s left join gateway g on g.id = s.seen_gateway"""
        )
        attachments = await db.fetch(
            """select a.*, g.name as gateway, a.target as slot
               from attachment a join gateway g on g.id = a.element_id"""
        )
        rows = await db.fetch("select imsi, n, type, parent, cause, data from event order by imsi, n")
        stored = await db.fetch("select gateway_id, key, sealed from sms")
        usage = await db.fetch(
            """select app_key, api, operation, sum(count)::int
               from (select app_key, api, operation, count from usage_count
                     union all select app_key, api, operation, count from usage_day) u group by 1, 2, 3"""
        )
        services = await db.fetch(
            """select service, sum(change)::int
               from (select service, change from sim_service_day union all select service, change from service_day) s
               group by 1"""
        )
        subscriptions = await db.fetch("select app_key, count(*) from subscription group by 1")
    told: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        told[row["imsi"]].append(dict(row) | {"data": json.loads(row["data"]), "cause": json.loads(row["cause"])})
    return (
        [plain(row) for row in sims],
        [dict(row) | {"slot": row[-1]} for row in attachments],
        told,
        [text for row in stored if (text := text_of(vault, row)).startswith("w-")],
        {(row[0], row[1], row[2]): row[3] for row in usage},
        dict(subscriptions),
        dict(services),
    )


def text_of(vault: Vault, row: asyncpg.Record) -> str:
    """What a stored message says: it is sealed, with sender and receiver before it."""
    opened = json.loads(vault.open(row["sealed"], f"sms:{row['gateway_id']}:{row['key'].hex()}"))
    return str(opened[2] or "")


def plain(row: asyncpg.Record) -> dict[str, Any]:
    """A SIM's row with its JSON read, and with what null stands for."""
    binding = json.loads(row["binding"]) if row["binding"] else None
    return dict(row) | {
        "state": row["state"] or "NEUTRAL",
        "lifecycle": row["lifecycle"] or "ACTIVE",
        "bars": json.loads(row["bars"] or "[]"),
        "bound": binding and binding["values"],
    }


def read_reports(ledger: list[dict[str, Any]]) -> tuple[dict[str, list[Seen]], list[dict[str, Any]]]:
    """The acknowledged sightings of each card, and what was refused."""
    seen: dict[str, list[Seen]] = defaultdict(list)
    refused = []
    for entry in ledger:
        if "refused" in entry:
            refused.append(entry)
            continue
        report = entry["report"]
        for item in report.get("status", [report]) if "status" in report else [report]:
            if isinstance(item, dict) and item.get("imsi"):
                slot = item["port"] if isinstance(item["port"], str) else f"{item['port']:.2f}"
                seen[item["imsi"]].append(Seen(item["imsi"], entry["gateway"], slot, item["imei"], entry["at"]))
    return seen, refused


async def forgive_lies(house: House, complaints: list[Complaint]) -> list[Complaint]:
    """A gateway that lied about unlocking an empty slot cannot be found out: its reports do not show such a slot.

    The harness opens those slots itself, as a person would, so that the next rounds begin clean. Returns what is left
    to complain about.
    """
    occupied = {(card["gateway"], card["slot"]) for card in (await house.cards()).values()}
    left = {slot for slot in await house.locked() if slot not in occupied}
    for gateway, slot in left:
        port = house.commands[gateway].target
        await open_slot(house, port, slot)
    return [one for one in complaints if one not in {model.not_to_be_locked(slot) for slot in left}]


async def open_slot(house: House, port: int, slot: str) -> None:
    """Unlock a slot by hand, in the API that the gateway speaks."""
    number, _, position = slot.partition(".")
    body: dict[str, Any] = {"type": "command", "op": "unlock", "ports": slot}
    page = "goip_send_cmd.html"
    if house.shape.generation == "3":
        page, body = "unlock_sims", {"slots": [{"port": int(number), "slot": int(position)}]}
    login = {"version": "1.1", "username": "root", "password": "root"}
    async with house.session.post(f"http://127.0.0.1:{port}/{page}", params=login, json=body) as answer:
        if answer.status != 200:
            raise StepFailed(f"{page} answered {answer.status}: {await answer.text()}")
