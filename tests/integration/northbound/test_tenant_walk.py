"""Another tenant's name for something is answered as one that never was, by every operation of every customers' API.

The walk is led by the documents: each operation is called as its first example has it, with a phone number or an id of
the stranger, and with one like it that nobody has. Status, headers and body must be the same, but for the name itself,
after the same statements, which read as many rows. An operation that is not walked must stand in NAMES_NOTHING, with
the reason.
"""

from __future__ import annotations

import asyncio
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest
from tests.integration.northbound.house import House
from tests.integration.northbound.test_tenants import ELSEWHERE, Watched
from tests.support.documents import read_yaml
from tests.unit.northbound.asgi import Reply
from tests.unit.northbound.world import Client
from tests.unit.store.test_sharding import QUERIES, created, plain

from simwarden import northbound
from simwarden.claim import Claim
from simwarden.customers import Customers, delivery_settings
from simwarden.domain.identifiers import bucket_of
from simwarden.domain.invoice import InvoiceKind
from simwarden.engine.buckets import Buckets
from simwarden.northbound.listen import routes as listen
from simwarden.reference.bundle import bundled
from simwarden.sandbox.billing import NUMBER as SANDBOX_INVOICE
from simwarden.sandbox.billing import VirtualBilling
from simwarden.settings import Settings
from simwarden.store import invoices
from simwarden.store.accounts import OPERATOR
from simwarden.store.invoices import NewInvoice
from simwarden.store.queries import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from simwarden.store.database import Database
    from simwarden.store.vault import Vault

OWN, FOREIGN, UNKNOWN = "+8613800000001", "+8613800000009", "+8613800000019"
NAMES_NOTHING = {
    "retrieve*List": "lists what is the caller's own",
    "listSubscriptions": "lists what is the caller's own",
    "retrieveBill": "is the bill of the caller's account",
    "retrieveInvoices": "lists what is the caller's own",
    "retrieveInvoice": "an invoice comes of closing a month, not of a call: test_invoices asks for a foreign one",
    "retrieveInvoicePdf": "the same",
    "retrieveInvoiceXml": "the same",
    "checkImeiStatus": "names a device, which is nobody's: the lists are the operator's",
    "openInbox": "makes something new, and is given no name",
}
"""Operations that name no SIM and nothing of an account."""
OF_A_COLLECTION = {"operations": "/activate"}
"""Path before an id, and what makes such a thing where that is not a POST to this path."""
IDS = ("id", "subscriptionId", "inboxId", "operationId")
METHODS = ("get", "post", "put", "patch", "delete")
TENANTS = frozenset(
    name for name, columns in created().items() if re.search(r"\b(account_id|app_key|imsi|subscription_id)\b", columns)
) - {"application"}
"""Tables with rows of accounts, or of their SIMs and subscriptions."""
_FOUND = "about a SIM that was found by its account, from when it was the account's"
_OWN = "about subscriptions that were found by their application, or follow a SIM that was"
WITHOUT_ACCOUNT = {
    **dict.fromkeys(
        (
            "attachments.of_sims",
            "counters.shown_last",
            "daily.of_sim",
            "hotspots.add_signs",
            "places.traces",
            "sessions.live_of_sim",
            "sessions.newest_of_sim",
            "sims.lifecycle_events",
            "sims.lock",
            "sims.save",
            "sims.turned_on",
            "standing.elements_of",
            "standing.remembered",
            "standing.shown",
            "standing.watched",
        ),
        _FOUND,
    ),
    **dict.fromkeys(
        (
            "fanout.survey",
            "fanout.waiting",
            "hotzone_alerts.drop_watches",
            "outbox.save",
            "outbox.uncount",
            "outbox.unwatch",
            "outbox.unwatch_all",
        ),
        _OWN,
    ),
    "call_limits.fill": "about keys that begin with the caller's account",
    "call_limits.lock": "about keys that begin with the caller's account",
    "inboxes.due": "about an inbox that was found by its application",
    "inboxes.head": "about an inbox that was found by its application",
}
"""Statements that a customer's call reaches and that name neither account nor application, each with the reason. This
list may only shrink."""


class Operation(NamedTuple):
    """An operation of a document."""

    api: str
    method: str
    path: str
    """Below the API and its version; parameters in braces."""
    name: str
    example: Any
    prefix: str

    @property
    def place(self) -> str:
        """API and operationId."""
        return f"{self.api} {self.name}"


@cache
def document(api: str) -> dict[str, Any]:
    """The API's document as it is served."""
    found: dict[str, Any] = read_yaml(bundled(northbound.DOCUMENTS[api]))
    return found


def resolved(api: str, node: Any) -> Any:
    """What a reference stands for."""
    while isinstance(node, dict) and "$ref" in node:
        target: Any = document(api)
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = target
    return node


@cache
def operations() -> tuple[Operation, ...]:
    """All there are."""
    return tuple(_operations())


def _operations() -> Iterator[Operation]:
    for api in sorted(northbound.DOCUMENTS):
        prefix = re.sub(r"^.*?(?=/" + api + "/)", "", document(api)["servers"][0]["url"])
        for path, item in document(api)["paths"].items():
            for method in METHODS:
                if method in item:
                    body = resolved(api, item[method].get("requestBody"))
                    examples = body["content"]["application/json"]["examples"].values() if body else ()
                    example = next((resolved(api, each)["value"] for each in examples), None)
                    yield Operation(api, method.upper(), path, item[method]["operationId"], example, prefix)


def is_left_out(operation: Operation) -> bool:
    """Whether it names nothing, by the list."""
    return any(re.fullmatch(name.replace("*", ".*"), operation.name) for name in NAMES_NOTHING)


def renamed(value: Any, number: str) -> Any:
    """A body with this number in place of the example's own."""
    return json.loads(json.dumps(value).replace(OWN, number))


def never_given(id_: str) -> str:
    """An id of the same form and the same beginning."""
    return id_[:-6] + id_[-6:].translate(
        str.maketrans("0123456789abcdefghijklmnopqrstuvwxyz", "1234567890bcdefa" + "ihkjmlonqpsrutwvyxzg")
    )


class Walk:
    """A server with all its APIs, two accounts, and what the stranger has."""

    def __init__(self, house: House, client: Client, watched: Watched) -> None:
        self.house = house
        self.client = client
        self.watched = watched

    async def ask(self, operation: Operation, body: Any, id_: str = "", *, token: str | None = None) -> Reply:
        path = operation.prefix + re.sub(r"\{\w+\}", id_, operation.path)
        path += "?wait=0" if operation.name == "takeEvents" else ""
        headers = [("x-correlator", "walk")]
        token = token or self.house.token
        return await self.client(operation.method, path, body, token=token, headers=headers, camara=False)

    async def compare(self, operation: Operation, foreign: tuple[Any, str], unknown: tuple[Any, str]) -> Reply:
        """The answer to both, which must be one."""
        await self.ask(operation, *unknown)  # what is read with the first call only
        seen = []
        for body, id_ in (unknown, foreign):
            self.watched.seen.clear()
            reply = await self.ask(operation, body, id_)
            said = repr((reply.status, sorted(reply.headers.items()), reply.body))
            for mine in (UNKNOWN, FOREIGN, UNKNOWN[1:], FOREIGN[1:], *filter(None, (unknown[1], foreign[1]))):
                said = said.replace(mine, "NAME")
            seen.append((without_ids(said), sorted(one for one in self.watched.seen if one[0] not in ELSEWHERE)))
        assert seen[1][0] == seen[0][0], f"{operation.place}: another answer"
        assert seen[1][1] == seen[0][1], f"{operation.place}: other statements"
        return reply


def without_ids(said: str) -> str:
    """Without what is new in each answer: ids, times and lengths."""
    said = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", said)
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)", "TIME", said)


@pytest.fixture
async def walk(database: Database, vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    house = House(database, vault)
    await house.furnish()
    settings = Settings(
        data_dir=str(tmp_path),
        subscriptions_per_second=100_000,
        calls_per_second=100_000,
        subscriptions_per_app_and_sim=100,  # the walk makes two by each API
    )
    customers = Customers(
        settings,
        database,
        vault,
        tokens=house.tokens,
        accounts=house.accounts,
        sims=house.sims,
        delivering=delivery_settings(settings),
        meter=house.metered.append,
        committed=lambda _outcome: None,
        accepted=lambda: None,
        refused=lambda _limit: None,
        limited=lambda _limit: None,
        worker=Claim("walk", ()),
        buckets=Buckets(database, "walk"),
        carriers=["ejoin"],
        centres=[],
        driver_for=lambda _access: pytest.fail("nothing is sent"),
    )
    apis = customers.apis()
    assert apis.keys() == northbound.DOCUMENTS.keys(), "all of them"
    for number in (OWN, FOREIGN):
        await house.stand(52.5, 13.4, number)
        await address(database, number)
    await database.execute("update sim set limits = '{\"data_allowance\": 10}'")
    await database.execute(
        "insert into data_volume select bucket, imsi, date_trunc('hour', now()), 1, account_id, 1, 1, now() from sim"
    )
    monkeypatch.setattr(listen, "_gone", _never)  # the client stays until it has an answer
    return Walk(house, Client(northbound.ApisFirst(house.app, apis)), Watched(monkeypatch, apart=()))


async def _never(_receive: object) -> None:
    await asyncio.Event().wait()


async def address(database: Database, number: str) -> None:
    """Give a SIM names of all other kinds."""
    imsi = "46000" + number[-10:]
    await database.execute(
        "update sim set iccid = $3, nai = $4 where bucket = $1 and imsi = $2",
        bucket_of(imsi),
        imsi,
        f"8986{imsi}",
        f"{imsi}@iot.example",
    )


def test_what_is_left_out_is_there() -> None:
    names = [each.name for each in operations()]
    unused = [one for one in NAMES_NOTHING if not any(re.fullmatch(one.replace("*", ".*"), each) for each in names)]
    assert unused == [], "to be taken from the list"


async def test_a_foreign_name_is_answered_as_one_that_never_was(walk: Walk) -> None:
    walked = 0
    made: dict[str, str] = {}
    for operation in operations():
        if is_left_out(operation):
            continue
        walked += 1
        if "{" not in operation.path:
            assert OWN in json.dumps(operation.example), f"{operation.place}: its first example names no SIM"
            reply = await walk.compare(
                operation, (renamed(operation.example, FOREIGN), ""), (renamed(operation.example, UNKNOWN), "")
            )
            assert reply.status not in (400, 401, 403, 405, 406, 415, 500), (operation.place, reply.body)
            continue
        id_ = await something(walk, operation, made, FOREIGN, walk.house.stranger)
        reply = await walk.compare(operation, (operation.example, id_), (operation.example, never_given(id_)))
        assert (reply.status, never_given(id_) == id_) == (404, False), (operation.place, reply.body)
    assert walked > 60


async def something(walk: Walk, operation: Operation, made: dict[str, str], number: str, token: str) -> str:
    """The id of something that its owner has in the collection of this operation."""
    before = operation.path.partition("/{")[0]
    collection = OF_A_COLLECTION.get(before.strip("/"), before)
    place = f"{operation.api} {collection}"
    if operation.api == "billing":
        return await an_invoice(walk, token)
    if place not in made or operation.method == "DELETE":
        wanted = operation.api, "POST", collection
        maker = next(each for each in operations() if (each.api, each.method, each.path) == wanted)
        reply = await walk.ask(maker, renamed(maker.example, number), token=token)
        assert reply.status in (200, 201, 202), (place, reply.body)
        made[place] = next(reply.json[name] for name in IDS if name in reply.json)
    return made[place]


async def an_invoice(walk: Walk, token: str) -> str:
    """The number of a new invoice of whom this token belongs to."""
    caller = await walk.house.tokens.check(token)
    assert caller is not None
    async with walk.house.db.transaction() as connection:
        serial = await invoices.take_numbers(connection, OPERATOR, InvoiceKind.INVOICE, 1)
        made = await VirtualBilling().invoice(caller.account_id, SANDBOX_INVOICE)
        made = msgspec.structs.replace(made, number=f"INV-{serial:06}")
        await invoices.insert(connection, OPERATOR, [NewInvoice(serial, made, attempt=serial)], made.issued_at)
    return made.number


async def test_a_foreign_inbox_is_no_sink(walk: Walk) -> None:
    inbox = next(each for each in operations() if each.name == "openInbox")
    theirs = (await walk.ask(inbox, {}, token=walk.house.stranger)).json["sink"]
    makers = [each for each in operations() if "sink" in (each.example or {})]
    assert len(makers) > 9
    for operation in makers:
        foreign, unknown = ({**operation.example, "sink": sink} for sink in (theirs, never_given(theirs)))
        foreign.pop("sinkCredential", None), unknown.pop("sinkCredential", None)
        reply = await walk.compare(operation, (foreign, theirs), (unknown, never_given(theirs)))
        assert reply.status == 400


async def test_a_foreign_card_is_found_by_none_of_its_names(walk: Walk) -> None:
    makers = [each for each in operations() if "devices" in (each.example or {}) and each.path != "/add"]
    for operation in makers:
        for foreign, unknown in (
            ({"imsi": f"46000{FOREIGN[-10:]}"}, {"imsi": f"46000{UNKNOWN[-10:]}"}),
            ({"iccid": f"898646000{FOREIGN[-10:]}"}, {"iccid": f"898646000{UNKNOWN[-10:]}"}),
        ):
            reply = await walk.compare(operation, ({"devices": [foreign]}, ""), ({"devices": [unknown]}, ""))
            assert reply.status == 404


async def test_the_walk_finds_what_is_the_callers_own_by_statements_that_name_the_account(walk: Walk) -> None:
    """Else it would compare two refusals that have nothing to do with the names."""
    own, made = 0, dict[str, str]()
    walk.watched.seen.clear()
    for operation in operations():
        if is_left_out(operation):
            continue
        if "{" in operation.path:
            id_ = await something(walk, operation, made, OWN, walk.house.token)
            assert (await walk.ask(operation, operation.example, id_)).status != 403
        elif operation.example is not None:
            found = [(await walk.ask(operation, renamed(operation.example, each))).status for each in (UNKNOWN, OWN)]
            own += found[0] != found[1]
    assert own >= 25
    reached = {statement for statement, _ in walk.watched.seen}
    wrong = {name for name, statement in named().items() if statement in reached and without_account(statement)}
    assert sorted(wrong - WITHOUT_ACCOUNT.keys()) == [], "name the account, or say why not"
    assert sorted(WITHOUT_ACCOUNT.keys() - wrong) == [], "to be taken from the list"


def named() -> dict[str, str]:
    """All named queries."""
    return {f"{path.stem}.{name}": text for path in QUERIES for name, text in load(path.stem).items()}


def without_account(statement: str) -> bool:
    """Whether a statement reads or changes rows of tenants, and none of them by account or application."""
    text = plain(statement)
    touched = set(re.findall(r"\b(?:from|join|update|using) ([a-z_]+)\b(?!\s*\()", text)) & TENANTS
    return bool(touched) and not re.search(r"\b(account_id|app_key)\b\s*(=|in\b|is not distinct from)", text)
