"""Signed requests that somebody overheard, sent again: at once, over several connections, changed, and out of time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.attacks.attackers import Answers, clients

from simwarden.accounts.request_signing import WINDOW, authorization
from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.clients import Clients
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.attacks.target import Target

EXPECTS = ((200, "SUCCESS"), (401, "UNAUTHENTICATED"))
PATH = "/device-card-binding-mgmt/v1/query"
COPIES = 5
SECRET = "swh_" + "r" * 43
_TAKEN: dict[str, Counter[str]] = {}
"""By server: how often each signature was taken."""


@contextlib.asynccontextmanager
async def attack(target: Target) -> AsyncIterator[Answers]:
    """Each request is sent with its copies at a time; then with another body, path and moment."""
    answers, taken, turns = Answers(), Counter[str](), itertools.count()
    _TAKEN[target.url] = taken
    async with target.database() as db:
        vault = Vault(master_key(Settings(data_dir=str(target.directory / "data"))))
        await Clients(db, vault).set_signing_secret(target.attacker.app_key, SECRET.encode(), None)
    phone = target.attacker.cards[0].phone
    body = json.dumps({"bindType": "IMEIBIND", "device": {"phoneNumber": phone}}).encode()
    async with target.session(kept=False) as one, target.session("127.0.0.3") as other:

        async def send(number: int, header: str, content: bytes = body, path: str = PATH) -> None:
            session = (one, other)[number % 2]
            headers = {"authorization": header, "content-type": "application/json"}
            async with session.post(target.url + path, data=content, headers=headers) as answer:
                if answer.status not in (401, 429):
                    taken[header] += 1
                await answers.of(answer)

        async def work(n: int) -> None:
            nonce, now = secrets.token_urlsafe(16), int(time.time())
            header = authorization(SECRET, target.attacker.app_key, "POST", PATH, body, at=now, nonce=nonce)
            await asyncio.gather(*(send(number, header) for number in range(COPIES)))
            await send(0, header, body + b" ")
            if n == 0 and next(turns) < 3:  # counts as a wrong signature: more of them shut this address out
                await send(1, header, path="/device-card-binding-mgmt/v1/unbind")
            late = authorization(
                SECRET, target.attacker.app_key, "POST", PATH, body, at=now - 2 * WINDOW, nonce=nonce[::-1]
            )
            await send(0, late)

        async with clients(3, work, answers, pause=0.3):
            yield answers


async def check(target: Target, answers: Answers) -> None:
    """No signature was taken twice, and nothing broke."""
    assert set(_TAKEN[target.url].values()) == {1}
    assert {status for status, _ in answers.seen} <= {0, 200, 401, 429}, answers.seen
