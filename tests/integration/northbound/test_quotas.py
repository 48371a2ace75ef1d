"""Business quotas against the real ledger: used up, refused, new the next day; changed; apart for each application."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.northbound.house import PHONE, House
from tests.integration.northbound.test_usage import CARD, FRAUD, MANAGE, manage, send
from tests.support.patience import PATIENCE

from simwarden.accounts import applications
from simwarden.accounts.applications import InvalidQuota
from simwarden.accounts.scopes import SETS
from simwarden.domain.errors import ApplicationNotFound
from simwarden.store import call_limits
from simwarden.store import usage as store
from simwarden.store.call_limits import CallLimit
from simwarden.store.listener import Listener

if TYPE_CHECKING:
    from simwarden.accounts.applications import Issued
    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

QUERY = {"queryType": "IMEIBIND"}
BIND = {"bindType": "IMEIBIND"}


class Clock:
    """A time that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def house(database: Database, vault: Vault, clock: Clock) -> House:
    made = House(database, vault, clock=clock)
    await made.furnish()
    return made


async def limit(house: House, quota: int | None, issued: Issued | None = None) -> None:
    app_key = (issued or house.issued).application.app_key
    await applications.set_quota(house.accounts, app_key, quota)
    house.tokens.invalidate(app_key)


async def another(house: House, vault: Vault, clock: Clock) -> House:
    """Another process on the same database."""
    made = House(house.db, vault, clock=clock)
    made.token, made.account, made.issued = house.token, house.account, house.issued
    return made


async def statuses(house: House, times: int, path: str = f"{FRAUD}/query", body: dict[str, Any] = QUERY) -> list[int]:
    return [(await send(house, path, body)).status for _ in range(times)]


async def counted(house: House) -> int:
    await house.reads.flush()
    return sum(row.count for row in await store.totals(house.db))


async def test_used_up_refused_and_new_the_next_day(house: House, clock: Clock) -> None:
    await limit(house, 4)
    assert (await send(house, f"{FRAUD}/bind", BIND)).status == 200
    assert await statuses(house, 2) == [200, 200]
    assert (await send(house, MANAGE, manage("close"))).status == 200
    refused = [
        await send(house, f"{FRAUD}/query", QUERY),
        await send(house, f"{FRAUD}/unbind", {"unBindType": "IMEIBIND"}),
        await send(house, MANAGE, manage("open"), key="k"),
        await send(house, f"{CARD}/subscribe", {"sink": "https://events.example.com/x"}),
    ]
    assert {(reply.status, reply.json["code"], reply.headers["retry-after"]) for reply in refused} == {
        (429, "QUOTA_EXCEEDED", "7200")
    }
    assert [call.status for call in house.metered].count(429) == 4
    clock.now += timedelta(seconds=2)
    assert await statuses(house, 1) == [429], "what the ledger says is the same"
    assert await counted(house) == 4
    assert await house.db.fetchval("select count(*) from event where type = 'BINDING_REMOVED'") == 0
    assert await house.db.fetchval("select count(*) from subscription") == 0
    assert await house.db.fetchval("select count(*) from idempotency") == 0
    clock.now += timedelta(hours=2)
    assert (await send(house, MANAGE, manage("open"), key="k")).status == 200, "it was not carried out before"
    assert await statuses(house, 4) == [200, 200, 200, 429]
    assert await counted(house) == 8


async def test_only_answers_429_are_held_back_by_application(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    async def wait(key: str) -> None:
        taken.append(key)

    monkeypatch.setattr(house.edge.refusals, "wait", wait)
    await limit(house, 1)
    assert await statuses(house, 4) == [200, 429, 429, 429]
    assert taken == [house.issued.application.app_key] * 3


async def test_reads_that_are_written_meanwhile_are_neither_lost_nor_taken_twice(house: House, clock: Clock) -> None:
    await limit(house, 9)
    for _ in range(3):
        assert await statuses(house, 1) == [200]
        await house.reads.flush()
        assert await statuses(house, 2) == [200, 200]
        clock.now += timedelta(seconds=1)
    assert await statuses(house, 1) == [429]
    assert await counted(house) == 9


async def test_many_at_once_get_as_many_as_there_are(house: House) -> None:
    await limit(house, 10)
    replies = await asyncio.gather(
        *(send(house, MANAGE, manage("open" if n % 2 else "close", "sms")) for n in range(10)),
        *(send(house, f"{FRAUD}/query", QUERY) for n in range(20)),
    )
    done = sum(reply.status == 200 and reply.json.get("code") != "NO_CHANGE" for reply in replies)
    assert done == await counted(house) <= 10
    while await statuses(house, 1) == [200]:
        done += 1
    assert done == await counted(house) == 10


async def test_two_processes_together_keep_to_the_quota(house: House, vault: Vault, clock: Clock) -> None:
    other = await another(house, vault, clock)
    await limit(house, 3)
    assert await statuses(house, 1) == [200]
    assert await statuses(other, 1, f"{FRAUD}/bind", BIND) == [200]
    assert await statuses(other, 1) == [200]
    assert await statuses(house, 1) == [429], "also what the other has not written down yet"
    assert await statuses(other, 1) == [429]
    await other.reads.flush()
    assert await counted(house) == 3


async def test_a_change_of_the_quota_reaches_processes_that_run(house: House) -> None:
    listener = Listener(house.db.url, {"simwarden_application": house.tokens.invalidate})
    listener.start()
    try:
        assert await statuses(house, 2) == [200, 200]
        name = "meters/billing"
        for quota, status in ((2, 429), (3, 200), (None, 200), (1, 429)):
            await applications.set_quota(house.accounts, name, quota)
            async with asyncio.timeout(PATIENCE):
                while True:
                    caller = await house.tokens.check(house.token)
                    assert caller is not None
                    if caller.daily_quota == quota:
                        break
                    await asyncio.sleep(0.02)
            assert await statuses(house, 1) == [status]
    finally:
        await listener.stop()


async def test_two_applications_of_an_account_are_apart(house: House) -> None:
    second = await applications.issue(house.accounts, "meters", "second", SETS["all"], daily_quota=2)
    third = await applications.issue(house.accounts, "meters", "third", SETS["all"])
    await limit(house, 1)
    tokens = [house.token, await house.token_of(second), await house.token_of(third)]
    found = []
    for token in tokens:
        replies = [await house.ask(f"{FRAUD}/query", PHONE, token=token) for _ in range(3)]
        found.append([status for status, _ in replies])
    assert found == [[200, 429, 429], [200, 200, 429], [200, 200, 200]]


async def test_an_answer_given_before_is_given_again_in_another_process_too(
    house: House, vault: Vault, clock: Clock
) -> None:
    await limit(house, 1)
    first = await send(house, f"{FRAUD}/bind", BIND, key="k")
    other = await another(house, vault, clock)
    for each in (house, other):
        again = await send(each, f"{FRAUD}/bind", BIND, key="k")
        assert (again.status, again.json, again.headers["idempotent-replayed"]) == (200, first.json, "true")
        assert (await send(each, f"{FRAUD}/bind", BIND)).status == 429
    assert await counted(house) == 1


async def test_quotas_are_positive_and_of_live_customers(house: House) -> None:
    for wrong in (0, -1, 10**13):
        with pytest.raises(InvalidQuota):
            await applications.issue(house.accounts, "meters", "x", daily_quota=wrong)
        with pytest.raises(InvalidQuota):
            await applications.set_quota(house.accounts, "meters/billing", wrong)
    trial = await applications.issue(house.accounts, "meters", "trial", sandbox=True)
    with pytest.raises(InvalidQuota, match="not counted"):
        await applications.set_quota(house.accounts, "meters/trial", 7)
    operator = await applications.issue_operator(house.accounts, "me")
    await house.accounts.revoke(trial.application.app_key)
    for name in (operator.application.app_key, "operator/me", "meters/trial", trial.application.app_key, "meters"):
        with pytest.raises(ApplicationNotFound):
            await applications.set_quota(house.accounts, name, 7)
    await applications.open_account(house.accounts, "meters/a")
    await applications.issue(house.accounts, "meters/a", "b")
    await applications.issue(house.accounts, "meters", "a/b")
    with pytest.raises(ApplicationNotFound, match="Several"):
        await applications.set_quota(house.accounts, "meters/a/b", 7)


async def test_what_a_killed_process_held_is_free_after_its_term(house: House, vault: Vault, clock: Clock) -> None:
    killed = await another(house, vault, clock)
    await limit(house, 40)
    assert await statuses(killed, 3) == [200] * 3
    assert await house.db.fetchval("select max(held) from call_hold where key like '%#daily'") > 0
    await house.db.execute("update call_hold set until = now() where key like '%#daily'")
    assert await statuses(house, 41) == [200] * 40 + [429], "the three that it had not written down are lost"
    assert await counted(house) == 40


async def test_a_month_and_an_accounts_applications_together(house: House, clock: Clock) -> None:
    second = await house.token_of(await applications.issue(house.accounts, "meters", "second", SETS["all"]))
    account = house.account.id
    await call_limits.change(house.db, account, CallLimit(monthly=5))
    await call_limits.change(house.db, account, CallLimit(app_key=house.issued.application.app_key, daily=2))
    house.rates.invalidate("")
    assert await statuses(house, 3) == [200, 200, 429]
    assert [(await house.ask(f"{FRAUD}/query", PHONE, token=second))[0] for _ in range(2)] == [200, 200]
    await house.reads.flush()
    clock.now += timedelta(days=1)
    reply = await send(house, f"{FRAUD}/query", QUERY)
    assert reply.status == 200
    shown = '"account-monthly";q=5;w=2592000, "application-daily";q=2;w=86400'
    assert reply.headers["ratelimit-policy"] == f'"application";q=2000000;w=2, {shown}'
    assert reply.headers["ratelimit"].endswith('"account-monthly";r=0;t=698400, "application-daily";r=1;t=7200')
    refused = await send(house, f"{FRAUD}/query", QUERY)
    assert (refused.status, refused.headers["retry-after"]) == (429, str(698400))
    assert refused.json["message"].endswith("5 calls a month of this account.")
    await house.reads.flush()
    clock.now += timedelta(days=10)
    assert await statuses(house, 1) == [200]
