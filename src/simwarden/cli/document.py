"""The management API as its document describes it: what commands that are a plain call are built from.

The document is the server's own (`management/openapi.yaml`), of more than ten thousand lines; a command reads its
own operation only, and the components that this names, without answers and examples. The layout is that of our
documents (`reference/bundle.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from simwarden.reference.bundle import Components, components

_METHODS = ("get", "post", "patch", "delete")
_SKIPPED = re.compile(r"( +)(responses|examples|example):")
_COMPONENTS = "\ncomponents:\n"
_PATH = re.compile(r"^  (?P<path>/\S*):\n(?P<methods>(?:(?:    .*)?\n)*)", re.MULTILINE)
_OPERATION = re.compile(r"^(?P<lines>    (?P<method>\w+):\n(?:(?:     .*)?\n)*)", re.MULTILINE)
_NAME = re.compile(r"^      operationId: (\S+)$", re.MULTILINE)
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


class Endpoints(Mapping[str, DocumentedCall]):
    """All operations by operationId; each is read when it is asked for, and not before."""

    def __init__(self, text: str) -> None:
        self._written: dict[str, tuple[str, str, str]] = {}
        """operationId to path, method, and the lines of the operation."""
        self._read: dict[str, DocumentedCall] = {}
        paths = text.partition("\npaths:\n")[2].partition(_COMPONENTS)[0]
        for item in _PATH.finditer(paths):
            for found in _OPERATION.finditer(item["methods"]):
                if found["method"] in _METHODS and (name := _NAME.search(found["lines"])):
                    self._written[name[1]] = item["path"], found["method"], found["lines"]

    def __getitem__(self, name: str) -> DocumentedCall:
        if name not in self._read:
            path, method, lines = self._written[name]
            self._read[name] = _endpoint(path, method, _yaml(_without_answers(lines)))
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)


@cache
def endpoints() -> Endpoints:
    """All operations by operationId."""
    return Endpoints(_text("management", "openapi.yaml"))


def properties(name: str) -> list[Parameter]:
    """The properties of a schema, as those of a body."""
    node = _component("schemas", name)
    required = node.get("required", ())
    return [_property(each, value, each in required) for each, value in node.get("properties", {}).items()]


@cache
def _component(section: str, name: str) -> dict[str, Any]:
    """A component of the document, or of what it shares with the customers' documents."""
    own = _components("management", "openapi.yaml")[section]
    lines = own[name] if name in own else _components("northbound", "common.yaml")[section][name]
    found: dict[str, Any] = _yaml(_without_answers(lines))[name]
    return found


@cache
def _components(package: str, file: str) -> Components:
    return components(_text(package, file))


def _text(package: str, file: str) -> str:
    return (resources.files(f"simwarden.{package}") / file).read_text(encoding="utf-8")


def _yaml(text: str) -> Any:
    import yaml

    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - the quick one


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


def _endpoint(path: str, method: str, operations: dict[str, Any]) -> DocumentedCall:
    operation = operations[method]
    parameters = []
    for node in operation.get("parameters", ()):
        if node.get("$ref", "").startswith(_ELSEWHERE):
            continue
        one = _resolved(node)
        schema, required = _resolved(one["schema"]), bool(one.get("required"))
        parameters.append(Parameter(one["name"], one["in"], schema, one["description"], required))
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


def _property(name: str, node: dict[str, Any], required: bool) -> Parameter:  # noqa: FBT001
    found = _resolved(node)
    return Parameter(name, "body", found, found.get("description", ""), required)


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        section, name = node["$ref"].rsplit("/", 2)[1:]
        node = _component(section, name)
    return node
