"""The list of who wants no messages, as a customer keeps it. Every answer is held against our document."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.northbound.world import NOW, Caller, Client, World, sim

from simwarden import northbound
from simwarden.domain.opt_outs import ANY_NUMBER, OptOutEntry, OptOutSource, TooManyOptOuts

API = "/short-message-subscriptions/vwip"
LIST, ADD, REMOVE = (f"{API}/{each}" for each in ("retrieve-opt-outs", "add-opt-out", "remove-opt-out"))
NUMBER, PEER, FOREIGN = "+8613800000001", "+8613715266978", "+8613800000009"
PHONE = {"phoneNumber": NUMBER}


class Book:
    """OptOutBook in memory."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, OptOutEntry]] = []
        self.full = False

    async def page(self, account_id: str, number: str | None, *, behind: Any, limit: int) -> list[OptOutEntry]:
        """The newest first."""
        mine = [one for whose, one in self.entries if whose == account_id and number in (None, one.number)]
        newest = sorted(mine, key=lambda one: one.place, reverse=True)
        return [one for one in newest if behind is None or one.place < behind][:limit]

    async def add(self, account_id: str, number: str, receiver: str, source: OptOutSource) -> None:
        """One a minute."""
        if self.full:
            raise TooManyOptOuts("At most 1")
        at = NOW + timedelta(minutes=len(self.entries))
        self.entries.append((account_id, OptOutEntry(number, receiver, at, source, receiver[-8:].encode() * 2)))

    async def remove(self, account_id: str, number: str, receiver: str) -> None:
        """By number and receiver."""
        gone = (account_id, number, receiver)
        self.entries = [(whose, one) for whose, one in self.entries if (whose, one.number, one.receiver) != gone]


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def client(book: Book) -> Client:
    world = World()
    world.callers["reads"] = Caller("swk_meters", "acc_meters", frozenset({f"{API[1:-5]}:opt-outs:read"}))
    world.app.apis = northbound.apis(msgspec.structs.replace(world.services, opt_outs=book))
    return Client(world.app)


async def test_added_listed_removed(client: Client, book: Book) -> None:
    assert (await client("POST", ADD, {"device": PHONE, "receiver": PEER})).status == 204
    assert (await client("POST", ADD, {"receiver": PEER})).status == 204
    [(account, one), (_, all_)] = book.entries
    assert (account, one.number, all_.number, all_.source) == ("acc_meters", NUMBER, ANY_NUMBER, "CUSTOMER")
    first = await client("POST", LIST, {"limit": 1})
    [shown] = first.json["optOuts"]
    assert shown == {"allDevices": True, "receiver": PEER, "since": "2026-11-21T12:01:00Z", "source": "CUSTOMER"}
    assert first.headers["cache-control"] == "no-store"
    rest = (await client("POST", LIST, {"limit": 1, "cursor": first.json["cursor"]})).json
    assert [each["device"] for each in rest["optOuts"]] == [PHONE]
    assert "cursor" not in rest
    assert (await client("POST", LIST, {}, token="stranger")).json == {"optOuts": []}
    assert (await client("POST", REMOVE, {"receiver": PEER})).status == 204
    assert [one.number for _, one in book.entries] == [NUMBER]


async def test_a_token_of_one_device_changes_that_one_alone(client: Client, book: Book) -> None:
    assert (await client("POST", ADD, {"receiver": PEER}, token="device")).status == 204
    assert book.entries[0][1].number == NUMBER
    named = await client("POST", ADD, {"receiver": PEER, "device": PHONE}, token="device")
    assert named.json["code"] == "UNNECESSARY_IDENTIFIER"


@pytest.mark.parametrize(
    "wrong", [{}, {"receiver": "12"}, {"receiver": PEER, "more": 1}, {"receiver": PEER, "device": {}}]
)
async def test_what_is_wrong_is_400(client: Client, book: Book, wrong: dict[str, Any]) -> None:
    for path in (ADD, REMOVE):
        assert (await client("POST", path, wrong)).status == 400
    assert book.entries == []


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": 101}, {"cursor": "?"}, {"cursor": "LTE"}, {"receiver": PEER}]
)
async def test_a_wrong_question_is_400(client: Client, wrong: dict[str, Any]) -> None:
    assert (await client("POST", LIST, wrong)).json["code"] == "INVALID_ARGUMENT"


async def test_scopes_limits_and_others(client: Client, book: Book) -> None:
    assert (await client("POST", LIST, {}, token="reads")).status == 200
    assert (await client("POST", ADD, {"receiver": PEER}, token="reads")).status == 403
    assert (await client("POST", LIST, {}, token="narrow")).status == 403
    foreign = await client("POST", ADD, {"receiver": PEER, "device": {"phoneNumber": FOREIGN}})
    unknown = await client("POST", ADD, {"receiver": PEER, "device": {"phoneNumber": "+8613800000555"}})
    assert (foreign.status, foreign.json) == (404, unknown.json)
    book.full = True
    full = await client("POST", ADD, {"receiver": PEER})
    assert (full.status, full.json["code"]) == (429, "QUOTA_EXCEEDED")
    assert sim(NUMBER).msisdn == NUMBER


async def test_the_sandbox_has_one_who_opted_out() -> None:
    client = Client(World().app)
    [one] = (await client("POST", LIST, {})).json["optOuts"]
    assert (one["receiver"][-4:], one["allDevices"]) == ("0000", True)
    assert (await client("POST", ADD, {"receiver": PEER})).status == 204
    assert (await client("POST", REMOVE, {"receiver": PEER})).status == 204
