"""Good requests of every customer API, from the examples in the API's own document: a new API is fuzzed at once."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tests.conformance.contract import Contract
from tests.support.documents import read_yaml

from simwarden.northbound import DOCUMENTS
from simwarden.reference.bundle import bundled

METHODS = frozenset({"get", "post", "put", "patch", "delete"})
PHONES = frozenset({"phoneNumber", "msisdn"})
IDENTIFIER = "00" + "0" * 32

Template = tuple[str, str, Any]
"""Method, path, body."""


def templates(phone: str, imsi: str) -> list[Template]:
    """One request for every example of every operation, about this SIM."""
    return [
        (method.upper(), base + filled(path), about(body, phone, imsi))
        for base, path, method, operation in operations()
        for body in bodies(operation)
    ]


@cache
def operations() -> list[tuple[str, str, str, dict[str, Any]]]:
    """Base path, path, method and description of everything that can be called."""
    found = []
    for package in DOCUMENTS.values():
        document = read_yaml(bundled(package))
        held = Contract(document, beyond=set())
        base = document["servers"][0]["url"].replace("{apiRoot}", "")
        for path, item in document["paths"].items():
            found += [(base, path, method, held.inlined(item[method])) for method in item if method in METHODS]
    return found


def bodies(operation: dict[str, Any]) -> list[Any]:
    """The example bodies; one None where there is no body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [example["value"] for example in content.get("examples", {}).values() if "value" in example] or [None]


def filled(path: str) -> str:
    """A path with something in the place of its parameters."""
    return "/".join(IDENTIFIER if part.startswith("{") else part for part in path.split("/"))


def about(body: Any, phone: str, imsi: str) -> Any:
    """The same body about a SIM that there is, telling a sink that nobody listens at."""
    if isinstance(body, dict):
        made = {name: about(value, phone, imsi) for name, value in body.items()}
        made |= {name: phone for name in PHONES & made.keys() if isinstance(made[name], str)}
        if isinstance(made.get("imsi"), str):
            made["imsi"] = imsi
        if isinstance(made.get("sink"), str):
            made["sink"] = "http://127.0.0.1:9/hook"
        return made
    if isinstance(body, list):
        return [about(value, phone, imsi) for value in body]
    return json.loads(json.dumps(body, default=str))
