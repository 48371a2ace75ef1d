"""What an OpenAPI document lays down, as a set of short lines, so that two documents can be compared.

Texts and examples lay down nothing. What stands in a combination (allOf, oneOf, anyOf) counts as if it stood outside of
it. A reference to a schema that both documents have is a line of its own, and the schema is compared once, under its
name; any other reference is followed. So a difference is in one line, at one place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = ("get", "post", "put", "patch", "delete")
TEXTS = frozenset({"description", "title", "example", "discriminator"})
COMBINERS = frozenset({"allOf", "oneOf", "anyOf"})


class Facts:
    """One document, read with a view to what another one names alike."""

    def __init__(self, document: dict[str, Any], shared: set[str]) -> None:
        """`shared`: names of schemas that are compared once, under their names."""
        self._document = document
        self._shared = shared

    def operations(self) -> set[str]:
        """Lines about operations: who may call, parameters, bodies and answers."""
        return {line for item in self._operations() for line in self._operation(*item)}

    def component(self, section: str, name: str) -> set[str]:
        """Lines about a component."""
        found = self._document["components"][section][name]
        if section == "schemas":
            return set(self._schema(found, name))
        if section == "responses":
            return set(self._response(name, found, refused=True))
        return set(self._schema(found["schema"], f"{section} {name}"))

    def _operations(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, item in self._document["paths"].items():
            for method in METHODS:
                if method in item and "x-simwarden-extension" not in item[method]:
                    yield f"{method.upper()} {path}", item[method]

    def _operation(self, name: str, operation: dict[str, Any]) -> Iterator[str]:
        for parameter in map(self._resolved, operation.get("parameters", [])):
            where = f"{name} {parameter['in']} {parameter['name']}"
            yield where + (" (required)" if parameter.get("required") else "")
            yield from self._schema(parameter["schema"], where)
        body = self._resolved(operation.get("requestBody", {}))
        for kind, media in body.get("content", {}).items():
            yield f"{name} body {kind}" + (" (required)" if body.get("required") else "")
            yield from self._schema(media["schema"], f"{name} body")
        for status, response in operation["responses"].items():
            yield from self._response(f"{name} {status}", self._resolved(response), refused=status[0] in "45")
        for callback, items in operation.get("callbacks", {}).items():
            for item in items.values():
                yield from self._operation(f"{name} callback {callback}", item["post"])

    def _response(self, name: str, response: dict[str, Any], *, refused: bool) -> Iterator[str]:
        if "content" not in response:
            yield name
        yield from (f"{name} header {header}" for header in response.get("headers", {}))
        for kind, media in response.get("content", {}).items():
            if not refused:
                yield f"{name} {kind}"
                yield from self._schema(media["schema"], name)
                continue
            shown = (self._resolved(each)["value"]["code"] for each in media.get("examples", {}).values())
            listed = set(self._codes(media["schema"]))
            yield from (f"{name} {code}" for code in listed or shown)

    def _codes(self, schema: Any) -> Iterator[str]:
        schema = self._resolved(schema)
        yield from schema.get("properties", {}).get("code", {}).get("enum", [])
        for key in COMBINERS & schema.keys():
            for part in schema[key]:
                yield from self._codes(part)

    def _schema(self, schema: dict[str, Any], where: str) -> Iterator[str]:
        if "$ref" in schema:
            named = schema["$ref"].rpartition("/")[2]
            if named in self._shared:
                yield f"{where}: {named}"
                return
            schema = self._resolved(schema)
        for key, value in schema.items():
            if key == "properties":
                for name, each in value.items():
                    yield f"{where}.{name}"
                    yield from self._schema(each, f"{where}.{name}")
            elif key in COMBINERS:
                for part in value:
                    yield from self._schema(part, where)
            elif key == "items" or (key == "additionalProperties" and isinstance(value, dict)):
                yield from self._schema(value, where + ("[]" if key == "items" else ".*"))
            elif key in ("enum", "required"):
                yield from (f"{where} {key} {each}" for each in value)
            elif key not in TEXTS and not key.startswith("x-"):
                yield f"{where} {key} {value}"

    def _resolved(self, node: Any) -> Any:
        while "$ref" in node:
            target: Any = self._document
            for key in node["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            node = target
        return node


def differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """What only one of two documents of an API lays down: `- ` theirs, `+ ` ours."""
    shared = _names(theirs, "schemas") & _names(ours, "schemas")
    old, new = Facts(theirs, shared), Facts(ours, shared)
    found = _listed(old.operations(), new.operations())
    for name in sorted(shared):
        found += _listed(old.component("schemas", name), new.component("schemas", name))
    return found


def common_differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    """The same of two files of components. What only theirs has is left out; a component of ours alone is one line."""
    shared = _names(theirs, "schemas") & _names(ours, "schemas")
    old, new = Facts(theirs, shared), Facts(ours, shared)
    found = []
    for section in ("responses", "parameters", "headers", "schemas"):
        found += [f"+ {section} {name}" for name in sorted(_names(ours, section) - _names(theirs, section))]
        for name in sorted(_names(ours, section) & _names(theirs, section)):
            found += _listed(old.component(section, name), new.component(section, name))
    return found


def _names(document: dict[str, Any], section: str) -> set[str]:
    return set(document["components"].get(section, {}))


def _listed(old: set[str], new: set[str]) -> list[str]:
    return sorted((("- " if line in old else "+ ") + line for line in old ^ new), key=lambda line: (line[2:], line[0]))
