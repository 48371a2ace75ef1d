"""The steps of requests and answers in CAMARA's feature files, done to a real server in this process."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import msgspec
from tests.conformance import contract
from tests.conformance.gherkin import Steps
from tests.unit.northbound.asgi import Reply, call

from simwarden.accounts.tokens import Tokens

if TYPE_CHECKING:
    from tests.integration.northbound.house import House

step = Steps()
API = "iot-sim-fraud-prevention"
IMEI_CHANGE = f"org.camaraproject.{API}.v0.imei-change"
CORRELATOR = "b4333c46-49c0-4f62-80d7-f0ef930f1c46"
DEVICE = {"phoneNumber": "+8613800000001"}
UNKNOWN_DEVICE = {"phoneNumber": "+8613899999999"}
UNSUPPORTED_DEVICE = {"networkAccessIdentifier": "123456789@domain.com"}
_BODIES: dict[str, dict[str, Any]] = {
    "bind": {"bindType": "IMEIBIND", "device": DEVICE},
    "unbind": {"unBindType": "IMEIBIND", "device": DEVICE},
    "query": {"queryType": "IMEIBIND", "device": DEVICE},
    "subscriptions": {
        "protocol": "HTTP",
        "sink": "https://events.example.com/simwarden",
        "types": [IMEI_CHANGE],
        "config": {"subscriptionDetail": {"device": DEVICE}},
    },
}
"""A body for each resource that would be answered with success."""
IDENTIFIERS = r"(?:device identifier\(s\) supported by the implementation|valid device identifier\(s\))"


class FeatureWorld:
    """What the steps of one scenario share."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.path = ""
        self.headers: dict[str, str] = {}
        self.body: dict[str, Any] = {}
        self.raw: bytes | None = None
        """The body, where it is not JSON of `body`."""
        self.reply: Reply | None = None
        self.stack = contextlib.AsyncExitStack()
        """What is to be stopped when the scenario is over."""

    @property
    def api(self) -> str:
        """The API that the resource belongs to."""
        return self.path.split("/")[1]

    def holder(self, path: str) -> tuple[dict[str, Any], str]:
        """Where the property `$.a.b` of the request body stands, made if need be, and its name there."""
        *parents, name = path.removeprefix("$.").split(".")
        node = self.body
        for parent in parents:
            node = node.setdefault(parent, {})
        return node, name

    @property
    def answer(self) -> Reply:
        """The answer; there must be one by now."""
        assert self.reply is not None, "nothing was sent"
        return self.reply

    def property(self, path: str) -> Any:
        """A property of the answer's body by `$.name.name`."""
        node = self.answer.json
        for name in path.removeprefix("$.").split("."):
            node = node[name]
        return node

    async def authorize(self, *, scopes: frozenset[str] | None = None) -> None:
        """Carry a valid access token with these scopes (None: all)."""
        application = self.house.issued.application
        token = await self.house.tokens.issue(application, scopes or application.scopes)
        self.headers["Authorization"] = f"Bearer {token}"

    async def authorize_about(self, number: str) -> None:
        """Carry a token with all scopes that identifies a device, as an application gets one (OpenID Connect CIBA)."""
        self.headers["Authorization"] = f"Bearer {await self.house.token_about(number)}"


@step('an environment at "apiRoot"')
def environment(world: FeatureWorld) -> None:
    assert world.house.app is not None


@step('the resource "(.+)"')
def resource(world: FeatureWorld, path: str) -> None:
    """The body is a valid one until a step changes it."""
    world.path = path
    own = path.startswith("/iot-sim-fraud-prevention")
    known = next((part for part in reversed(path.split("/")) if own and part in _BODIES), None)
    world.body = json.loads(json.dumps(example(path) if known is None else _BODIES[known]))


def example(path: str) -> Any:
    """The first body of the document for an operation."""
    _, api, _, below = path.split("/", 3)
    held = contract.ours(api)
    body = held.inlined(held.paths[f"/{below}"]["post"]["requestBody"])
    return next(iter(body["content"]["application/json"]["examples"].values()))["value"]


@step('the header "Authorization" is set to a valid access token(?: which does not identify a single device)?')
async def valid_token(world: FeatureWorld) -> None:
    await world.authorize()


@step('the header "Authorization" is set to a valid access token identifying a device')
async def device_token(world: FeatureWorld) -> None:
    await world.authorize_about(str(DEVICE["phoneNumber"]))


@step('the header "Authorization" is set to a valid access token without scope "(.+)"')
async def narrow_token(world: FeatureWorld, scope: str) -> None:
    """Without those that allow the same either: Commonalities has one for each event type."""
    same = {one for one in world.house.issued.application.scopes if one.endswith(":create")}
    await world.authorize(scopes=frozenset(world.house.issued.application.scopes) - {scope} - same)


@step('the header "Authorization" is set to a valid access token with scope "(.+)" only')
async def token_with(world: FeatureWorld, scope: str) -> None:
    await world.authorize(scopes=frozenset({scope}))


@step('the header "Authorization" is set to an expired access token')
async def expired_token(world: FeatureWorld) -> None:
    house = world.house
    past = Tokens(house.accounts, house.keys, issuer=house.tokens.issuer, now=lambda: time.time() - 7200)
    token = await past.issue(house.issued.application, house.issued.application.scopes)
    world.headers["Authorization"] = f"Bearer {token}"


@step('the header "x-correlator" complies with the schema at "#/components/schemas/XCorrelator"')
def correlator(world: FeatureWorld) -> None:
    world.headers["x-correlator"] = CORRELATOR


@step('the header "([A-Za-z-]+)" is set to "(.+)"')
def any_header(world: FeatureWorld, name: str, value: str) -> None:
    world.headers[name] = value


@step('the header "([A-Za-z-]+)" is not (?:sent|included)')
def no_header(world: FeatureWorld, name: str) -> None:
    world.headers.pop(name, None)


@step("a valid (?:bind|unbind|query|subscription) request body")
def valid_body(world: FeatureWorld) -> None:
    assert world.body


@step('a valid (?:bind|unbind|query) request body with (bindType|unBindType|queryType) "(.+)"')
def valid_body_with(world: FeatureWorld, name: str, value: str) -> None:
    world.body[name] = value


@step(f"the request body includes {IDENTIFIERS}")
def with_device(world: FeatureWorld) -> None:
    world.body["device"] = DEVICE


@step(r'the request body (?:does not include property "(\$\.[\w.]+)"|property "(\$\.[\w.]+)" is not included)')
def without(world: FeatureWorld, path: str | None, same: str | None) -> None:
    node, name = world.holder(path or same or "")
    del node[name]


@step(r'the request body property "(\$\.[\w.]+)" is set to an invalid value')
def invalid(world: FeatureWorld, path: str) -> None:
    node, name = world.holder(path)
    node[name] = "INVALID"


@step(r'the request body property "(\$\.[\w.]+)" is set to an empty object')
def empty_object(world: FeatureWorld, path: str) -> None:
    node, name = world.holder(path)
    node[name] = {}


@step(r'the request body property "(\$\.[\w.]+)" is set to (["\[{\d].*|true|false)')
def set_to(world: FeatureWorld, path: str, value: str) -> None:
    node, name = world.holder(path)
    node[name] = json.loads(value)


@step("the request body is the text (.+)")
def raw_body(world: FeatureWorld, text: str) -> None:
    world.raw = text.encode()


@step("the request body is not included")
def no_body(world: FeatureWorld) -> None:
    world.raw = b""


@step(r'the request body property "\$\.device" is set to a valid device')
def valid_device(world: FeatureWorld) -> None:
    world.body["device"] = DEVICE


@step(r'the request body property "\$\.device" includes identifiers that cannot be matched to a registered device')
def unknown_device(world: FeatureWorld) -> None:
    world.body["device"] = UNKNOWN_DEVICE


@step("that some types of device identifiers are not supported by the implementation")
def some_unsupported(_world: FeatureWorld) -> None:
    """Network access identifiers are switched off."""


@step(r'the request body property "\$\.device" only includes device identifiers not supported by the implementation')
def unsupported_device(world: FeatureWorld) -> None:
    world.body["device"] = UNSUPPORTED_DEVICE


@step("the device has existing IMEI binding")
async def bound(world: FeatureWorld) -> None:
    status, _ = await world.house.ask(f"/{API}/v0.1/bind", DEVICE)
    assert status == 200


@step("the device does not have existing IMEI binding")
async def unbound(world: FeatureWorld) -> None:
    _, answer = await world.house.ask(f"/{API}/v0.1/query", DEVICE)
    assert answer["imeiBind"]["bindStatus"] == "UNBOUND"


@step("the device has existing area restriction")
async def restricted(world: FeatureWorld) -> None:
    status, _ = await world.house.ask(f"/{API}/v0.1/bind", DEVICE, what="AREALIMIT")
    assert status == 200


@step("the device has been seen at a place")
async def placed(world: FeatureWorld) -> None:
    await world.house.stand(52.5, 13.4)


@step("the device does not have existing area restriction")
async def unrestricted(world: FeatureWorld) -> None:
    _, answer = await world.house.ask(f"/{API}/v0.1/query", DEVICE, what="AREALIMIT")
    assert answer == {"areaLimit": {"areaLimitStatus": "UNRESTRICTED"}}


@step("the API consumer has exceeded their quota limit")
async def quota_exceeded(world: FeatureWorld) -> None:
    application = world.house.issued.application
    await world.house.accounts.set_daily_quota(application.app_key, 1)
    world.house.tokens.invalidate(application.app_key)
    status, _ = await world.house.ask(f"/{API}/v0.1/query", DEVICE)
    assert status == 200


OPERATIONS = "[a-zA-Z]+"
"""The name is for people: resource and method say which operation it is."""


@step(f'the (?:HTTP )?(POST|GET|DELETE) request "{OPERATIONS}" is sent')
async def send(world: FeatureWorld, method: str) -> None:
    body = b"" if method != "POST" else msgspec.json.encode(world.body) if world.raw is None else world.raw
    world.reply = await call(world.house.app, method, world.path, body, list(world.headers.items()))
    # A mock sink speaks plain http, which only a test may; all else is held against the document.
    held = msgspec.structs.replace(world.reply, body=world.reply.body.replace(b'"sink":"http:', b'"sink":"https:'))
    contract.ours(world.api).check(method, "/" + world.path.split("/", 3)[3], held)


@step(r"the response (?:status )?code is (\d+)")
def status_is(world: FeatureWorld, status: str) -> None:
    assert world.answer.status == int(status), f"{world.answer.status} {world.answer.body!r}"


@step('the response header "Content-Type" is "(.+)"')
def content_type_is(world: FeatureWorld, value: str) -> None:
    assert world.answer.headers["content-type"] == value


@step('the response header "x-correlator" has same value as the request header "x-correlator"')
def correlator_is(world: FeatureWorld) -> None:
    assert world.answer.headers["x-correlator"] == world.headers["x-correlator"]


@step('the response body complies with the schema defined by "#/components/schemas/(.+)"')
def complies(world: FeatureWorld, name: str) -> None:
    upstream = contract.camaras(world.api) or contract.ours(world.api)
    errors = list(upstream.schema(name).iter_errors(world.answer.json))
    assert not errors, errors[0].message


@step(r'the response property "(\$\.[\w.]+)" is true')
def is_true(world: FeatureWorld, path: str) -> None:
    assert world.property(path) is True


@step(r'the response property "(\$\.[\w.]+)" is (\d+)')
def is_number(world: FeatureWorld, path: str, value: str) -> None:
    assert world.property(path) == int(value)


@step(r'the response property "(\$\.[\w.]+)" is (not )?there')
def is_there(world: FeatureWorld, path: str, absent: str | None) -> None:
    assert (path.removeprefix("$.") in world.answer.json) is (absent is None)


@step(r'the response property "(\$\.[\w.]+)" is "(.+)"')
def is_text(world: FeatureWorld, path: str, value: str) -> None:
    assert world.property(path) == value


@step(r'the response property "(\$\.\w+)" contains "(.+)"')
def contains(world: FeatureWorld, path: str, value: str) -> None:
    assert value in world.property(path), world.property(path)


@step(r'the response property "(\$\.\w+)" contains a user[ -]friendly text')
def friendly(world: FeatureWorld, path: str) -> None:
    text = world.property(path)
    assert isinstance(text, str)
    assert " " in text
