"""A gateway floods records of new numbers and countries to SIMs whose account has as many rules as it may have."""

from __future__ import annotations

import base64
import contextlib
import time
from typing import TYPE_CHECKING, Any

import msgspec
from tests.attacks.attackers import Answers, clients
from tests.attacks.subscribing import ports

from simwarden.domain.risk import RiskRule
from simwarden.domain.risk import check as is_right
from simwarden.engine.risk_rules import RiskRules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((200, "200"),)
COUNTED = ("simwarden_rules_fired_total",)
RULES, SIMS, ROWS = 50, 5, 20
CODES = ("855", "95", "856", "84", "66", "63", "62", "60", "65", "673", "1", "44", "33", "39", "34", "7", "81", "82")
SIGNALS = ("smsReceived", "smsSent", "receivers", "countries", "newCountries")
STATE = 512 * 1024
"""Bytes that rules may remember of a SIM."""


def rule(n: int) -> RiskRule:
    """Five signals in windows of lengths that no other rule has, for the largest numbers that there are."""
    wanted = [{"signal": signal, "atLeast": 500 if signal in SIGNALS[2:] else 1_000_000} for signal in SIGNALS]
    if n == 0:
        wanted = [{"signal": "smsReceived", "atLeast": 3}]
    made = msgspec.convert({"when": wanted, "inMinutes": 10_080 - n, "then": {"tag": f"greedy-{n}"}}, RiskRule)
    is_right(made)
    return made


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Two clients, with a new number in each row."""
    answers = Answers()
    async with target.database() as db:
        rules = RiskRules(db)
        for n in range(RULES):
            await rules.add(target.attacker.account_id, f"greedy-{n}", rule(n), is_on=True, by="attacks")
    async with target.session() as session:
        async with session.post(target.attacker_reports, json=ports(target, "36200000")) as answer:
            await answers.of(answer)

        async def work(n: int) -> None:
            turn = answers.total
            async with session.post(target.attacker_reports, json=report(target, n, turn)) as answer:
                await answers.of(answer)

        async with clients(2, work, answers, pause=0.5):
            yield answers


def report(target: Target, n: int, turn: int) -> dict[str, Any]:
    """Messages that its SIMs received."""
    rows = []
    for each in range(ROWS):
        number = (turn * 2 + n) * ROWS + each
        place = number % SIMS
        peer = f"+{CODES[number % len(CODES)]}{number:08}"
        text = base64.b64encode(b"%d" % number).decode()
        rows.append([0, f"{place + 1}.01", int(time.time()), peer, "", text, "", target.attacker.cards[place].imsi, ""])
    return {"type": "recv-sms", "sms_num": len(rows), "sms": rows}


async def check(target: Target, answers: Answers) -> None:
    """What rules remember is bounded, and its numbers are counted of its own SIMs alone."""
    del answers
    async with target.database() as db:
        assert await db.fetchval("select max(length(state)) from risk_state") < STATE
        honest = [card.imsi for card in target.honest.cards]
        assert await db.fetchval("select count(*) from traffic_day where imsi = any ($1)", honest) == 0
        assert await db.fetchval("select count(*) from risk_state where imsi = any ($1)", honest) == 0
