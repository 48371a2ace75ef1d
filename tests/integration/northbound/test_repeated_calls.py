"""Idempotency-Key on PostgreSQL: through restarts, at once, and when something breaks in the middle."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.northbound.house import PHONE, House
from tests.support.patience import PATIENCE

from simwarden.domain.errors import StoreUnavailable
from simwarden.domain.sim import Function, IdentifierKind, SimRef
from simwarden.engine.idempotency import KEPT, IdempotencyStore
from simwarden.store import idempotency as store

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg
    from tests.unit.northbound.asgi import Reply

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

MANAGE = "/device-communication-function-mgmt/v1/manage"
DEACTIVATE = "/device-communication-function/vwip/deactivate"
BIND = "/device-card-binding-mgmt/v1/bind"
SUBSCRIBE = "/device-card-binding-mgmt/v1/subscribe"
REF = SimRef(IdentifierKind.MSISDN, "+8613800000001")


@pytest.fixture
async def house(database: Database, vault: Vault) -> House:
    made = House(database, vault)
    await made.furnish()
    return made


def restarted(house: House, vault: Vault) -> House:
    """Another process on the same database."""
    made = House(house.db, vault)
    made.token, made.account = house.token, house.account
    return made


async def send(house: House, path: str, body: dict[str, Any], key: str | None = "k-1") -> Reply:
    headers = [] if key is None else [("idempotency-key", key)]
    return await house.client("POST", path, {"device": PHONE, **body}, token=house.token, headers=headers)


def close(service: str = "data") -> dict[str, Any]:
    return {"busiType": service, "action": "close"}


async def events(house: House, kind: str = "FUNCTION_CLOSED") -> int:
    sim = await house.sims.find(house.account.id, REF)
    assert sim is not None
    return sum(event.type == kind for event in await house.sims.events(sim))


async def closed(house: House) -> Function:
    sim = await house.sims.find(house.account.id, REF)
    assert sim is not None
    return sim.closed


async def test_the_answer_outlives_a_restart(house: House, vault: Vault) -> None:
    first = await send(house, MANAGE, close())
    assert (first.status, first.json["code"]) == (200, "SUCCESS")
    await send(house, MANAGE, {"busiType": "data", "action": "open"}, key=None)
    again = await send(restarted(house, vault), MANAGE, close())
    assert (again.status, again.body, again.headers["idempotent-replayed"]) == (200, first.body, "true")
    assert await closed(house) == Function(0)
    assert await events(house) == 1
    other = await send(restarted(house, vault), MANAGE, close("sms"))
    assert (other.status, other.json["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_refusal_outlives_a_restart(house: House, vault: Vault) -> None:
    await send(house, DEACTIVATE, {"functionType": "DATA"}, key=None)
    refused = await send(house, DEACTIVATE, {"functionType": "DATA"})
    assert (refused.status, refused.json["code"]) == (422, "UNNECESSARY_DEACTIVATION")
    await send(house, MANAGE, {"busiType": "data", "action": "open"}, key=None)
    again = await send(restarted(house, vault), DEACTIVATE, {"functionType": "DATA"})
    assert (again.status, again.body) == (422, refused.body)
    assert await closed(house) == Function(0)


async def test_a_binding_is_made_once(house: House, vault: Vault) -> None:
    first = await send(house, BIND, {"bindType": "IMEIBIND"})
    again = await send(restarted(house, vault), BIND, {"bindType": "IMEIBIND"})
    assert (first.status, again.body) == (200, first.body)
    assert (await events(house, "BINDING_CREATED"), await events(house, "BINDING_REPLACED")) == (1, 0)


async def test_a_subscription_is_made_once_and_its_secret_is_told_again_and_kept_encrypted(
    house: House, vault: Vault
) -> None:
    body = {"sink": "https://events.example.com/x"}
    first = await send(house, SUBSCRIBE, body)
    secret = first.headers["x-simwarden-webhook-secret"]
    again = await send(restarted(house, vault), SUBSCRIBE, body)
    assert (again.status, again.body, again.headers["x-simwarden-webhook-secret"]) == (200, first.body, secret)
    assert await house.db.fetchval("select count(*) from subscription") == 1
    row = await house.db.fetchrow("select body, secret from idempotency")
    assert row is not None
    assert secret.encode() not in row["body"] + row["secret"]


async def test_many_at_once_under_one_key_do_the_work_once(house: House, vault: Vault) -> None:
    houses = [house, restarted(house, vault), restarted(house, vault)]
    replies = await asyncio.gather(*(send(each, MANAGE, close()) for each in houses * 6))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.body for reply in replies}) == 1
    assert replies[0].json["code"] == "SUCCESS"
    assert sum("idempotent-replayed" not in reply.headers for reply in replies) == 1
    assert await events(house) == 1


async def test_two_requests_at_once_under_one_key_one_is_refused(house: House, vault: Vault) -> None:
    other = restarted(house, vault)
    replies = await asyncio.gather(send(house, MANAGE, close("sms")), send(other, MANAGE, close("data")))
    assert sorted(reply.status for reply in replies) == [200, 422]
    refused = next(reply for reply in replies if reply.status == 422)
    assert refused.json["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert await events(house) == 1


async def test_subscriptions_at_once_under_one_key(house: House, vault: Vault) -> None:
    body = {"sink": "https://events.example.com/x"}
    houses = [house, restarted(house, vault)]
    replies = await asyncio.gather(*(send(each, SUBSCRIBE, body) for each in houses * 3))
    assert {reply.status for reply in replies} == {200}
    assert len({(reply.body, reply.headers["x-simwarden-webhook-secret"]) for reply in replies}) == 1
    assert await house.db.fetchval("select count(*) from subscription") == 1


async def test_without_a_key_two_at_once_change_it_once(house: House, vault: Vault) -> None:
    other = restarted(house, vault)
    replies = await asyncio.gather(*(send(each, MANAGE, close(), key=None) for each in (house, other)))
    assert sorted(reply.json["code"] for reply in replies) == ["NO_CHANGE", "SUCCESS"]
    assert len({str(reply.json["result"]) for reply in replies}) == 1


@pytest.mark.parametrize("path", [MANAGE, SUBSCRIBE])
async def test_when_the_answer_cannot_be_kept_the_work_is_undone_and_done_once_later(
    house: House, vault: Vault, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    body = close() if path == MANAGE else {"sink": "https://events.example.com/x"}

    async def break_off(_connection: asyncpg.Connection, _answers: Any) -> None:
        raise StoreUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(store, "answer", break_off)
        assert (await send(house, path, body)).status == 503
    assert await closed(house) == Function(0)
    assert await house.db.fetchval("select count(*) from subscription") == 0
    assert await house.db.fetchval("select count(*) from idempotency") == 0
    replies = [await send(each, path, body) for each in (house, restarted(house, vault))]
    assert [reply.status for reply in replies] == [200, 200]
    assert replies[0].body == replies[1].body
    assert await house.db.fetchval("select count(*) from subscription") == (0 if path == MANAGE else 1)
    assert await events(house) == (1 if path == MANAGE else 0)


async def test_after_a_day_a_key_is_free_and_its_answer_is_forgotten(house: House) -> None:
    await send(house, MANAGE, close())
    await house.db.execute("update idempotency set created_at = created_at - $1::interval", KEPT - timedelta(minutes=1))
    assert (await send(house, MANAGE, close("sms"))).status == 422
    await house.db.execute("update idempotency set created_at = created_at - $1::interval", timedelta(minutes=2))
    taken = await send(house, MANAGE, close("sms"))
    assert (taken.status, taken.json["code"]) == (200, "SUCCESS")
    assert (await send(house, MANAGE, close("sms"))).headers["idempotent-replayed"] == "true"
    assert await events(house) == 2
    await send(house, MANAGE, close("voice"), key="k-2")
    await house.db.execute("update idempotency set created_at = created_at - $1::interval where key = 'k-1'", KEPT)
    answers = IdempotencyStore(house.db)
    answers.start()
    try:
        async with asyncio.timeout(PATIENCE):
            while await house.db.fetchval("select count(*) from idempotency") != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await answers.stop()
    assert await house.db.fetchval("select key from idempotency") == "k-2"


async def test_keys_of_one_application_are_not_anothers(house: House, vault: Vault) -> None:
    assert (await send(house, MANAGE, close())).status == 200
    stranger = restarted(house, vault)
    stranger.token = house.stranger
    reply = await send(stranger, MANAGE, close("sms"))
    assert reply.status == 404, "as for any foreign SIM, whatever the key"


async def test_commands_with_and_without_keys_go_into_one_commit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    take = house.commands._batches._take

    def counted() -> Sequence[Any]:
        found = take()
        batches.append(len(found))
        return found

    monkeypatch.setattr(house.commands._batches, "_take", counted)
    second = {"phoneNumber": "+8613800000002"}
    calls = [
        send(house, MANAGE, close(service) | {"device": device}, key=key)
        for service in ("data", "sms", "voice")
        for device, key in ((PHONE, f"k-{service}"), (second, None), (second, "k-data"))
    ]
    replies = await asyncio.gather(*calls)
    assert sorted(reply.status for reply in replies) == [200] * 6 + [422] * 3
    assert max(batches) >= 3
