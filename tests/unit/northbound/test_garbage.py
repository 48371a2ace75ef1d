"""Whatever is sent: an answer of the contract, never a failure of the server."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance import contract
from tests.unit.northbound.test_subscriptions import body
from tests.unit.northbound.world import Client, World

from simwarden import northbound

OTHERS = {
    *("iot-device-management", "listen", "records", "billing"),
    *(f"short-message-subscriptions/vwip/retrieve-{what}" for what in ("received", "opt-outs")),
}
"""Whose requests may name nothing, and be right."""
EXAMPLES = {
    f"/{name}{path}": next(
        iter(document.inlined(item["post"]["requestBody"])["content"]["application/json"]["examples"].values())
    )["value"]
    for name in northbound.DOCUMENTS
    if name not in OTHERS
    for document in (contract.ours(name),)
    for path, item in document.paths.items()
    if "post" in item and "{" not in path
}
"""By path without its version: the first right body of the document, for every operation that takes one."""
PATHS = [
    f"/{name}{path}"
    for name, api in World().app.apis.items()
    for path, methods in api._endpoints.items()
    if "POST" in methods and not {name, f"{name}{path}"} & OTHERS and "{}" not in path
]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=30)
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
BINDING: dict[str, Any] = {
    "bindType": "IMEIBIND",
    "unBindType": "IMEIBIND",
    "queryType": "IMEIBIND",
    "device": {
        "phoneNumber": "+8613800000001",
        "networkAccessIdentifier": "a@b",
        "ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": 1},
        "ipv6Address": "2001:db8::1",
    },
}
SUBSCRIPTION = body(
    config__subscriptionExpireTime="2030-01-01T00:00:00Z",
    config__subscriptionMaxEvents=1,
    config__initialEvent=True,
    protocolSettings={"headers": {"a": "b"}, "method": "POST"},
    sinkCredential={
        "credentialType": "ACCESSTOKEN",
        "accessToken": "t",
        "accessTokenExpiresUtc": "2030-01-01T00:00:00Z",
        "accessTokenType": "bearer",
    },
)
DEVICE = BINDING["device"] | {"ipv4Address": {"publicAddress": "203.0.113.7", "publicPort": 2000}}
RIGHT: dict[str, Any] = {
    "bind": BINDING,
    "unbind": BINDING,
    "query": BINDING,
    "activate": {"functionType": "DATA", "device": DEVICE},
    "retrieve": {"device": DEVICE},
    "/location-retrieval/v0.5/retrieve": {"device": DEVICE, "maxAge": 60, "maxSurface": 1},
    "verify": {
        "device": DEVICE,
        "area": {"areaType": "CIRCLE", "center": {"latitude": 50.7, "longitude": 7.1}, "radius": 500},
        "maxAge": 60,
    },
    "manage": {"busiType": "apn", "action": "close", "busiParam": "iot.example", "device": DEVICE},
    "subscribe": {"sink": SUBSCRIPTION["sink"], "sinkCredential": SUBSCRIPTION["sinkCredential"], "device": DEVICE},
}
LIMITS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def places(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The paths of all properties in a JSON object."""
    if not isinstance(node, dict):
        return []
    return [found for key, value in node.items() for found in ((*path, key), *places(value, (*path, key)))]


def changed(node: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy of `node` with another value at `path`."""
    head, *rest = path
    return {**node, head: changed(node[head], tuple(rest), value) if rest else value}


@LIMITS
@given(path=st.sampled_from(PATHS), raw=st.binary(max_size=200))
async def test_bytes(path: str, raw: bytes) -> None:
    allowed = {400, 422} if raw.strip() == b"{}" else {400}  # drawn once in a while: a body that names no device
    assert (await Client(World().app)("POST", path, raw)).status in allowed


@LIMITS
@given(path=st.sampled_from(PATHS), value=JSON)
async def test_json(path: str, value: Any) -> None:
    reply = await Client(World().app)("POST", path, msgspec.json.encode(value))
    assert 400 <= reply.status < 500


@LIMITS
@given(data=st.data(), path=st.sampled_from(PATHS), value=JSON)
async def test_a_right_body_with_one_wrong_value(data: st.DataObject, path: str, value: Any) -> None:
    right = RIGHT.get(path) or RIGHT.get(path.rpartition("/")[2], BINDING)
    if path == "/device-card-binding-mgmt/v1/bind":
        right = {"bindType": "IMEIBIND", "bindInfo": {"imei": "352099001761481"}, "device": DEVICE}
    sent = changed(right, data.draw(st.sampled_from(places(right))), value)
    assert (await Client(World().app)("POST", path, sent)).status < 500


@LIMITS
@given(
    path=st.sampled_from(PATHS),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    *("x-correlator", "accept", "content-type", "content-encoding", "content-length"),
                    "idempotency-key",
                ]
            ),
            st.text(st.characters(max_codepoint=255), max_size=40),
        ),
        max_size=4,
    ),
)
async def test_headers(path: str, headers: list[tuple[str, str]]) -> None:
    assert (await Client(World().app)("POST", path, BINDING, headers=headers)).status < 500


@LIMITS
@given(
    method=st.sampled_from(["GET", "DELETE", "POST"]),
    path=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="?"), max_size=40),
)
async def test_paths(method: str, path: str) -> None:
    for api in ("/iot-sim-fraud-prevention/v0.1/", "/iot-sim-fraud-prevention-subscriptions/v0.1/subscriptions/"):
        assert 400 <= (await Client(World().app)(method, api + path)).status < 500
