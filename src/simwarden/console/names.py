"""Names of accounts, as people know them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simwarden.console.calls import CallRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simwarden.console.visit import Visit


async def account_names(visit: Visit, ids: Iterable[str]) -> dict[str, str]:
    """Names of accounts by id; the id itself where nobody says the name."""
    wanted = sorted(set(ids))
    if not visit.may("getAccount"):
        return {each: each for each in wanted}

    async def name(each: str) -> str:
        try:
            return str((await visit.api.get("/accounts/{}", each))["name"])
        except CallRefused:
            return each

    return dict(zip(wanted, await asyncio.gather(*map(name, wanted)), strict=True))
