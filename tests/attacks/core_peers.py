"""Network functions of the core, an attacker's and an honest one, which must be served beside it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from simwarden.settings import Settings
from simwarden.settings.keys import master_key
from simwarden.store.gateways import Gateways
from simwarden.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.attacks.attackers import Answers
    from tests.attacks.target import Target

HONEST, HOSTILE, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.9"
"""Addresses that they send from; nobody is registered with the last one."""
KNOWN = 60.0
"""Seconds within which a registered element must be served."""


async def register(target: Target, kind: str) -> None:
    """The honest network function serves all accounts, the hostile one is pinned to the attacker's."""
    async with target.database() as db:
        gateways = Gateways(db, Vault(master_key(Settings(data_dir=str(target.directory / "data")))))
        for name, address, account in (
            (f"honest-{kind}", HONEST, None),
            (f"hostile-{kind}", HOSTILE, target.attacker.account_id),
        ):
            made, _ = await gateways.add(
                name,
                kind=kind,
                command_url=None,
                username=None,
                password=None,
                source_addresses=[f"{address}/32"],
                account_id=account,
            )
            assert made


@contextlib.asynccontextmanager
async def honest(ask: Callable[[], Awaitable[int]], answers: Answers, *, right: int) -> AsyncIterator[None]:
    """An honest network function that asks again and again, beginning when the server knows it.

    Its answers are counted as `honest` when their status is `right`, else as `honest refused`.
    """
    async with asyncio.timeout(KNOWN):
        while await ask() != right:  # noqa: ASYNC110 - until the server has read the register
            await asyncio.sleep(0.1)

    async def go_on() -> None:
        while True:
            status = await ask()
            answers.seen[status, "honest" if status == right else "honest refused"] += 1
            await asyncio.sleep(0.02)

    task = asyncio.create_task(go_on(), name="honest-peer")
    try:
        yield
    finally:
        task.cancel()
        ended = await asyncio.gather(task, return_exceptions=True)
    if isinstance(ended[0], Exception):
        raise ended[0]


def always_served(answers: Answers) -> None:
    """The honest one was never refused."""
    refused = {key: count for key, count in answers.seen.items() if key[1] == "honest refused"}
    assert not refused, refused
