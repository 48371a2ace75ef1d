"""A gateway pinned to the attacker's account reports others' SIMs, with numbers far ahead, as fast as it can."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

from simwarden.domain.identifiers import full_imei

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((200, "200"),)
COUNTED = ('simwarden_doubts_total{kind="FOREIGN"}',)
FAR = 2**62


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Six clients."""
    answers = Answers()
    async with target.database() as db:
        await db.execute("update gateway set account_id = $1 where name = 'attacker-gw'", target.attacker.account_id)
    async with target.session() as session:

        async def work(n: int) -> None:
            card = target.honest.cards[answers.total % len(target.honest.cards)]
            body = {
                "type": "port-status",
                "port": f"{n % 32 + 1}.01",
                "seq": answers.total + 1 if answers.total % 3 else FAR - answers.total,
                "st": 3,
                "imei": full_imei(f"35368953{answers.total % 1_000_000:06}"),
                "imsi": card.imsi,
                "iccid": card.iccid,
            }
            async with session.post(target.attacker_reports, json=body) as answer:
                await answers.of(answer)

        async with clients(6, work, answers):
            yield answers


async def check(target: Target, answers: Answers) -> None:
    """Each was taken in, and changed nothing; few rows stand for many reports."""
    assert {status for status, _ in answers.seen} == {200}
    async with target.database() as db:
        rows = await db.fetch("select kind, sum(count) as count, count(*) as rows from gateway_doubt group by kind")
        found = {row["kind"]: row for row in rows}
        assert found["FOREIGN"]["rows"] <= 6 * len(target.honest.cards), "one for each SIM and port"
        imsis = [card.imsi for card in target.honest.cards]
        moved = await db.fetchval(
            "select count(*) from sim where imsi = any ($1) and seen_imei like '35368953%'", imsis
        )
        assert moved == 0
