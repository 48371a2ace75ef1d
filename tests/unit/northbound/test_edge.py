"""What happens to every call before its operation: correlator, paths, methods, media types, sizes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import structlog
from tests.unit.northbound.asgi import call
from tests.unit.northbound.world import Client, World

from simwarden.edge.throttle import HeldBack
from simwarden.engine.quota import Quotas
from simwarden.northbound.kernel.api import MAX_BODY
from simwarden.store.quotas import Reserved

if TYPE_CHECKING:
    from starlette.types import Message

V01 = "/iot-sim-fraud-prevention/v0.1"
QUERY = {"device": {"phoneNumber": "+8613800000001"}, "queryType": "IMEIBIND"}
JSON = ("content-type", "application/json")
TOKEN = ("authorization", "Bearer good")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world.app)


@pytest.mark.parametrize("value", ["a", "b4333c46-49c0-4f62-80d7-f0ef930f1c46", "A_z:;./<>{}-9", "x" * 256])
@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("POST", f"{V01}/query", "good", 200),
        ("POST", f"{V01}/query", "bad", 401),
        ("POST", f"{V01}/query", "narrow", 403),
        ("POST", f"{V01}/else", "good", 404),
        ("GET", f"{V01}/query", "good", 405),
        ("DELETE", "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions/1", "good", 404),
    ],
)
async def test_a_correlator_comes_back_with_every_answer(
    client: Client, value: str, method: str, path: str, token: str, status: int
) -> None:
    sent = QUERY if method == "POST" else None
    reply = await client(method, path, sent, token=token, headers=[("x-correlator", value)])
    assert (reply.status, reply.headers["x-correlator"]) == (status, value)


@pytest.mark.parametrize("value", ["x" * 257, "a b", "a\\b", "ü", "a\n", '"', "a,b", "(a)"])
async def test_a_correlator_of_wrong_form_is_refused_before_anything_else(client: Client, value: str) -> None:
    for path, token in ((f"{V01}/query", "good"), (f"{V01}/query", None), (f"{V01}/else", None)):
        reply = await client("POST", path, QUERY, token=token, headers=[("x-correlator", value)])
        assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
        assert "x-correlator" in reply.json["message"]
        assert uuid.UUID(reply.headers["x-correlator"])


@pytest.mark.parametrize("headers", [[], [("x-correlator", "")]])
async def test_without_a_correlator_a_new_one_is_made(client: Client, headers: list[tuple[str, str]]) -> None:
    made = {(await client("POST", f"{V01}/query", QUERY, headers=headers)).headers["x-correlator"] for _ in range(3)}
    assert len({uuid.UUID(each) for each in made}) == 3


@pytest.mark.parametrize(
    "path", ["/v0.1", "/v0.1/", "/", "/v9/bind", "/v0.1/bind/", "/v0.1/bind/x", "/v0.1//bind", "/vwip/else", "/bind"]
)
async def test_an_unknown_path_is_404(client: Client, path: str) -> None:
    reply = await client("POST", f"/iot-sim-fraud-prevention{path}", QUERY, camara=False)
    assert (reply.status, reply.json["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"])
async def test_a_wrong_method_is_405_and_says_which_is_right(client: Client, method: str) -> None:
    reply = await client(method, f"{V01}/bind")
    assert (reply.status, reply.json["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert reply.headers["allow"] == "POST"
    subscriptions = "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions"
    assert (await client("PUT", subscriptions)).headers["allow"] == "GET, POST"
    assert (await client("PUT", f"{subscriptions}/1")).headers["allow"] == "DELETE, GET"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("application/json-patch+json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
async def test_the_body_must_be_json(client: Client, content_type: str, status: int) -> None:
    reply = await client("POST", f"{V01}/query", QUERY, headers=[("content-type", content_type)])
    assert reply.status == status
    if status == 415:
        assert reply.json["code"] == "UNSUPPORTED_MEDIA_TYPE"


async def test_a_body_without_a_type_is_tried_and_a_compressed_one_refused(client: Client, world: World) -> None:
    assert (await call(world.app, "POST", f"{V01}/query", msgspec.json.encode(QUERY), [TOKEN])).status == 200
    assert (await client("POST", f"{V01}/query", QUERY, headers=[("content-encoding", "gzip")])).status == 415


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("text/html, application/json;q=0.5", 200),
        ("text/html, */*;q=0.1", 200),
        ("text/html", 406),
        ("application/xml;q=0.9", 406),
        ("application/json;q=0, text/html", 406),
        ("application/json;q=0, */*", 406),
        ("application/json;q=x", 406),
        ("", 200),
    ],
)
async def test_the_client_must_take_json(client: Client, accept: str, status: int) -> None:
    reply = await client("POST", f"{V01}/query", QUERY, headers=[("accept", accept)])
    assert reply.status == status
    if status == 406:
        assert reply.json["code"] == "NOT_ACCEPTABLE"


async def test_a_body_may_come_in_pieces(world: World) -> None:
    whole = msgspec.json.encode(QUERY)
    pieces = [whole[:5], b"", whole[5:]]
    assert (await call(world.app, "POST", f"{V01}/query", pieces, [TOKEN, JSON])).status == 200


@pytest.mark.parametrize("declared", [None, "100", str(MAX_BODY + 1), "9" * 5000, "x"])
async def test_a_body_has_at_most_64_kib(world: World, declared: str | None) -> None:
    headers = [TOKEN, JSON] + ([("content-length", declared)] if declared else [])
    head = msgspec.json.encode(QUERY)
    full = head + b" " * (MAX_BODY - len(head))
    for pieces in ([full + b" "], [full, b" "], [b" " * 1000] * 70):
        reply = await call(world.app, "POST", f"{V01}/query", pieces, headers)
        assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")
        assert str(MAX_BODY) in reply.json["message"]
    if declared in (None, "100", "x"):
        assert (await call(world.app, "POST", f"{V01}/query", [full], headers)).status == 200


async def test_a_body_that_is_cut_or_malformed_is_400(world: World) -> None:
    """The server's HTTP library tells of a malformed chunk as if the client had gone: it may be there, so answer it."""
    messages: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{V01}/query",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer good"), (b"x-correlator", b"cut")],
    }
    await world.app(scope, receive, send)
    assert (sent[0]["status"], dict(sent[0]["headers"])[b"x-correlator"]) == (400, b"cut")
    found = msgspec.json.decode(sent[1]["body"])
    assert (found["status"], found["code"]) == (400, "INVALID_ARGUMENT")
    assert "incomplete" in found["message"]


@pytest.mark.parametrize("value", ["Bearer good", "bearer good", "BEARER  good "])
async def test_the_scheme_of_a_token_may_be_written_as_one_likes(world: World, value: str) -> None:
    headers = [("authorization", value), JSON]
    assert (await call(world.app, "POST", f"{V01}/query", msgspec.json.encode(QUERY), headers)).status == 200


@pytest.mark.parametrize(
    "value", ["good", "Basic good", "Bearer", "Bearer ", "", "Token good", "Bearer bad, Bearer good"]
)
async def test_anything_else_is_no_token(world: World, value: str) -> None:
    reply = await call(world.app, "POST", f"{V01}/query", msgspec.json.encode(QUERY), [("authorization", value), JSON])
    assert (reply.status, reply.json["code"]) == (401, "UNAUTHENTICATED")


async def test_an_unexpected_failure_is_logged_once_with_its_correlator(client: Client, world: World) -> None:
    world.failure = ZeroDivisionError("boom")
    with structlog.testing.capture_logs() as logs:
        reply = await client("POST", f"{V01}/query", QUERY)
    assert reply.status == 500
    assert [(entry["correlator"], entry["exc_info"]) for entry in logs] == [
        (reply.headers["x-correlator"], world.failure)
    ]


async def test_query_strings_change_nothing(client: Client) -> None:
    reply = await client("POST", f"{V01}/query?device=x", QUERY, camara=False)
    assert reply.status == 200


@pytest.mark.parametrize("version", ["v0.1", "vwip"])
async def test_a_body_is_utf_8_also_where_it_is_ignored(client: Client, version: str) -> None:
    body = b'{"device": {"phoneNumber": "+8613800000001"}, "queryType": "IMEIBIND", "other": "\xff\xfe"}'
    reply = await client("POST", f"/iot-sim-fraud-prevention/{version}/query", body)
    assert (reply.status, reply.json["code"]) == (400, "INVALID_ARGUMENT")


async def test_what_an_application_is_refused_too_often_is_held_back_by_all_apis_together() -> None:
    waited: list[str] = []

    class Counted(HeldBack):
        async def wait(self, key: str) -> None:
            waited.append(key)

    class UsedUp:
        async def reserve(self, *_: Any) -> Reserved:
            return Reserved(0, 0, used_up=True)

    world = World(Quotas(UsedUp()), refusals=Counted())
    world.callers["good"] = msgspec.structs.replace(world.callers["good"], daily_quota=1)
    for path in (f"{V01}/query", "/subscription-status/v0.1/retrive-subscription-status"):
        assert (await Client(world.app)("POST", path, {})).status == 429
    assert waited == ["swk_meters"] * 2
