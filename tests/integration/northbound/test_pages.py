"""A client goes through all its subscriptions, page by page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.integration.northbound.house import House
from tests.unit.northbound.test_subscriptions import body

if TYPE_CHECKING:
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

PATH = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish()
    return made


async def walk(house: House, query: str, limit: int = 50) -> list[list[str]]:
    """The ids of each page, from the first one on."""
    pages: list[list[str]] = []
    while len(pages) < limit:
        reply = await house.client("GET", PATH + query, token=house.token)
        assert reply.status == 200
        pages.append([each["id"] for each in reply.json])
        link = reply.headers.get("link")
        if link is None:
            return pages
        found = re.fullmatch(r'<(\?[!-~]+)>; rel="next"', link)
        assert found is not None
        query = found[1]
    raise AssertionError("the pages do not end")


async def test_every_subscription_is_in_one_page_live_ones_first(house: House) -> None:
    made = [(await house.client("POST", PATH, body(), token=house.token)).json["id"] for _ in range(7)]
    over = [made[1], made[4]]
    await house.db.execute("update subscription set ended_at = now(), status = 'EXPIRED' where id = any ($1)", over)
    live = [each for each in reversed(made) if each not in over]
    for size in (1, 2, 3, 5, 6):
        pages = await walk(house, f"?perPage={size}")
        assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
        assert [each for page in pages for each in page] == live + over[::-1]
    assert await walk(house, "") == [live + over[::-1]]
    assert await walk(house, "?perPage=7&whatever=1") == [live + over[::-1]]


async def test_what_is_made_and_ended_meanwhile_leaves_none_out(house: House) -> None:
    made = [(await house.client("POST", PATH, body(), token=house.token)).json["id"] for _ in range(6)]
    first = await house.client("GET", f"{PATH}?perPage=2", token=house.token)
    seen = [each["id"] for each in first.json]
    await house.client("POST", PATH, body(), token=house.token)
    await house.db.execute("update subscription set ended_at = now(), status = 'EXPIRED' where id = $1", made[1])
    next_ = first.headers["link"].partition("<")[2].partition(">")[0]
    seen += [each for page in await walk(house, next_) for each in page]
    assert set(made) <= set(seen)


@pytest.mark.parametrize(
    "query",
    ["perPage=0", "perPage=1001", "perPage=x", "perPage=1&perPage=2", "cursor=x", "cursor=", "cursor=" + "A" * 999],
)
async def test_what_is_no_page_is_an_invalid_argument(house: House, query: str) -> None:
    reply = await house.client("GET", f"{PATH}?{query}", token=house.token)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


async def test_more_than_a_thousand_are_all_listed(house: House) -> None:
    """A fleet with one subscription a SIM."""
    first = (await house.client("POST", PATH, body(), token=house.token)).json["id"]
    rows = await house.db.fetch(
        "select column_name from information_schema.columns where table_name = 'subscription' and column_name <> 'id'"
    )
    columns = ", ".join(row["column_name"] for row in rows)
    await house.db.execute(
        f"insert into subscription (id, {columns}) "
        f"select left(id, 2) || lpad(to_hex(n), 32, '0'), {columns} from subscription, generate_series(1, 1500) n "
        "where id = $1",
        first,
    )
    pages = await walk(house, "")
    assert [len(page) for page in pages] == [1000, 501]
    assert len({each for page in pages for each in page}) == 1501
