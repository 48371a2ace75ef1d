"""A tenant subscribes to each of its SIMs as often as it can, and lets them change devices all the time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.attacks.subscribing import COUNTED, EXPECTS, most_of_one_sim, ports, subscribing

from simwarden.demo.story import IMEI_CHANGE, SUBSCRIPTIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.attackers import Answers
    from tests.attacks.target import Target

__all__ = ["COUNTED", "EXPECTS"]


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Each report shows all its SIMs in other devices."""

    def report(n: int) -> tuple[str, list[dict[str, object]]]:
        return target.attacker_reports, ports(target, f"36{n % 10**6:06}")

    async with subscribing(target, SUBSCRIPTIONS, lambda _n: (IMEI_CHANGE, {}), report) as answers:
        yield answers


async def check(target: Target, answers: Answers) -> None:
    """No SIM has more than the limit."""
    del answers
    assert await most_of_one_sim(target) == 20
