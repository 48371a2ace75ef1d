"""The management API as its document describes it: what commands that are a plain call are built from.

The document is the server's own (`management/openapi.yaml`). Answers and examples are not read: they are two thirds of
it, and no command needs them.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

import msgspec

_METHODS = ("get", "post", "patch", "delete")
_SKIPPED = re.compile(r"( +)(responses|examples|example):")
_ELSEWHERE = "../northbound/common.yaml"
"""Schemas may stand there too; parameters that are described there (x-correlator) are none of a command's."""


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of an operation, or a property of its body."""

    name: str
    place: str
    """path, query or body."""
    schema: dict[str, Any]
    text: str
    is_required: bool = False

    @property
    def choices(self) -> list[str]:
        """Its values, where there are a few."""
        node = self.schema["items"] if self.schema.get("type") == "array" else self.schema
        return [str(each) for each in node.get("enum", ()) if each is not None]

    @property
    def is_nullable(self) -> bool:
        """Whether null takes its value away."""
        return bool(self.schema.get("nullable"))


class DocumentedCall(msgspec.Struct, frozen=True):
    """An operation."""

    name: str
    """operationId."""
    method: str
    path: str
    """Below `/manage/v1`, with `{parameters}`."""
    summary: str
    text: str
    parameters: tuple[Parameter, ...]
    has_body: bool

    @property
    def is_list(self) -> bool:
        """Whether it answers pages."""
        return any(each.name == "cursor" for each in self.parameters)


@cache
def endpoints() -> dict[str, DocumentedCall]:
    """All operations by operationId."""
    document = _load()
    found = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                endpoint = _endpoint(document, path, method, item[method])
                found[endpoint.name] = endpoint
    return found


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema of the document, or of what it shares with the customers' documents."""
    found: dict[str, Any] = _home(name)["components"]["schemas"][name]
    return found


def properties(name: str) -> list[Parameter]:
    """The properties of a schema, as those of a body."""
    document, node = _home(name), schema(name)
    required = node.get("required", ())
    return [_property(document, each, value, each in required) for each, value in node.get("properties", {}).items()]


def _load() -> dict[str, Any]:
    return _read("management", "openapi.yaml")


def _common() -> dict[str, Any]:
    return _read("northbound", "common.yaml")


def _home(name: str) -> dict[str, Any]:
    return _load() if name in _load()["components"]["schemas"] else _common()


@cache
def _read(package: str, name: str) -> dict[str, Any]:
    import yaml

    text = (resources.files(f"simwarden.{package}") / name).read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the quick one, where there is one
    found: dict[str, Any] = yaml.load(_without_answers(text), Loader=loader)  # noqa: S506
    return found


def _without_answers(text: str) -> str:
    kept: list[str] = []
    deeper_than: int | None = None
    for line in text.splitlines(keepends=True):
        indent = len(line) - len(line.lstrip(" "))
        if deeper_than is not None and line.strip() and indent <= deeper_than:
            deeper_than = None
        if deeper_than is None and _SKIPPED.match(line):
            deeper_than = indent
        if deeper_than is None:
            kept.append(line)
    return "".join(kept)


def _endpoint(document: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> DocumentedCall:
    parameters = []
    for node in operation.get("parameters", ()):
        if node.get("$ref", "").startswith(_ELSEWHERE):
            continue
        one = _resolved(document, node)
        parameters.append(
            Parameter(
                one["name"],
                one["in"],
                _resolved(document, one["schema"]),
                one["description"],
                bool(one.get("required")),
            )
        )
    body = operation.get("requestBody")
    if body is not None:
        reference = body["content"]["application/json"]["schema"]["$ref"]
        parameters += properties(reference.rpartition("/")[2])
    return DocumentedCall(
        operation["operationId"],
        method.upper(),
        path,
        operation["summary"],
        operation["description"],
        tuple(parameters),
        body is not None,
    )


def _property(document: dict[str, Any], name: str, node: dict[str, Any], required: bool) -> Parameter:  # noqa: FBT001
    found = _resolved(document, node)
    return Parameter(name, "body", found, found.get("description", ""), required)


def _resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        file, _, place = node["$ref"].partition("#/")
        if file == _ELSEWHERE:
            document = _common()
        target: Any = document
        for key in place.split("/"):
            target = target[key]
        node = target
    return node
