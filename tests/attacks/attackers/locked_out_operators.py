"""Wrong passwords under the name of an honest operator, from many addresses and from his own, as fast as they go."""

from __future__ import annotations

import contextlib
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

from simwarden.accounts.logins import Logins
from simwarden.accounts.roles import Role
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.people import People
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((401, "UNAUTHENTICATED"), (429, "TOO_MANY_REQUESTS"))
EMAIL, PASSWORD = "ann@operator.example", "correct horse battery 9"
OFFICE = "127.0.0.77"
"""The address that the honest operator works from."""


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Three clients: two change their address with every attempt, one invents names."""
    answers, turns = Answers(), itertools.count()
    async with target.database() as db:
        vault = Vault(master_key(Settings(data_dir=str(target.directory / "data"))))
        logins = Logins(People(db), vault, life=timedelta(hours=1))
        _, code = await logins.invite(EMAIL, "Ann", Role.OPERATOR)
        await logins.set_up(code, PASSWORD, None, None, OFFICE)

    async def work(n: int) -> None:
        turn = next(turns)
        body = {"email": EMAIL if n < 2 else f"nobody{turn}@operator.example", "password": f"wrong horse {turn}"}
        async with (
            target.session(f"127.0.1.{turn % 6 + 1}" if n < 2 else "127.0.0.2", kept=False) as session,
            session.post(f"{target.url}/manage/v1/session", json=body) as answer,
        ):
            await answers.of(answer)

    async with clients(3, work, answers, pause=0.02):
        yield answers


async def check(target: Target, answers: Answers) -> None:
    """Nobody got in, and the honest operator still does, from where he was before."""
    assert {status for status, _ in answers.seen} <= {401, 429, 503}, answers.seen
    body = {"email": EMAIL, "password": PASSWORD}
    async with (
        target.session(OFFICE) as session,
        session.post(f"{target.url}/manage/v1/session", json=body) as answer,
    ):
        assert answer.status == 201, await answer.text()
