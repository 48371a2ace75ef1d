"""CAMARA's linting rules hold for every OpenAPI document of ours, those of APIs to come included."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.conformance import lint
from tests.conformance.lint import Complaint, Document

import simwarden
from simwarden.reference.bundle import bundled

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(str(simwarden.__file__)).parent
FILES = sorted(SOURCE.rglob("openapi.yaml"))
COMMON = SOURCE / "northbound" / "common.yaml"
GOOD = "iot-sim-fraud-prevention-subscriptions"

EXCEPTIONS = {
    ("device-communication-function", "post /activate", "operationId"): "the draft's own operationId",
    ("device-communication-function", "post /deactivate", "operationId"): "the draft's own operationId",
    ("manage", "get /sims", "imei"): "the operator's own API; an IMEI is a device, and the filter of a list",
    ("manage", "get /sim-export", "imei"): "the filter of a list, as of the list itself",
    ("manage", "get /imei-lists/{imeiId}", "imeiId"): "the operator's own API; an IMEI is a device",
    ("sms", "post /short-message", "operationId"): "CAMARA's own operationId",
    (
        "sms",
        "/components/responses/Send422/content/application/json/schema/allOf/1/properties/code",
        "SHORT_MESSAGE.RECIPIENT_OPTED_OUT",
    ): "ours, by the name of the subject",
    (
        "sms-delivery-notification-subscriptions",
        "/components/schemas/SubscriptionEventType/enum/0",
        "org.camaraproject.sms.v0.sms-delivery-status",
    ): "CAMARA's own event type",
}
"""What may break a rule, and why: API, place, first word of the complaint."""


def name_of(path: Path, content: dict[str, Any]) -> str:
    """API name: by the folder where it is one of the customer APIs, else what the address says."""
    if path.parent.parent.name == "northbound":
        return path.parent.name.replace("_", "-")
    return str(content["servers"][0]["url"].split("/")[1])


def load(path: Path) -> Document:
    """The content as it is served, with the text as it is written."""
    written = path.read_text(encoding="utf-8")
    name = name_of(path, lint.read("", written).content)
    package = ".".join(("simwarden", *path.parent.relative_to(SOURCE).parts))
    return Document(name, written, lint.read(name, bundled(package)).content)


EARLY = {"sms", "sms-delivery-notification-subscriptions"}
"""APIs of CAMARA's first years, whose scopes and versions follow no rule of today."""


def excused(document: Document, complaint: Complaint) -> bool:
    if document.name in EARLY and (complaint.where == "servers" or complaint.text.startswith("scope ")):
        return True
    return (document.name, complaint.where, complaint.text.split()[0]) in EXCEPTIONS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.parent.relative_to(SOURCE)))
def test_no_rule_is_broken(path: Path) -> None:
    document = load(path)
    assert [one for one in lint.lint(document) if not excused(document, one)] == []


def test_every_operation_of_operators_says_its_roles() -> None:
    document = load(SOURCE / "management" / "openapi.yaml")
    silent = [operation["operationId"] for _, _, operation in document.operations() if "x-role" not in operation]
    assert silent == [], "write x-role: [viewer], [operator], [admin], [billing] ... below its operationId"


def test_what_the_documents_share_is_written_by_the_same_rules() -> None:
    assert list(lint.text(lint.read("common", COMMON.read_text(encoding="utf-8")))) == []


def test_there_are_documents_and_every_exception_is_needed() -> None:
    assert len(FILES) >= 3
    used = {
        (document.name, one.where, one.text.split()[0]) for document in map(load, FILES) for one in lint.lint(document)
    }
    assert EXCEPTIONS.keys() <= used


def _post(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["paths"]["/subscriptions"]["post"]
    return found


def _schemas(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["components"]["schemas"]
    return found


def _query(content: dict[str, Any], name: str) -> None:
    schema = {"type": "string", "maxLength": 9}
    _post(content)["parameters"].append({"name": name, "in": "query", "description": "x", "schema": schema})


BROKEN: list[tuple[str, Any, str]] = [
    ("F1 OpenAPI", lambda c: c.update(openapi="3.1.0"), "3.0.3"),
    ("F1 schemas", lambda c: _schemas(c).update(Odd={"description": "x"}), "neither type"),
    (
        "F1 no siblings",
        lambda c: _schemas(c).update(Odd={"$ref": "#/components/schemas/Device", "type": "object"}),
        "type",
    ),
    ("F1 references", lambda c: _schemas(c).update(Odd={"$ref": "#/components/schemas/Nothing"}), "is not there"),
    ("F2", lambda c: c["paths"]["/subscriptions"].update(trace=_post(c)), "no allowed method"),
    ("F2", lambda c: c["paths"]["/subscriptions"]["get"].update(requestBody={}), "request body"),
    ("F3", lambda c: c["paths"].update({"/Some_thing": {}}), "kebab-case"),
    ("F3", lambda c: c["paths"].update({"/things/{id}": {}}), "fooId"),
    ("F4", lambda c: c["info"].update(license={"name": "MIT"}), "Apache 2.0"),
    ("F4", lambda c: c["info"].update(contact={"name": "x"}), "not wanted"),
    ("F5", lambda c: _schemas(c).update(Odd={"type": "object", "properties": {"code": {"enum": ["400"]}}}), "'400'"),
    (
        "F5",
        lambda c: _schemas(c).update(Odd={"type": "object", "properties": {"code": {"enum": ["X.Y"]}}}),
        "begin with",
    ),
    ("F6", lambda c: _schemas(c).update(Odd={"type": "integer", "format": "int32"}), "minimum and maximum"),
    (
        "F6",
        lambda c: _schemas(c).update(Odd={"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**60}),
        "2^53",
    ),
    ("F7", lambda c: _post(c)["responses"].pop("401"), "401"),
    ("F8", lambda c: _post(c).pop("security"), "access token"),
    ("F8", lambda c: _post(c)["security"][0].update(openId=["other:read"]), "begin with"),
    ("F8", lambda c: _query(c, "accessToken"), "credentials"),
    ("F8", lambda c: c["info"]["license"].update(url="http://www.apache.org/"), "not https"),
    ("F9", lambda c: _schemas(c).update(Odd={"enum": ["org.camaraproject.other.v0.x"]}), "no event type"),
    ("F10", lambda c: c["servers"][0].update(url="{apiRoot}/other/v0.1"), "does not agree"),
    ("F10", lambda c: c["info"].update(version="0.2.0"), "does not agree"),
    ("F10", lambda c: c["info"].pop("x-camara-commonalities"), "commonalities"),
    ("F11", lambda c: _post(c).update(operationId="listSubscriptions"), "stands twice"),
    ("F11", lambda c: _post(c).update(operationId="make-it"), "lowerCamelCase"),
    ("F11", lambda c: _post(c).update(tags=["Nowhere"]), "not declared"),
    ("F11", lambda c: c["paths"]["/subscriptions/{subscriptionId}"]["get"].update(parameters=[]), "path parameters"),
    ("F12", lambda c: c["info"].update(description="Short."), "0 times"),
    ("F14", lambda c: _post(c).update(parameters=[]), "no parameter"),
    ("F14", lambda c: c["components"]["responses"]["Generic401"].update(headers={}), "no header"),
    ("F15", lambda c: _schemas(c).update(odd={"type": "object"}), "PascalCase"),
    (
        "F15",
        lambda c: _schemas(c)["Device"]["properties"].update(Odd_name={"$ref": "#/components/schemas/Device"}),
        "lowerCamel",
    ),
    ("F16", lambda c: _post(c).pop("summary"), "no summary"),
    ("F16", lambda c: _schemas(c)["Device"]["properties"].update(odd={"type": "boolean"}), "no description"),
    ("F17", lambda c: _schemas(c).update(Odd={"type": "string"}), "maxLength"),
    ("F17", lambda c: _schemas(c).update(Odd={"type": "array"}), "maxItems"),
    ("F17", lambda c: _schemas(c).update(Odd={"type": "string", "format": "date-time", "maxLength": 64}), "RFC 3339"),
    ("F18", lambda c: _post(c).pop("callbacks"), "cloudevents"),
    ("F19", lambda c: _query(c, "phoneNumber"), "tells who"),
]


@pytest.mark.parametrize(("rule", "change", "complaint"), BROKEN, ids=[f"{rule}: {text}" for rule, _, text in BROKEN])
def test_each_rule_finds_what_breaks_it(rule: str, change: Callable[[dict[str, Any]], object], complaint: str) -> None:
    [path] = [path for path in FILES if path.parent.name == GOOD.replace("-", "_")]
    good = load(path)
    content = copy.deepcopy(good.content)
    change(content)
    found = [one for one in _lint(good, content) if one.rule.startswith(rule)]
    assert any(complaint in one.text for one in found), found


def _lint(good: Document, content: dict[str, Any]) -> list[Complaint]:
    """Complaints, by the rules that can still read what was broken."""
    found = []
    for rule, check in lint.RULES.items():
        try:
            found += [Complaint(rule, *one) for one in check(Document(good.name, good.text, content))]
        except (KeyError, TypeError):
            continue
    return found


@pytest.mark.parametrize("rule", sorted(lint.RULES))
def test_no_rule_is_without_its_proof(rule: str) -> None:
    if not rule.startswith("F20"):
        assert any(rule.startswith(shown) for shown, _, _ in BROKEN)


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ("openapi: 3.0.3 \n", "ends with blanks"),
        ("openapi: 3.0.3", "one line break"),
        ("openapi: 3.0.3\n\n", "one line break"),
        ("info:\n   title: x\n", "indented by two"),
        ("required: yes\n", "true or false"),
    ],
)
def test_the_text_is_judged_too(broken: str, complaint: str) -> None:
    assert any(complaint in text for _, text in lint.text(Document("x", broken, {})))


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(yaml.YAMLError, match="title stands twice"):
        lint.read("x", "info:\n  title: a\n  title: b\n")


def test_the_exceptions_name_their_reason() -> None:
    assert all(re.search(r"\w+ \w+", reason) for reason in EXCEPTIONS.values())
