"""Our OpenAPI documents: well-formed by CAMARA's rules, in step with the code, and not wider than CAMARA's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance import contract
from tests.support.documents import read_yaml
from tests.unit.northbound.asgi import Reply
from tests.unit.northbound.world import World

from simwarden import northbound
from simwarden.accounts.scopes import KNOWN, SETS, of_operations, said
from simwarden.reference.bundle import bundled

if TYPE_CHECKING:
    from collections.abc import Iterator

KEBAB = {"activate-communication-function", "deactivate-communication-function", "send-sms"}
"""Names of operations that CAMARA wrote against its own rules, and that are served as they are written."""
BY_EVENT_TYPE = re.compile(r"[a-z-]+-subscriptions:org\.camaraproject\..+:create")
"""Scopes that Commonalities wants for each event type, beside that of the document."""
EARLY = {"sms": "v0alpha1", "sms-delivery-notification-subscriptions": "v0alpha1"}
"""APIs of CAMARA's first years, with versions of an alpha, and scopes that do not begin with the API's name."""
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(params=sorted(northbound.DOCUMENTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(bundled(northbound.DOCUMENTS[name]))
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method, path, operation


def scopes_of(operation: dict[str, Any]) -> Iterator[str]:
    """Those that a token may have; with CAMARA one requirement names several, of which any one is meant."""
    return (scope for requirement in operation["security"] for scope in requirement["openId"])


def schemas(node: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema with a type, wherever it stands."""
    if isinstance(node, dict):
        if isinstance(node.get("type"), str) and not {"in", "scheme", "openIdConnectUrl"} & node.keys():
            yield name, node
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from schemas(value, f"{name}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from schemas(value, f"{name}/{index}")


def test_the_head_is_as_camara_wants_it(name: str, document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.0.3"
    version = document["info"]["version"]
    major, minor, *_ = (version if version != "wip" else "wip.0.0").split(".")
    assert document["info"]["license"] == {
        "name": "Apache 2.0",
        "url": "https://www.apache.org/licenses/LICENSE-2.0.html",
    }
    assert document["info"]["x-camara-commonalities"]
    served = EARLY.get(name) or f"v{major if major != '0' else f'0.{minor}'}"
    assert document["servers"][0]["url"] == f"{{apiRoot}}/{name}/{served}"


def test_every_operation_is_fully_described(name: str, document: dict[str, Any]) -> None:
    ids = set()
    for method, path, operation in operations(document):
        assert re.fullmatch(r"(/[a-z0-9-]+|/\{[a-z][A-Za-z]+Id\})+", path)
        assert re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"]) or operation["operationId"] in KEBAB
        ids.add(operation["operationId"])
        assert operation["summary"]
        assert operation["description"]
        assert len(operation["tags"]) == 1
        assert {"400", "401", "403"} <= operation["responses"].keys()
        assert {"$ref": "#/components/parameters/x-correlator"} in operation["parameters"]
        assert ("requestBody" in operation) == (method == "post")
        for requirement in operation["security"]:
            [scope] = requirement["openId"]
            assert name in EARLY or scope == name or scope.startswith(f"{name}:")
            assert scope in KNOWN
        held = contract.ours(name)
        for response in operation["responses"].values():
            assert "x-correlator" in held.inlined(response)["headers"]
    assert len(ids) == len(list(operations(document)))


def test_every_schema_has_its_limits(document: dict[str, Any]) -> None:
    for where, schema in schemas({key: document[key] for key in ("paths", "components")}):
        if schema["type"] == "string":
            assert {"maxLength", "enum"} & schema.keys(), where
            assert ("format" in schema and "RFC 3339" in schema["description"]) or schema.get("format") != "date-time"
        elif schema["type"] == "integer" and "enum" not in schema:
            assert {"format", "minimum", "maximum"} <= schema.keys(), where
        elif schema["type"] == "array":
            assert {"maxItems", "items"} <= schema.keys(), where
        if "/properties/" in where and "/allOf/" not in where:
            assert schema.get("description"), where


def test_code_and_document_have_the_same_operations_and_scopes(name: str, document: dict[str, Any]) -> None:
    api = World().app.apis[name]
    served = {
        (path, method.lower(), endpoint.name, scope)
        for path, methods in api._endpoints.items()
        for method, endpoint in methods.items()
        for scope in api._scopes[endpoint.name]
    }
    versions = {path.split("/")[1] for path in api._endpoints}
    assert document["servers"][0]["url"].rpartition("/")[2] in versions
    written = {
        (f"/{version}{re.sub(r'{[^}]+}', '{}', path)}", method, each["operationId"], requirement["openId"][0])
        for version in versions
        for method, path, each in operations(document)
        for requirement in each["security"]
    }
    assert served == written


def test_scopes_are_read_from_the_text_as_the_document_has_them(name: str, document: dict[str, Any]) -> None:
    allowing = {
        each["operationId"]: frozenset(scope for requirement in each["security"] for scope in requirement["openId"])
        for _, _, each in operations(document)
    }
    assert of_operations(northbound.DOCUMENTS[name]) == allowing
    written = document["x-simwarden-scopes"]
    assert written.keys() == frozenset[str]().union(*allowing.values())
    for scope, entry in written.items():
        assert KNOWN[scope] == entry["allows"]
        assert all(scope in SETS[each] for each in entry.get("sets", []))
        for name in entry.keys() - {"allows", "sets"}:
            assert said(name)[scope] == entry[name]
        assert any(scope in SETS[each] for each in SETS if each != "all") == bool(entry.get("sets"))


def test_examples_keep_their_own_schemas(name: str, document: dict[str, Any]) -> None:
    held = contract.ours(name)
    checked = 0
    for _, _, operation in operations(document):
        bodies = map(held.inlined, (operation.get("requestBody", {}), *operation["responses"].values()))
        for body in bodies:
            for media in body.get("content", {}).values():
                for example in media.get("examples", {}).values():
                    errors = list(contract.validator(held.inlined(media["schema"])).iter_errors(example["value"]))
                    assert not errors, (operation["operationId"], errors[0].message)
                    checked += 1
    assert checked >= 5 * len(list(operations(document)))


@pytest.mark.parametrize("name", contract.OF_CAMARA)
def test_operations_scopes_and_answers_are_camaras(name: str, document: dict[str, Any]) -> None:
    path = contract.CAMARA / contract.OF_CAMARA[name]
    if not contract.CAMARA.is_dir():
        pytest.skip("CAMARA's documents (../shared/camara) are not beside this checkout")
    upstream = read_yaml(path.read_text(encoding="utf-8"))
    found = [each for each in operations(document) if "x-simwarden-extension" not in each[2]]
    ours = {(method, route): each for method, route, each in found}
    theirs = {(method, route): each for method, route, each in operations(upstream)}
    assert ours.keys() == theirs.keys()
    for key, operation in theirs.items():
        assert ours[key]["operationId"] == operation["operationId"]
        mine, asked = ([*scopes_of(each)] for each in (ours[key], operation))
        assert [one for one in mine if one in asked or not BY_EVENT_TYPE.fullmatch(one)] == asked
        successes = {status for status in operation["responses"] if status.startswith("2")}
        assert successes == {status for status in ours[key]["responses"] if status.startswith("2")}


@pytest.mark.parametrize(
    ("reply", "complaint"),
    [
        (Reply(200, {"content-type": "application/json"}, b'{"bound":true}'), "x-correlator"),
        (Reply(200, {"x-correlator": "a", "content-type": "application/json"}, b'{"bound":1}'), "1 is not of type"),
        (Reply(200, {"x-correlator": "a", "content-type": "text/plain"}, b"{}"), "content-type"),
        (Reply(201, {"x-correlator": "a", "content-type": "application/json"}, b"{}"), "201 is not documented"),
        (
            Reply(
                404,
                {"x-correlator": "a", "content-type": "application/json"},
                b'{"status":404,"code":"GONE","message":""}',
            ),
            "GONE",
        ),
        (
            Reply(
                422,
                {"x-correlator": "a", "content-type": "application/json"},
                b'{"status":400,"code":"MISSING_IDENTIFIER","message":""}',
            ),
            "400",
        ),
    ],
)
def test_the_validator_itself_finds_what_is_wrong(reply: Reply, complaint: str) -> None:
    for held in (contract.ours("iot-sim-fraud-prevention"), contract.camaras("iot-sim-fraud-prevention")):
        if held is not None:
            with pytest.raises(contract.ContractBroken, match=complaint):
                held.check("POST", "/bind", reply)
