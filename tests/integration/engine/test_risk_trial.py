"""Trying a rule on stored records says what the rule did that was on while they came."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.integration.engine.test_risk import add, call, sms
from tests.support.world import device, imsi

from simwarden.domain.events import EventType
from simwarden.domain.risk import RiskRule, StoredRule
from simwarden.engine import risk_trial
from simwarden.engine.risk_rules import RiskRules
from simwarden.store import risk_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.world import World

    from simwarden.engine.risk_trial import Trial


def ruled(*when: tuple[str, int], minutes: int = 60, **then: Any) -> RiskRule:
    said = {
        "when": [{"signal": signal, "atLeast": least} for signal, least in when],
        "inMinutes": minutes,
        "then": then or {"alert": True},
    }
    return msgspec.convert(said, RiskRule)


async def tried(world: World, stored: StoredRule, days: int = 7, limit: int = 200) -> list[Trial]:
    now, after, pages = world.clock(), "", []
    while True:
        page = await risk_trial.page(world.db, world.vault, stored, now - timedelta(days=days), now, after, limit)
        pages.append(page)
        if page.last is None:
            return pages
        after = page.last


async def fired(world: World, card: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for event in await world.events(card):
        if event.type is EventType.RULE_FIRED:
            counts[event.data["rule"]] = counts.get(event.data["rule"], 0) + 1
    return counts


RULES: Sequence[tuple[str, RiskRule]] = (
    ("sms", ruled(("smsSent", 6))),
    ("both", ruled(("smsSent", 2), ("callsMade", 2), minutes=30)),
    ("people", ruled(("receivers", 5))),
    ("lands", ruled(("countries", 2), ("newCountries", 2), minutes=600)),
    ("talk", ruled(("callMinutes", 9))),
    ("moved", ruled(("deviceChanges", 2))),
    ("barred", ruled(("smsSent", 4), minutes=10, bar={"functions": ["DATA"], "hours": 1})),
    ("held", ruled(("callsReceived", 2), ("smsReceived", 1), minutes=600, suspend=True)),
)


async def test_what_is_tried_is_what_happened(world: World) -> None:
    """Records come one by one as they happen; every rule was on all the time, and is tried afterwards."""
    box = await world.box()
    await world.card(1, 2, 3)
    made = [await add(world, rule, name) for name, rule in RULES]
    chance = random.Random(7)
    numbers = ["+8613900000001", "+8613900000002", "+23222123456", "+882161234567", "13900000003", "+16502530000"]
    for n in range(90):
        world.clock.turn(chance.choice((20, 60, 300)))
        card, now = chance.choice((1, 1, 2)), world.clock()
        other = chance.choice(numbers)
        match chance.randrange(5):
            case 0 | 1:
                record = sms(world, n, to=other, card=card)
                if n % 5 == 0:
                    record = msgspec.structs.replace(record, direction="inbound", sender=other, receiver=None)
                await world.take(box.records(sms=[record]))
            case 2 | 3:
                inward = n % 4 == 0
                direction, names = ("inbound", {"caller": other}) if inward else ("outbound", {"callee": other})
                end = now + timedelta(minutes=3)
                more: dict[str, Any] = {"imsi": imsi(card), "answer_at": now, "end_at": end, "direction": direction}
                await world.take(box.records(calls=[call(world, n, **more, **names)]))
            case _:
                await world.take(box.evidence(card, device(600 + n), now))
    total = 0
    for rule in made:
        pages = await tried(world, rule, limit=2)
        assert [page.sims for page in pages] == [2, 1]
        told = {item[0]: item[1].times for page in pages for item in page.met}
        happened = {imsi(card): count for card in (1, 2) if (count := (await fired(world, card)).get(rule.name))}
        assert told == happened, rule.name
        total += sum(told.values())
    assert total > 10, "the story has something to tell"
    assert await world.db.fetchval("select count(*) from risk_state") == 2, "and trying wrote nothing"


async def test_what_is_not_looked_at_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More records than are looked at, days before, another life of the IMSI, and silence by now."""
    box = await world.box()
    await world.card(1)
    old = [sms(world, n, at=world.clock() - timedelta(days=3)) for n in range(3)]
    await world.take(box.records(sms=[*old, *[sms(world, n) for n in range(3, 9)]]))
    made = await add(world, ruled(("smsSent", 3)), is_on=False)
    [page] = await tried(world, made, days=2)
    assert [(name, met.times, met.counted) for name, met in page.met] == [(imsi(1), 1, {"smsSent": 3})]
    assert (page.facts, page.cut) == (6, 0)
    monkeypatch.setattr(risk_records, "MOST_RECORDS", 4)
    [page] = await tried(world, made)
    assert page.cut == 1
    await world.db.execute(
        "insert into sim_deleted (bucket, imsi, account_id, first_event, event_count, created_at, deleted_at) "
        "select bucket, imsi, account_id, 1, 1, created_at, $1 from sim",
        world.clock() + timedelta(hours=1),
    )
    [page] = await tried(world, made)
    assert page.met == []
    silence = await RiskRules(world.db, clock=world.clock).change(made, rule=ruled(("silence", 1)), by="op")
    assert (await tried(world, silence))[0].met == [], "it was never seen"
    await world.take(box.evidence(1, device(1), world.clock()))
    world.clock.turn(5400)
    [page] = await tried(world, silence)
    assert [met.counted for _, met in page.met] == [{"silence": 90}]
