"""The usage ledger: every change counted once, together with the change or not at all."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.integration.northbound.house import PHONE, House, sim
from tests.support.patience import PATIENCE

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.events import Cause, CauseKind
from simwarden.domain.usage import Usage
from simwarden.engine import provision
from simwarden.engine.usage import Reads
from simwarden.store import idempotency
from simwarden.store import usage as store
from simwarden.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.northbound.asgi import Reply

    from simwarden.store.vault import Vault

FRAUD = "/iot-sim-fraud-prevention/v0.1"
CARD = "/device-card-binding-mgmt/v1"
FUNCTION = "/device-communication-function/vwip"
MANAGE = "/device-communication-function-mgmt/v1/manage"
STATUS = "/subscription-status/v0.1/retrive-subscription-status"
SINK = "https://events.example.com/x"
TYPE = "org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish()
    return made


async def another(house: House, vault: Vault) -> House:
    """Another process on the same database."""
    made = House(house.db, vault)
    made.token, made.account = house.token, house.account
    return made


async def send(house: House, path: str, body: dict[str, Any], key: str | None = None, number: str = "") -> Reply:
    headers = [] if key is None else [("idempotency-key", key)]
    device = {"phoneNumber": number} if number else PHONE
    return await house.client("POST", path, {"device": device, **body}, token=house.token, headers=headers)


def manage(action: str, service: str = "data") -> dict[str, Any]:
    return {"busiType": service, "action": action}


async def counted(house: House) -> dict[str, int]:
    """Operation to count; every row is the application's own, of today."""
    await house.reads.flush()
    rows = await store.page(house.db, limit=1000)
    today = datetime.now(UTC).date()
    own = (house.account.id, house.issued.application.app_key)
    assert {(row.account_id, row.app_key) for row in rows} <= {own}
    assert {row.day for row in rows} <= {today, today - timedelta(days=1)}
    return {f"{row.api} {row.operation}": row.count for row in rows}


async def test_what_is_done_counts_under_its_operation(house: House) -> None:
    calls: list[tuple[str, dict[str, Any], str]] = [
        (f"{FRAUD}/bind", {"bindType": "IMEIBIND"}, "iot-sim-fraud-prevention bindDeviceImei"),
        (f"{FRAUD}/query", {"queryType": "IMEIBIND"}, "iot-sim-fraud-prevention query"),
        (f"{FRAUD}/unbind", {"unBindType": "IMEIBIND"}, "iot-sim-fraud-prevention unBindDeviceImei"),
        (f"{CARD}/bind", {"bindType": "IMEIBIND"}, "device-card-binding-mgmt bindDeviceCard"),
        (f"{CARD}/query", {"bindType": "IMEIBIND"}, "device-card-binding-mgmt queryDeviceCard"),
        (f"{CARD}/unbind", {"bindType": "IMEIBIND"}, "device-card-binding-mgmt unbindDeviceCard"),
        (f"{CARD}/subscribe", {"sink": SINK}, "device-card-binding-mgmt subscribeDeviceCard"),
        (f"{FUNCTION}/deactivate", {"functionType": "SMS"}, "device-communication-function deactivate-communication-"),
        (f"{FUNCTION}/activate", {"functionType": "SMS"}, "device-communication-function activate-communication-"),
        (f"{FUNCTION}/retrieve", {}, "device-communication-function retrieveCommunicationFunctions"),
        (MANAGE, manage("close"), "device-communication-function-mgmt manageCommunicationFunction"),
        (MANAGE, manage("query"), "device-communication-function-mgmt manageCommunicationFunction/query"),
    ]
    for path, body, _ in calls:
        assert (await send(house, path, body)).status == 200, path
    await send(house, MANAGE, {"busiType": "apn", "busiParam": "iot.example", "action": "close"})
    await house.client("POST", STATUS, {"phoneNumber": PHONE["phoneNumber"]}, token=house.token)
    wanted = {f"{name}function" if name.endswith("-") else name: 1 for _, _, name in calls}
    wanted["device-communication-function-mgmt manageCommunicationFunction"] = 2
    wanted["subscription-status retriveSubscriptionStatus"] = 1
    assert await counted(house) == wanted


async def test_what_was_refused_or_changed_nothing_does_not_count(house: House) -> None:
    replies = [
        await send(house, f"{FRAUD}/unbind", {"unBindType": "IMEIBIND"}),
        await send(house, f"{FRAUD}/unbind", {"unBindType": "AREALIMIT"}),
        await send(house, f"{FRAUD}/bind", {"bindType": "IMEIBIND"}, number="+8613899999999"),
        await send(house, f"{FRAUD}/query", {"queryType": "IMEIBIND"}, number="+8613899999999"),
        await send(house, f"{FUNCTION}/activate", {"functionType": "SMS"}),
        await send(house, f"{CARD}/subscribe", {"sink": "https://127.0.0.1/"}),
        await send(house, f"{FRAUD}/bind", {"bindType": 7}),
    ]
    assert all(reply.status >= 400 for reply in replies)
    unchanged = [
        await send(house, MANAGE, manage("open")),
        await send(house, f"{CARD}/unbind", {"bindType": "IMEIBIND"}),
    ]
    assert [(reply.status, reply.json["code"]) for reply in unchanged] == [(200, "NO_CHANGE")] * 2
    assert await counted(house) == {}


async def test_a_repeated_call_counts_once_whoever_gets_it(house: House, vault: Vault) -> None:
    houses = [house, await another(house, vault), await another(house, vault)]
    replies = await asyncio.gather(*(send(each, MANAGE, manage("close"), key="k") for each in houses * 5))
    assert {reply.status for reply in replies} == {200}
    body = {"sink": SINK}
    await asyncio.gather(*(send(each, f"{CARD}/subscribe", body, key="s") for each in houses * 2))
    await send(house, MANAGE, manage("close", "sms"), key="k")  # 422: the key names another request
    assert await counted(house) == {
        "device-communication-function-mgmt manageCommunicationFunction": 1,
        "device-card-binding-mgmt subscribeDeviceCard": 1,
    }


@pytest.mark.parametrize("path", [MANAGE, f"{CARD}/subscribe"])
async def test_when_it_breaks_behind_the_change_neither_change_nor_count_is_left(
    house: House, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    body = manage("close") if path == MANAGE else {"sink": SINK}

    async def break_off(*_: Any) -> None:
        raise StoreUnavailable

    for module, name in ((idempotency, "answer"), (store, "count")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, break_off)
            assert (await send(house, path, body, key="k")).status == 503
        assert await house.db.fetchval("select count(*) from event where type = 'FUNCTION_CLOSED'") == 0
        assert await house.db.fetchval("select count(*) from subscription") == 0
        assert await counted(house) == {}
    assert (await send(house, path, body, key="k")).status == 200
    assert list((await counted(house)).values()) == [1]


async def test_two_workers_at_once_count_all_and_never_wait_in_a_circle(house: House, vault: Vault) -> None:
    cause = Cause(CauseKind.OPERATOR, "test", datetime.now(UTC))
    numbers = [f"+86138000{number:05}" for number in range(100, 220)]
    rows = [
        provision.NewSim(n, provision.new_sim(house.account.id, imsi=sim(number).imsi, msisdn=number))
        for n, number in enumerate(numbers)
    ]
    async with house.db.transaction() as connection:
        assert await provision.insert(connection, house.account.id, rows, cause) == []
    houses = [house, await another(house, vault)]
    again = 0

    async def customer(each: House, number: str, service: str) -> None:
        nonlocal again
        for action in ("close", "open", "close"):
            while (await send(each, MANAGE, manage(action, service), number=number)).status == 503:
                again += 1

    calls = [
        customer(houses[(n + turn) % 2], number, service)
        for n, number in enumerate(numbers)
        for turn, service in enumerate(("data", "sms"))
    ]
    await asyncio.gather(*calls)
    done = await house.db.fetchval("select count(*) from event where type in ('FUNCTION_CLOSED', 'FUNCTION_OPENED')")
    assert done == len(numbers) * 6
    assert again == 0
    assert await counted(house) == {"device-communication-function-mgmt manageCommunicationFunction": done}
    buckets = await house.db.fetch("select bucket from usage_count")
    assert {row["bucket"] for row in buckets} == {sim(number).bucket for number in numbers}, "beside their SIMs"


USAGE = Usage("acme", "swk_a", "api", "query")


@pytest.fixture
async def reads(database: Database) -> AsyncIterator[Reads]:
    made = Reads(database)
    yield made
    await made.stop()


async def total(database: Database) -> int:
    return sum(row.count for row in await store.totals(database))


async def test_reads_are_written_by_themselves_and_at_the_end(database: Database, reads: Reads) -> None:
    reads.start()
    for _ in range(1000):
        reads.count(USAGE)
    assert await total(database) == 0
    async with asyncio.timeout(PATIENCE):
        while await total(database) != 1000:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    reads.count(USAGE)
    await reads.stop()
    assert await total(database) == 1001


async def test_reads_wait_for_the_database_and_are_never_counted_twice(
    database: Database, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store.count

    async def lost_before(connection: asyncpg.Connection, used: Any) -> None:
        await write(connection, used)
        raise asyncpg.ConnectionDoesNotExistError

    reads.count(USAGE)
    with monkeypatch.context() as patch:
        patch.setattr(store, "count", lost_before)
        with pytest.raises(StoreUnavailable):
            await reads.flush()
    reads.count(USAGE)
    await reads.flush()
    assert await total(database) == 2, "what was rolled back is written later"

    async def lost_behind(connection: asyncpg.Connection, used: Any) -> None:
        await write(connection, used)
        await connection.execute("commit")  # as if only the answer to it were lost
        connection.terminate()

    reads.count(USAGE)
    with monkeypatch.context() as patch:
        patch.setattr(store, "count", lost_behind)
        with pytest.raises(StoreUnavailable):
            await reads.flush()
    await reads.flush()
    assert await total(database) == 3, "nobody can tell, so it is not written again"


async def test_days_and_filters(database: Database, reads: Reads) -> None:
    now = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
    clocked = Reads(database, clock=lambda: now)
    other = Usage("zeta", "swk_z", "api", "query")
    for day in range(3):
        now = datetime(2026, 11, 20 + day, 23, 59, tzinfo=UTC)
        for _ in range(day + 1):
            clocked.count(USAGE)
        clocked.count(other)
        await clocked.flush()
    days = [datetime(2026, 11, 20 + day, tzinfo=UTC).date() for day in range(3)]
    rows = await store.page(database, limit=10)
    assert [(row.day, row.app_key, row.count) for row in rows] == [
        *((days[0], "swk_a", 1), (days[0], "swk_z", 1), (days[1], "swk_a", 2)),
        *((days[1], "swk_z", 1), (days[2], "swk_a", 3), (days[2], "swk_z", 1)),
    ]
    assert await store.page(database, after=rows[2].place, limit=2) == rows[3:5]
    assert await store.page(database, account_id="zeta", since=days[1], until=days[1], limit=10) == [rows[3]]
    [sums] = await store.totals(database, app_key="swk_a", until=days[1])
    assert (sums.count, sums.day) == (3, None)


async def test_calls_that_are_written_when_their_month_may_be_closed_count_for_the_next_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage over the end of a month: nothing is added to a month that has its invoice, and no call is lost."""
    at = datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC)
    reads, read = Reads(database, clock=lambda: at), Usage("acc", "swk", "api", "query")

    async def away(*_: Any) -> Any:
        raise StoreUnavailable

    count = store.count
    monkeypatch.setattr(store, "count", away)
    for _ in range(2):
        reads.count(read)
        with pytest.raises(StoreUnavailable):
            await reads.flush()
    at += timedelta(minutes=30)
    reads.count(read)
    with pytest.raises(StoreUnavailable):
        await reads.flush()
    monkeypatch.setattr(store, "count", count)
    soon = Reads(database, clock=lambda: at)
    soon._waiting = reads._waiting.copy()
    await soon.flush()
    rows = await database.fetch("select day, sum(count) as n from usage_count group by day order by day")
    assert [(str(row["day"]), row["n"]) for row in rows] == [("2026-11-30", 2), ("2026-12-01", 1)], "not closed yet"
    await database.execute("delete from usage_count")
    at += timedelta(minutes=20)
    await reads.flush()
    rows = await database.fetch("select day, sum(count) as n from usage_count group by day order by day")
    assert [(str(row["day"]), row["n"]) for row in rows] == [("2026-12-01", 3)]
