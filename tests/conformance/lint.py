"""CAMARA's linting rules (Commonalities, `tooling`: Spectral, Python and yamllint rules) as far as a program can judge.

Each rule is a generator over one document; it yields where something is wrong and what. The numbers are those of the
short list in the project's notes on CAMARA (section F): all build blockers, and the other rules that are mechanical.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METHODS = ("get", "post", "put", "patch", "delete")
WRITING = ("post", "put", "patch", "delete")
COMBINERS = {"allOf", "anyOf", "oneOf", "not"}
KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
CAMEL = re.compile(r"[a-z][a-zA-Z0-9]*")
PASCAL = re.compile(r"[A-Z][a-zA-Z0-9]*")
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*(?:\.[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)?")
EVENT = re.compile(r"org\.camaraproject\.([a-z0-9-]+)\.v(?:\d+)\.([a-z0-9]+(?:-[a-z0-9]+)*)")
PERSONAL = re.compile(r"msisdn|phone|imsi|imei|iccid|ipv?[46]|email", re.IGNORECASE)
TITLE = re.compile(r"[A-Z][A-Za-z0-9]*(?: [A-Z][A-Za-z0-9]*)*")
API_ROOT = "http://localhost:9091"
"""The only address without https, prescribed as default of apiRoot."""
SECTIONS = ("# Authorization and authentication", "# Additional CAMARA error responses")
SECRETS = {"accessToken", "secret", "identifier", "accessTokenType"}
LARGEST = 2**53 - 1

Found = tuple[str, str]


class Complaint(msgspec.Struct, frozen=True):
    """A rule that a document breaks."""

    rule: str
    where: str
    text: str


class Document(msgspec.Struct, frozen=True):
    """What is judged."""

    name: str
    """API name, by the folder."""
    text: str
    content: dict[str, Any]

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Method, path, operation."""
        for path, item in self.content["paths"].items():
            for method, operation in item.items():
                if method in METHODS:
                    yield method, path, operation

    def resolved(self, node: Any) -> Any:
        """What a reference refers to."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.content
            for key in node["$ref"].removeprefix("#/").split("/"):
                target = target[key.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def schemas(self) -> Iterator[tuple[str, dict[str, Any], bool]]:
        """Where, the schema, and whether it stands in a combination (which need not say everything)."""
        for name, schema in self.content["components"].get("schemas", {}).items():
            yield from _schemas(schema, f"schemas/{name}", part=False)
        for where, node in _nodes({key: self.content[key] for key in ("paths", "components")}):
            if isinstance(node, dict) and isinstance(node.get("schema"), dict) and "/schemas/" not in where:
                yield from _schemas(node["schema"], f"{where}/schema", part=False)


RULES: dict[str, Callable[[Document], Iterator[Found]]] = {}


def _rule(name: str) -> Callable[[Callable[[Document], Iterator[Found]]], Callable[[Document], Iterator[Found]]]:
    def remember(check: Callable[[Document], Iterator[Found]]) -> Callable[[Document], Iterator[Found]]:
        RULES[name] = check
        return check

    return remember


def read(name: str, text: str) -> Document:
    """A document, keys that stand twice included. Raises yaml.YAMLError."""
    return Document(name, text, yaml.load(text, Loader=_Strict))


def lint(document: Document) -> list[Complaint]:
    """All complaints about a document."""
    return [Complaint(rule, where, text) for rule, check in RULES.items() for where, text in check(document)]


class _Strict(yaml.CSafeLoader):
    """Refuses a mapping that has a key twice."""


def _mapping(loader: _Strict, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = {str(key) for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.YAMLError(f"{node.start_mark.line + 1}: {', '.join(sorted(twice))} stands twice")
    return loader.construct_mapping(node, deep=True)


_Strict.add_constructor("tag:yaml.org,2002:map", _mapping)


def _nodes(node: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every node outside of examples, with its place."""
    yield where, node
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from _nodes(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _nodes(value, f"{where}/{index}")


def _schemas(node: dict[str, Any], where: str, *, part: bool) -> Iterator[tuple[str, dict[str, Any], bool]]:
    yield where, node, part
    for name, value in node.get("properties", {}).items():
        yield from _schemas(value, f"{where}/properties/{name}", part=part)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from _schemas(node[key], f"{where}/{key}", part=part)
    for key in COMBINERS & node.keys():
        for index, value in enumerate(node[key] if isinstance(node[key], list) else [node[key]]):
            yield from _schemas(value, f"{where}/{key}/{index}", part=True)


@_rule("F1 OpenAPI 3.0.3")
def version(document: Document) -> Iterator[Found]:
    if document.content.get("openapi") != "3.0.3":
        yield "openapi", "must be 3.0.3"


@_rule("F1 schemas have a type or a combiner")
def types(document: Document) -> Iterator[Found]:
    for where, schema, part in document.schemas():
        partial = part and ("enum" in schema or schema.keys() == {"required"})  # as CAMARA's own common schemas have it
        if not {"type", "$ref", *COMBINERS} & schema.keys() and not partial:
            yield where, "has neither type nor combiner"


@_rule("F1 no siblings of $ref")
def siblings(document: Document) -> Iterator[Found]:
    for where, node in _nodes(document.content):
        if isinstance(node, dict) and isinstance(node.get("$ref"), str) and len(node) > 1:
            yield where, f"stands beside $ref: {sorted(node.keys() - {'$ref'})}"


@_rule("F1 references lead somewhere")
def references(document: Document) -> Iterator[Found]:
    for where, node in _nodes(document.content):
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            try:
                document.resolved(node)
            except (KeyError, TypeError):
                yield where, f"{node['$ref']} is not there"


@_rule("F2 methods")
def methods(document: Document) -> Iterator[Found]:
    for path, item in document.content["paths"].items():
        for key in item.keys() - {*METHODS, "parameters", "summary", "description"}:
            yield f"{path}/{key}", "is no allowed method"
        for method in ("get", "delete"):
            if "requestBody" in item.get(method, {}):
                yield f"{path}/{method}", "has a request body"


@_rule("F3 paths")
def paths(document: Document) -> Iterator[Found]:
    for path in document.content["paths"]:
        for segment in path.strip("/").split("/"):
            inner = segment[1:-1] if segment.startswith("{") else None
            if inner is None and not KEBAB.fullmatch(segment):
                yield path, f"{segment} is not kebab-case"
            if inner is not None and not (CAMEL.fullmatch(inner) and inner.endswith("Id")):
                yield path, f"{segment} is not named like fooId"
    for method, path, operation in document.operations():
        for parameter in map(document.resolved, operation.get("parameters", [])):
            if parameter["in"] == "path" and document.resolved(parameter["schema"]).get("type") != "string":
                yield f"{method} {path}", f"{parameter['name']} must not be numeric"


@_rule("F4 licence, no contact")
def licence(document: Document) -> Iterator[Found]:
    wanted = {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"}
    if document.content["info"].get("license") != wanted:
        yield "info.license", "must be Apache 2.0 with its URL"
    if "contact" in document.content["info"]:
        yield "info.contact", "is not wanted"


def _codes(document: Document) -> Iterator[tuple[str, str]]:
    for where, node in _nodes(document.content):
        if where.endswith("/properties/code") and isinstance(node, dict):
            for code in node.get("enum", []):
                yield where, code


@_rule("F5 error codes")
def codes(document: Document) -> Iterator[Found]:
    own = document.name.upper().replace("-", "_")
    for where, code in _codes(document):
        if not isinstance(code, str) or not CODE.fullmatch(code):
            yield where, f"{code!r} is not in SCREAMING_SNAKE_CASE"
        elif "." in code and code.partition(".")[0] != own:
            yield where, f"{code} does not begin with {own}"
        elif code == "CONFLICT":
            yield where, "CONFLICT is deprecated"


@_rule("F6 integers")
def integers(document: Document) -> Iterator[Found]:
    for where, schema, part in document.schemas():
        if schema.get("type") != "integer" or "enum" in schema or part:
            continue
        if schema.get("format") not in ("int32", "int64") or not {"minimum", "maximum"} <= schema.keys():
            yield where, "needs format, minimum and maximum"
        elif not -LARGEST <= schema["minimum"] <= schema["maximum"] <= LARGEST:
            yield where, "goes beyond 2^53"


@_rule("F7 401, 403 and 400 or 422")
def refusals(document: Document) -> Iterator[Found]:
    for method, path, operation in document.operations():
        answers = operation["responses"].keys()
        if not {"401", "403"} <= answers or not {"400", "422"} & answers:
            yield f"{method} {path}", "must document 401, 403 and 400 or 422"


@_rule("F8 security")
def security(document: Document) -> Iterator[Found]:
    schemes = document.content["components"]["securitySchemes"]
    for method, path, operation in document.operations():
        needs = operation.get("security")
        if not needs or {} in needs:
            yield f"{method} {path}", "must need an access token"
        for need in needs or []:
            for scheme, scopes in need.items():
                if scheme not in schemes:
                    yield f"{method} {path}", f"{scheme} is no security scheme"
                for scope in scopes:
                    if scope != document.name and not scope.startswith(f"{document.name}:"):
                        yield f"{method} {path}", f"scope {scope} does not begin with {document.name}:"
        for parameter in map(document.resolved, operation.get("parameters", [])):
            if parameter["in"] in ("query", "path") and re.search(
                r"token|secret|password|key", parameter["name"], re.IGNORECASE
            ):
                yield f"{method} {path}", f"credentials in the URL: {parameter['name']}"
    for where, node in _nodes(document.content):
        if isinstance(node, str) and re.match(r"http://\S+$", node) and node != API_ROOT:
            yield where, f"{node} is not https"


@_rule("F9 event types")
def events(document: Document) -> Iterator[Found]:
    for where, node in _nodes(document.content):
        if isinstance(node, str) and node.startswith("org.camaraproject") and " " not in node.strip():
            match = EVENT.fullmatch(node)
            if not match or match[1] not in (document.name, document.name.removesuffix("-subscriptions")):
                yield where, f"{node} is no event type of {document.name}"
        if where.endswith("/properties/specversion") and isinstance(node, dict) and node.get("enum") != ["1.0"]:
            yield where, "specversion must be '1.0'"


@_rule("F10 name and version agree")
def names(document: Document) -> Iterator[Found]:
    if not KEBAB.fullmatch(document.name):
        yield "name", f"{document.name} is not kebab-case"
    info, server = document.content["info"], document.content["servers"][0]
    given = str(info.get("version"))
    major, _, rest = given.partition(".")
    wanted = {"wip": "vwip"}.get(given, f"v0.{rest.partition('.')[0]}" if major == "0" else f"v{major}")
    match = re.fullmatch(r"\{apiRoot\}/([a-z0-9-]+)/(v[a-z0-9.]+)", server["url"])
    if not match or match[1] != document.name or match[2] != wanted:
        yield "servers", f"{server['url']} does not agree with {document.name} {given}"
    if server["variables"]["apiRoot"]["default"] != API_ROOT:
        yield "servers", f"the default of apiRoot must be {API_ROOT}"
    if not info.get("x-camara-commonalities"):
        yield "info", "x-camara-commonalities is missing"


@_rule("F11 identifiers are unique and declared")
def identifiers(document: Document) -> Iterator[Found]:
    ids = [operation.get("operationId") for _, _, operation in document.operations()]
    for each in {one for one in ids if ids.count(one) > 1}:
        yield "operationId", f"{each} stands twice"
    tags = [tag["name"] for tag in document.content.get("tags", [])]
    for each in {one for one in tags if tags.count(one) > 1}:
        yield "tags", f"{each} stands twice"
    for method, path, operation in document.operations():
        if not CAMEL.fullmatch(operation.get("operationId", "")):
            yield f"{method} {path}", f"operationId {operation.get('operationId')} is not lowerCamelCase"
        for tag in operation.get("tags", []):
            if tag not in tags:
                yield f"{method} {path}", f"tag {tag} is not declared"
        declared = {
            one["name"] for one in map(document.resolved, operation.get("parameters", [])) if one["in"] == "path"
        }
        if declared != set(re.findall(r"\{(\w+)\}", path)):
            yield f"{method} {path}", f"path parameters declared: {sorted(declared)}"


@_rule("F12 sections of the description")
def sections(document: Document) -> Iterator[Found]:
    lines = document.content["info"].get("description", "").splitlines()
    for section in SECTIONS:
        if lines.count(section) != 1:
            yield "info.description", f"has {section!r} {lines.count(section)} times"


@_rule("F14 x-correlator")
def correlator(document: Document) -> Iterator[Found]:
    for method, path, operation in document.operations():
        sent = {one["name"] for one in map(document.resolved, operation.get("parameters", []))}
        if "x-correlator" not in sent:
            yield f"{method} {path}", "x-correlator is no parameter"
        for status, answer in operation["responses"].items():
            if "x-correlator" not in document.resolved(answer).get("headers", {}):
                yield f"{method} {path} {status}", "x-correlator is no header of the answer"


@_rule("F15 upper and lower case")
def cases(document: Document) -> Iterator[Found]:
    for name in document.content["components"].get("schemas", {}):
        if not PASCAL.fullmatch(name):
            yield f"schemas/{name}", "is not in PascalCase"
    for where, schema, _ in document.schemas():
        for name in schema.get("properties", {}):
            if not CAMEL.fullmatch(name):
                yield f"{where}/{name}", "is not in lowerCamelCase"
    for method, path, operation in document.operations():
        for parameter in map(document.resolved, operation.get("parameters", [])):
            if parameter["in"] != "header" and not CAMEL.fullmatch(parameter["name"]):
                yield f"{method} {path}", f"{parameter['name']} is not in lowerCamelCase"
    for tag in document.content.get("tags", []):
        if not TITLE.fullmatch(tag["name"]):
            yield "tags", f"{tag['name']} is not in Title Case"


@_rule("F16 everything is described")
def described(document: Document) -> Iterator[Found]:
    for method, path, operation in document.operations():
        for key in ("summary", "description", "operationId"):
            if not operation.get(key):
                yield f"{method} {path}", f"has no {key}"
        if len(operation.get("tags", [])) != 1:
            yield f"{method} {path}", "needs exactly one tag"
        if not any(status.startswith("2") for status in operation["responses"]):
            yield f"{method} {path}", "has no 2xx answer"
        for parameter in map(document.resolved, operation.get("parameters", [])):
            if not parameter.get("description"):
                yield f"{method} {path}", f"{parameter['name']} has no description"
        for status, answer in operation["responses"].items():
            if not document.resolved(answer).get("description"):
                yield f"{method} {path} {status}", "has no description"
    for where, schema, part in document.schemas():
        described = schema if part else {**schema.get("properties", {}), "items": schema.get("items", {"$ref": ""})}
        for name, inner in ({} if part else described).items():
            if "$ref" not in inner and not inner.get("description"):
                yield f"{where}/{name}", "has no description"


@_rule("F17 limits")
def limits(document: Document) -> Iterator[Found]:
    for where, schema, _ in document.schemas():
        if schema.get("type") == "string" and not {"maxLength", "enum"} & schema.keys():
            yield where, "needs maxLength or enum"
        if schema.get("type") == "array" and not {"maxItems", "items"} <= schema.keys():
            yield where, "needs maxItems and items"
        if schema.get("format") == "date-time" and "RFC 3339" not in schema.get("description", ""):
            yield where, "must mention RFC 3339"


@_rule("F18 subscriptions")
def subscriptions(document: Document) -> Iterator[Found]:
    has = "post" in document.content["paths"].get("/subscriptions", {})
    if has != document.name.endswith("-subscriptions"):
        yield "name", "an API of subscriptions, and no other, ends in -subscriptions"
    if not has:
        return
    post = document.content["paths"]["/subscriptions"]["post"]
    notified = [
        media
        for callback in post.get("callbacks", {}).values()
        for item in callback.values()
        for media in document.resolved(item["post"]["requestBody"])["content"]
    ]
    if notified != ["application/cloudevents+json"]:
        yield "callbacks", f"notifications are application/cloudevents+json, not {notified}"
    for where, schema, _ in document.schemas():
        name = where.rpartition("/")[2]
        resolved = document.resolved(schema)
        if name == "sink" and not str(resolved.get("pattern", "")).startswith("^https:"):
            yield where, "the pattern of sink must begin with https"
        if name in SECRETS and "/properties/" in where and not resolved.get("writeOnly"):
            yield where, "a secret must be writeOnly"


@_rule("F19 nothing personal in URLs")
def personal(document: Document) -> Iterator[Found]:
    for method, path, operation in document.operations():
        for parameter in map(document.resolved, operation.get("parameters", [])):
            if parameter["in"] in ("path", "query") and PERSONAL.search(parameter["name"]):
                yield f"{method} {path}", f"{parameter['name']} tells who it is about"


@_rule("F20 the text")
def text(document: Document) -> Iterator[Found]:
    if not document.text.endswith("\n") or document.text.endswith("\n\n"):
        yield "end", "the file must end with one line break"
    for number, line in enumerate(document.text.splitlines(), 1):
        if line != line.rstrip():
            yield f"line {number}", "ends with blanks"
        if "\t" in line:
            yield f"line {number}", "holds a tab"
        if (len(line) - len(line.lstrip(" "))) % 2:
            yield f"line {number}", "is not indented by two"
        if re.search(r"^\s*[\w$-]+: (?:yes|no|on|off|True|False|TRUE|FALSE)\s*$", line):
            yield f"line {number}", "write true or false"
