"""Holds answers against OpenAPI documents: CAMARA's own and ours."""

from __future__ import annotations

import re
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openapi_schema_validator import OAS30Validator, oas30_format_checker
from tests.support.documents import read_yaml

from simwarden import northbound
from simwarden.reference.bundle import bundled

if TYPE_CHECKING:
    from tests.unit.northbound.asgi import Reply

CAMARA = Path(__file__).parents[3] / "shared" / "camara"
"""CAMARA's documents, which lie beside the checkout and are not part of it."""
UPSTREAM = CAMARA / "IoTSIMFraudPrevention" / "r1.2" / "code" / "API_definitions"
_DOCUMENT = re.compile(r"^  x-camara-document: (\S+)$", re.MULTILINE)
OF_CAMARA = {
    api: Path(found[1])
    for api, package in northbound.DOCUMENTS.items()
    if (found := _DOCUMENT.search((resources.files(package) / "openapi.yaml").read_text(encoding="utf-8")))
}
"""The APIs of which CAMARA has a document, and which that is, as ours say; the others' contracts are ours or China
Telecom's."""

BEYOND = {
    (400, "INVALID_TOKEN"),
    (403, "SUBSCRIPTION_MISMATCH"),
    (404, "IDENTIFIER_NOT_FOUND"),
    (405, "METHOD_NOT_ALLOWED"),
    (406, "NOT_ACCEPTABLE"),
    (409, "INCOMPATIBLE_STATE"),
    (415, "UNSUPPORTED_MEDIA_TYPE"),
    (422, "IDEMPOTENCY_KEY_REUSED"),
    (422, "MULTIEVENT_SUBSCRIPTION_NOT_SUPPORTED"),
    (422, "PRIVATE_KEY_JWT_NOT_CONFIGURED"),
    (422, "SERVICE_NOT_APPLICABLE"),
    (422, "SHORT_MESSAGE.RECIPIENT_OPTED_OUT"),
    (429, "QUOTA_EXCEEDED"),
    (429, "TOO_MANY_REQUESTS"),
    (500, "INTERNAL"),
    (503, "UNAVAILABLE"),
}
"""Errors of the CAMARA error model that we answer though some documents do not list them (Commonalities 0.8)."""


class ContractBroken(AssertionError):
    """An answer is not what the document promises."""


class Contract:
    """One OpenAPI document."""

    def __init__(self, document: dict[str, Any], *, beyond: set[tuple[int, str]]) -> None:
        """`beyond`: errors that may be answered though the document does not list them."""
        self._document = document
        self._beyond = beyond
        self._whole: dict[int, Any] = {}
        """Nodes of the document without references, by the node's identity: answers are held against few of them."""

    def check(self, method: str, path: str, reply: Reply) -> None:
        """Raise ContractBroken unless `reply` is an answer that the document allows to `method path`.

        `path` is the path below the version. A path or method that the document does not know leaves the error model.
        """
        if "x-correlator" not in reply.headers:
            raise ContractBroken(f"{method} {path}: x-correlator is missing")
        if reply.status == 200 and self._is_file(method, path, reply.headers.get("content-type", "")):
            return
        if reply.body and reply.headers.get("content-type") != "application/json":
            raise ContractBroken(f"{method} {path}: content-type is {reply.headers.get('content-type')!r}")
        operation = self._operation(method, path)
        if operation is None:
            if reply.status not in (400, 401, 404, 405):
                raise ContractBroken(f"{method} {path} is not in the document, yet answered {reply.status}")
            self._valid(self._error_info, reply)
            return
        if reply.status >= 400 and (reply.status, reply.json["code"]) in self._beyond:
            self._valid(self._error_info, reply)
            return
        response = operation["responses"].get(str(reply.status))
        if response is None:
            raise ContractBroken(f"{method} {path}: {reply.status} is not documented")
        if id(response) not in self._whole:
            self._whole[id(response)] = self.inlined(response)
        content = self._whole[id(response)].get("content")
        if content is None:
            if reply.body:
                raise ContractBroken(f"{method} {path}: {reply.status} has a body")
            return
        self._valid(content["application/json"]["schema"], reply)

    @cached_property
    def _error_info(self) -> Any:
        return self.inlined({"$ref": "#/components/schemas/ErrorInfo"})

    def _is_file(self, method: str, path: str, media_type: str) -> bool:
        """Whether the document says that this operation answers something else than JSON, of this type."""
        response = ((self._operation(method, path) or {}).get("responses") or {}).get("200") or {}
        produced = set(response.get("content") or {})
        return "application/json" not in produced and media_type.partition(";")[0] in produced

    @property
    def paths(self) -> dict[str, Any]:
        """The operations, by path and method."""
        found: dict[str, Any] = self._document["paths"]
        return found

    def extends(self, method: str, path: str) -> bool:
        """Whether the operation is marked as one that CAMARA does not know."""
        return "x-simwarden-extension" in (self._operation(method, path) or {})

    def request(self, method: str, path: str) -> OAS30Validator:
        """The schema of an operation's request body."""
        operation = self._operation(method, path)
        assert operation is not None
        return validator(self.inlined(operation["requestBody"])["content"]["application/json"]["schema"])

    def schema(self, name: str) -> OAS30Validator:
        """A schema of the document; upper and lower case count alike, as the feature files mix them."""
        schemas = self._document["components"]["schemas"]
        found = next(key for key in schemas if key.lower() == name.lower())
        return validator(self.inlined(schemas[found]))

    def inlined(self, node: Any) -> Any:
        """`node` with every reference replaced by what it refers to."""
        if isinstance(node, list):
            return [self.inlined(each) for each in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            target: Any = self._document
            for key in node["$ref"].removeprefix("#/").split("/"):
                target = target[key.replace("~1", "/").replace("~0", "~")]
            return self.inlined(target)
        return {key: self.inlined(value) for key, value in node.items() if key != "discriminator"}

    def _operation(self, method: str, path: str) -> Any:
        for template, item in self._document["paths"].items():
            if re.fullmatch(re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(template)), path):
                return item.get(method.lower()) if method.isupper() else None  # methods are case-sensitive
        return None

    def _valid(self, schema: Any, reply: Reply) -> None:
        errors = sorted(validator(schema).iter_errors(reply.json), key=str)
        if errors:
            raise ContractBroken(f"{errors[0].message} in {reply.body!r}")
        if reply.status >= 400 and reply.json["status"] != reply.status:
            raise ContractBroken(f"status in the body is {reply.json['status']}, in the answer {reply.status}")


def validator(schema: Any) -> OAS30Validator:
    """A validator of an inlined schema, formats included."""
    return OAS30Validator(schema, format_checker=oas30_format_checker)


@cache
def ours(api: str) -> Contract:
    """Our own document of this API: every answer must be in it."""
    return Contract(read_yaml(bundled(northbound.DOCUMENTS[api])), beyond=set())


@cache
def camaras(api: str) -> Contract | None:
    """CAMARA's document of this API; None when there is none, or it is not beside this checkout."""
    if api not in OF_CAMARA or not (path := CAMARA / OF_CAMARA[api]).is_file():
        return None
    return Contract(read_yaml(path.read_text(encoding="utf-8")), beyond=BEYOND)
