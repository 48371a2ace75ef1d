"""Where a used-up quota stands among the checks, and whom it does not concern."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.unit.northbound.world import API, NOW, SUBSCRIPTIONS, Client, World

from simwarden.domain.errors import StoreUnavailable
from simwarden.engine.quota import Quotas
from simwarden.store.quotas import Reservation, Reserved, divide

if TYPE_CHECKING:
    from datetime import date

PHONE = {"phoneNumber": "+8613800000001"}
BIND, QUERY = ({kind: "IMEIBIND", "device": PHONE} for kind in ("bindType", "queryType"))
MANAGE = "/device-communication-function-mgmt/v1/manage"
CARD = "/device-card-binding-mgmt/v1"
FUNCTION = "/device-communication-function/vwip"
DEVICES = "/iot-device-management/vwip"
SUBSCRIBE = {
    "protocol": "HTTP",
    "sink": "https://events.example.com/x",
    "types": ["org.camaraproject.iot-sim-fraud-prevention.v0.imei-change"],
    "config": {"subscriptionDetail": {"device": PHONE}},
}


class Ledger:
    """So many calls are counted."""

    def __init__(self) -> None:
        self.counted = 0
        self.readings = 0
        self.world = World(Quotas(self, clock=lambda: NOW))

    async def reserve(self, held: Any, today: date, ahead: int) -> Reserved:
        self.readings += 1
        made = self.counted + len(self.world.used) + len(self.world.read_only)
        wanted = Reservation(held.quota, today, made, 0, held.open + held.left, held.waiting, ahead, 8)
        return divide(wanted, 0, 0)

    def limit(self, daily_quota: int | None) -> None:
        """Give the application `good` a quota."""
        callers = self.world.callers
        for name in ("good", "device", "narrow"):
            callers[name] = msgspec.structs.replace(callers[name], daily_quota=daily_quota)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def world(ledger: Ledger) -> World:
    return ledger.world


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


COUNTED: list[tuple[str, Any]] = [
    (f"/{API}/v0.1/bind", BIND),
    (f"/{API}/v0.1/unbind", {"unBindType": "IMEIBIND", "device": PHONE}),
    (f"/{API}/vwip/query", QUERY),
    (f"/{SUBSCRIPTIONS}/v0.1/subscriptions", SUBSCRIBE),
    (f"{CARD}/bind", {"bindType": "IMEIBIND", "device": PHONE}),
    (f"{CARD}/unbind", {"bindType": "IMEIBIND", "device": PHONE}),
    (f"{CARD}/query", {"bindType": "IMEIBIND", "device": PHONE}),
    (f"{CARD}/subscribe", {"sink": "https://events.example.com/x", "device": PHONE}),
    (f"{FUNCTION}/activate", {"functionType": "SMS", "device": PHONE}),
    (f"{FUNCTION}/deactivate", {"functionType": "SMS", "device": PHONE}),
    (f"{FUNCTION}/retrieve", {"device": PHONE}),
    (MANAGE, {"busiType": "sms", "action": "close", "device": PHONE}),
    (MANAGE, {"busiType": "sms", "action": "query", "device": PHONE}),
    ("/subscription-status/v0.1/retrive-subscription-status", PHONE),
    *(
        (f"{DEVICES}/{verb}", {"devices": [PHONE]})
        for verb in ("activate", "suspend", "restore", "deactivate", "delete")
    ),
    (f"{DEVICES}/add", {"devices": [{"imsi": "460001380000077"}]}),
    (f"{DEVICES}/retrieve-status", {"device": PHONE}),
]


@pytest.mark.parametrize(("path", "body"), COUNTED, ids=[f"{path}-{n}" for n, (path, _) in enumerate(COUNTED)])
async def test_everything_that_is_counted_is_refused(ledger: Ledger, client: Client, path: str, body: Any) -> None:
    ledger.limit(100)
    ledger.counted = 100
    before = dict(ledger.world.sims)
    reply = await client("POST", path, body, headers=[("idempotency-key", "k"), ("x-correlator", "c-1")])
    assert (reply.status, reply.json["code"]) == (429, "QUOTA_EXCEEDED")
    assert reply.json["message"] == (
        "Rejected due to exceeding a business quota limit: 100 calls a day of this application."
    )
    assert reply.headers["ratelimit-policy"] == '"application-daily";q=100;w=86400'
    assert reply.headers["ratelimit"] == '"application-daily";r=0;t=43200'
    assert reply.headers["retry-after"] == str(12 * 3600)
    assert reply.headers["x-correlator"] == "c-1"
    world = ledger.world
    assert (world.used, world.read_only, world.created, world.causes) == ([], [], [], [])
    assert (world.sims, world.answers.kept) == (before, {}), "nothing is changed, nor kept as the answer"
    assert [one.status for one in world.metered] == [429]


async def test_ones_own_subscriptions_can_be_read_ended_and_their_secrets_renewed(
    ledger: Ledger, client: Client
) -> None:
    made = await client("POST", f"/{SUBSCRIPTIONS}/v0.1/subscriptions", SUBSCRIBE)
    assert made.status == 201
    ledger.limit(1)
    ledger.counted = 1
    path = f"/{SUBSCRIPTIONS}/v0.1/subscriptions"
    own = f"{path}/{made.json['id']}"
    assert (await client("POST", path, SUBSCRIBE)).status == 429
    assert (await client("GET", path)).status == 200
    assert (await client("GET", own)).status == 200
    assert (await client("POST", f"{own}/rotate-secret", {})).status == 200
    assert (await client("DELETE", own)).status == 204
    assert (await client("GET", f"{DEVICES}/operations/nothing")).status == 404


async def test_it_comes_behind_token_scope_and_form_and_before_the_content(ledger: Ledger, client: Client) -> None:
    ledger.limit(1)
    ledger.counted = 1
    path = f"/{API}/v0.1/bind"
    text = [("content-type", "text/plain")]
    assert (await client("POST", path, BIND, token=None)).status == 401
    assert (await client("POST", path, BIND, token="narrow")).status == 403
    assert (await client("GET", path)).status == 405
    assert (await client("POST", path, BIND, headers=[("accept", "text/html")])).status == 406
    assert (await client("POST", path, b"x", headers=text)).status == 415
    assert (await client("POST", path, BIND, headers=[("idempotency-key", "a b")])).status == 400
    assert ledger.readings == 0
    assert (await client("POST", path, {"bindType": 7})).status == 429
    assert (await client("POST", path, BIND, token="device")).status == 429, "a 3-legged token is the application's too"


async def test_an_application_without_a_quota_is_never_looked_up(ledger: Ledger, client: Client) -> None:
    ledger.counted = 1_000_000
    assert (await client("POST", f"/{API}/v0.1/query", QUERY)).status == 200
    assert ledger.readings == 0


async def test_an_answer_given_before_is_given_again(ledger: Ledger, client: Client) -> None:
    ledger.limit(1)
    key = [("idempotency-key", "k")]
    first = await client("POST", f"/{API}/v0.1/bind", BIND, headers=key)
    again = await client("POST", f"/{API}/v0.1/bind", BIND, headers=key)
    assert (first.status, again.status, again.headers["idempotent-replayed"]) == (200, 200, "true")
    assert (await client("POST", f"/{API}/v0.1/bind", BIND)).status == 429
    other = {"bindType": "AREALIMIT", "device": PHONE}
    assert (await client("POST", f"/{API}/v0.1/bind", other, headers=key)).status == 422


async def test_what_was_refused_or_changed_nothing_uses_nothing_up(ledger: Ledger, client: Client) -> None:
    ledger.limit(1)
    unknown = {**QUERY, "device": {"phoneNumber": "+8613899999999"}}
    assert (await client("POST", f"/{API}/v0.1/query", unknown)).status == 404
    assert (await client("POST", f"/{API}/v0.1/query", {})).status == 400
    for name in ("idempotency-key", "x-other"):
        body = {"busiType": "sms", "action": "open", "device": PHONE}
        reply = await client("POST", MANAGE, body, headers=[(name, "k")])
        assert (reply.status, reply.json["code"]) == (200, "NO_CHANGE")
    accepted = await client("POST", f"{DEVICES}/add", {"devices": [{"imsi": "460001380000077"}]})
    assert accepted.status == 202, "its devices are counted when they are done"
    assert (await client("POST", f"/{API}/v0.1/query", QUERY)).status == 200
    assert (await client("POST", f"/{API}/v0.1/query", QUERY)).status == 429


async def test_a_call_that_breaks_gives_its_place_back(
    ledger: Ledger, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.limit(1)

    async def broken(*_: Any) -> Any:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(ledger.world, "find", broken)
        assert (await client("POST", f"/{API}/v0.1/query", QUERY)).status == 500
    assert (await client("POST", f"/{API}/v0.1/query", QUERY)).status == 200


async def test_a_ledger_that_cannot_be_read_is_503(client: Client, ledger: Ledger, world: World) -> None:
    class Away:
        async def reserve(self, *_: Any) -> Reserved:
            raise StoreUnavailable

    ledger.limit(1)
    unreadable = World(Quotas(Away(), clock=lambda: NOW + timedelta(seconds=1)))
    unreadable.callers = world.callers
    reply = await Client(unreadable.app)("POST", f"/{API}/v0.1/query", QUERY)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
